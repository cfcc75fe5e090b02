import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type ChildOutput, outputOf } from '../../helpers/child-output.ts'
import { linkTree } from '../../helpers/link-tree.ts'
import { packedPackage, plainEnv } from './packed.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const FIXTURES = resolve(import.meta.dirname, '../sdk')

interface ConsumerOptions {
  /** Folder it is made in. */
  readonly home?: string
  readonly type?: 'module' | 'commonjs'
  /** Copied from this checkout. */
  readonly modules?: readonly string[]
  /** Linked, so that they find their own dependencies. */
  readonly links?: readonly string[]
}

export interface Consumer {
  readonly folder: string
  remove(): void
}

/**
 * A project of its own that has installed the packed package. In this checkout's `.tmp`, where Node finds the libraries
 * a user would have installed too; elsewhere, where it finds nothing but what is copied.
 */
export async function consumer(files: readonly string[], options: ConsumerOptions = {}): Promise<Consumer> {
  const { home = join(ROOT, '.tmp'), type = 'module', modules = [], links = [] } = options
  const { folder: unpacked } = await packedPackage()
  mkdirSync(home, { recursive: true })
  const folder = mkdtempSync(join(home, 'consumer-'))
  linkTree(unpacked, join(folder, 'node_modules/cap-sluice'))
  for (const name of modules) {
    linkTree(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  }
  for (const name of links) {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), 'junction')
  }
  for (const file of files) cpSync(join(FIXTURES, file), join(folder, file))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type }))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** A process of a consumer's, and what it says. */
export interface App {
  readonly port: number
  readonly said: readonly Readonly<Record<string, unknown>>[]
  /** Everything it wrote to its output. */
  output(): string
  tell(message: string): void
  /** Waits until it says something like this. */
  hears(like: (message: Readonly<Record<string, unknown>>) => boolean): Promise<Readonly<Record<string, unknown>>>
  readonly says: ChildOutput['says']
  /** @returns its exit code, or the signal that ended it */
  end(signal?: NodeJS.Signals): Promise<number | string>
}

/** @param env where the app takes its settings from there: then it talks by its output alone, and has no `port` */
export async function startApp(
  folder: string,
  file: string,
  options: object = {},
  env?: Readonly<Record<string, string>>,
): Promise<App> {
  const child: ChildProcess = fork(join(folder, file), [JSON.stringify(options)], {
    cwd: folder,
    env: { ...plainEnv(), ...env },
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const said: Record<string, unknown>[] = []
  const output = outputOf(child)
  child.on('message', (message: Record<string, unknown>) => said.push(message))
  // What it said last may arrive after it has gone.
  const ended = Promise.all([output.ended, once(child, 'disconnect')]).then(([end]) => end)

  async function hears(like: (message: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
    for (;;) {
      const found = said.find(like)
      if (found) return found
      const next = await Promise.race([once(child, 'message'), ended])
      if (!Array.isArray(next) && !said.some(like)) throw new Error(`the app ended (${next}): ${output.text()}`)
    }
  }

  const { port } = env ? { port: 0 } : ((await hears((message) => 'port' in message)) as { port: number })
  return {
    port,
    said,
    output: output.text,
    tell: (message) => void child.send(message),
    hears,
    says: output.says,
    async end(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
      return ended
    },
  }
}
