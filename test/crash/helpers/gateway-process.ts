import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { ChildOptions } from '../child.ts'
import type { Armed, Failpoint } from './failpoints.ts'
import type { Mutation } from './mutations.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const CHILD = 'test/crash/child.ts'
/** Comes with every thread: SQLite's driver is watched where it is used. */
const STORE_THREAD = 'test/crash/helpers/store-thread.ts'

/** A line of the child. */
export interface Fact {
  readonly ready?: string
  readonly armed?: true
  readonly reached?: Failpoint
  /** A handler's event, with the code of what it threw. */
  readonly failed?: string
  readonly code?: string
  /** Something was settled for a lane that had another owner by then. */
  readonly void?: true
}

export interface StartOptions {
  readonly armed?: Armed
  readonly mutation?: Mutation
  /** Another copy of this repository, e.g. of another version. */
  readonly root?: string
}

/** One gateway in a process of its own, until it ends. */
export interface GatewayProcess {
  /** Resolves when it listens or has ended, whichever comes first. */
  readonly started: Promise<unknown>
  readonly exit: Promise<unknown>
  /** While it listens. */
  readonly url: string | undefined
  /** Everything it told so far. */
  readonly facts: readonly Fact[]
  /** The signal or the code it ended with, once it has. */
  readonly ended: string | undefined
  /** Resolves when the child knows, or is gone. */
  arm(armed: Armed | undefined): Promise<void>
  signal(signal: NodeJS.Signals): void
}

/** Its stdin is a pipe: when this process goes, however it goes, the child sees its end and goes too. */
export function startGateway(options: ChildOptions, { armed, mutation, root = ROOT }: StartOptions): GatewayProcess {
  const child = spawn(process.execPath, [...process.execArgv, join(root, CHILD), JSON.stringify(options)], {
    env: {
      ...process.env,
      NODE_OPTIONS: `${process.env.NODE_OPTIONS} --import=${join(root, STORE_THREAD)}`,
      ...(armed && { FAILPOINT: JSON.stringify(armed) }),
      ...(mutation && { MUTATION: mutation }),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const facts: Fact[] = []
  const told = new EventEmitter()
  const next = (name: keyof Fact) => Promise.race([once(told, name), exit])
  let ended: string | undefined
  let url: string | undefined
  createInterface({ input: child.stdout }).on('line', (line) => {
    const fact = JSON.parse(line) as Fact
    facts.push(fact)
    url ??= fact.ready
    for (const name of Object.keys(fact)) told.emit(name)
  })
  // A dead child's pipe: what was ordered of it does not matter any more.
  child.stdin.on('error', () => undefined)
  const exit = once(child, 'close').then(([code, signal]) => {
    ended = String(signal ?? code)
    url = undefined
  })

  return {
    started: next('ready'),
    exit,
    facts,
    get url() {
      return url
    },
    get ended() {
      return ended
    },
    async arm(order) {
      child.stdin.write(`${JSON.stringify(order ?? null)}\n`)
      await next('armed')
    },
    signal: (signal) => void child.kill(signal),
  }
}
