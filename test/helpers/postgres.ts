import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { postgresInbox } from '../../adapters/inbox/postgres/index.ts'
import { openService, type PostgresService } from '../../adapters/inbox/postgres/service.ts'

import { type Credentials, execute } from './sql.ts'

const run = promisify(execFile)

/** A database of one test file, a copy of the template that was deployed once for the whole run. */
export interface TestDatabase {
  readonly credentials: Credentials
  /** Plain SQL for what a test plants or looks at itself. */
  sql<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** Does something within a transaction of the test's own, that is rolled back in the end. */
  inTransaction<T>(work: (sql: (text: string) => Promise<unknown>) => Promise<T>): Promise<T>
  /** Removes every row, as if deployed a moment ago. */
  empty(): Promise<void>
  drop(): Promise<void>
}

interface Server {
  readonly credentials: Credentials
  readonly template: string
  readonly admin: PostgresService
  stop(): Promise<void>
}

let starting: Promise<Server | undefined> | undefined

/**
 * Undefined where no Postgres is to be had: neither at PGHOST and PGPORT (127.0.0.1:5432) nor by `initdb`. With CI=true
 * that is a failure, because a skipped suite proves nothing.
 */
export async function postgresServer(): Promise<Server | undefined> {
  starting ??= start()
  const server = await starting
  if (server) return server
  const message = 'No Postgres at PGHOST and PGPORT, and no initdb to start one'
  if (process.env.CI === 'true') throw new Error(`${message}: its suites must run in CI.`)
  process.emitWarning(`${message}: its suites are skipped.`)
  return undefined
}

/**
 * For `before`: a database for this file, or the suite is skipped.
 * @param from `nothing`: not even deployed
 */
export async function testDatabase(
  suite: Mocha.Context,
  from: 'template' | 'nothing' = 'template',
): Promise<TestDatabase> {
  suite.timeout(60_000)
  const server = await postgresServer()
  if (!server) return suite.skip()
  const database = uniqueName('test')
  const template = from === 'template' ? server.template : 'template0'
  await execute(server.admin, `CREATE DATABASE ${database} TEMPLATE ${template}`)
  const credentials = { ...server.credentials, database }
  const service = await openService({ credentials }, {})
  return {
    credentials,
    sql: (text, values) => execute(service, text, values),
    async inTransaction(work) {
      const tx = service.tx({})
      await tx.begin(true)
      try {
        await tx.dbc.query('BEGIN')
        return await work((text) => tx.dbc.query(text))
      } finally {
        await tx.dbc.query('ROLLBACK')
        await tx.release()
      }
    },
    async empty() {
      const tables = await execute<{ name: string }>(
        service,
        "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_name LIKE 'sluice_%'",
      )
      for (const { name } of tables) {
        await execute(
          service,
          name === 'sluice_meta' ? `DELETE FROM ${name} WHERE name <> 'schema'` : `DELETE FROM ${name}`,
        )
      }
    },
    async drop() {
      await service.disconnect()
      await execute(server.admin, `DROP DATABASE ${database} WITH (FORCE)`)
    },
  }
}

// A root hook, because it stands outside of every suite: runs once, after the last test of the run.
after(async () => {
  const server = await starting
  if (!server) return
  await execute(server.admin, `DROP DATABASE ${server.template} WITH (FORCE)`)
  await server.admin.disconnect()
  await server.stop()
})

async function start(): Promise<Server | undefined> {
  const { PGHOST = '127.0.0.1', PGPORT = '5432', PGUSER = 'postgres', PGPASSWORD = '' } = process.env
  const running = { host: PGHOST, port: Number(PGPORT), user: PGUSER, password: PGPASSWORD, database: 'postgres' }
  if (await answers(running)) return prepared(running, async () => {})
  const own = await ownCluster()
  return own && prepared(own.credentials, own.stop)
}

async function answers(credentials: Credentials): Promise<boolean> {
  const service = await openService({ credentials, client: { connectionTimeoutMillis: 2_000 } }, {})
  try {
    await execute(service, 'SELECT 1')
    return true
  } catch {
    return false
  } finally {
    await service.disconnect()
  }
}

async function prepared(credentials: Credentials, stop: () => Promise<void>): Promise<Server> {
  const admin = await openService({ credentials }, {})
  const template = uniqueName('template')
  await execute(admin, `CREATE DATABASE ${template}`)
  const inbox = postgresInbox({ credentials: { ...credentials, database: template } })
  await inbox.open()
  await inbox.close()
  return { credentials, template, admin, stop }
}

/** A throw-away cluster in the temporary directory; Postgres refuses to run as root, so root lends it to another user. */
async function ownCluster(): Promise<{ credentials: Credentials; stop: () => Promise<void> } | undefined> {
  const bin = await binaries()
  if (!bin) return undefined
  const directory = await mkdtemp(join(tmpdir(), 'sluice-postgres-'))
  const asUser = await unprivileged(directory)
  const port = await freePort()
  const data = join(directory, 'data')
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${directory}`
  const call = (name: string, ...args: string[]) => run(...asUser(join(bin, name), args))
  await call('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync')
  await call('pg_ctl', '-D', data, '-l', join(directory, 'log'), '-o', options, '-w', 'start')
  return {
    credentials: { host: '127.0.0.1', port, user: 'postgres', password: '', database: 'postgres' },
    async stop() {
      await call('pg_ctl', '-D', data, '-m', 'immediate', '-w', 'stop')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

type AsUser = (command: string, args: readonly string[]) => [string, readonly string[]]

async function unprivileged(directory: string): Promise<AsUser> {
  if (process.getuid?.() !== 0) return (command, args) => [command, args]
  const ids = await Promise.all(['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postgres'])).stdout)))
  const [uid = 65_534, gid = 65_534] = ids
  await chown(directory, uid, gid)
  return (command, args) => ['setpriv', [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', command, ...args]]
}

/** Debian keeps them out of the PATH, one directory per version. */
async function binaries(): Promise<string | undefined> {
  const debian = '/usr/lib/postgresql'
  const versions = (await readdir(debian).catch(() => [])).sort((a, b) => Number(b) - Number(a))
  const candidates = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ]
  for (const directory of candidates) {
    const names: readonly string[] = await readdir(directory).catch(() => [])
    if (names.includes('initdb') && names.includes('pg_ctl')) return directory
  }
  return undefined
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer().on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))))
    })
  })

const uniqueName = (kind: string): string => `sluice_${kind}_${randomBytes(6).toString('hex')}`
