import type { ChildProcess } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { profiling, SHIPPED, start } from './children.ts'
import { SECRET } from './deliveries.ts'

const READY_WITHIN_MS = 30_000

export interface RunningGateway {
  readonly port: number
  readonly path: string
  stop(): Promise<void>
}

/** Where the inbox is. */
export type Store = { readonly kind: 'sqlite'; readonly file: string } | PostgresStore

export interface PostgresStore {
  readonly kind: 'postgres'
  readonly credentials: Readonly<Record<string, unknown>>
}

/** The gateway as users run it: a CAP app, `cds-serve`, every setting at its default but what is given. */
export async function startGateway(store: Store, settings: object): Promise<RunningGateway> {
  const port = await freePort()
  const credentials = store.kind === 'sqlite' ? { url: store.file } : store.credentials
  const config = {
    requires: {
      db: false,
      'sluice-db': { kind: store.kind, credentials },
      sluice: { sources: { github: { kind: 'github', secrets: [SECRET] } }, ...settings },
    },
  }
  const { process: child, stop } = start(
    [...SHIPPED, ...profiling(), 'node_modules/@sap/cds/bin/serve.js'],
    ['ignore', 'ignore', 'inherit'],
    { PORT: String(port), CDS_CONFIG: JSON.stringify(config) },
  )
  try {
    await ready(child, port)
  } catch (thrown) {
    // Whoever asked for it takes the store away now.
    await stop('SIGKILL')
    throw thrown
  }
  return { port, path: '/webhooks/github', stop: () => stop('SIGTERM') }
}

async function ready(child: ChildProcess, port: number): Promise<void> {
  const giveUpAt = Date.now() + READY_WITHIN_MS
  while (!(await isReady(port))) {
    if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}; see above`)
    if (Date.now() > giveUpAt) throw new Error('the gateway did not become ready')
    await pause(50)
  }
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/health/ready`)).ok
  } catch (unreachable) {
    if (unreachable instanceof TypeError) return false
    throw unreachable
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = address && typeof address === 'object' ? address.port : 0
      server.close(() => resolve(port))
    })
  })
