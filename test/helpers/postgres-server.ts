import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdtemp, readdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { postgresInbox } from '../../adapters/inbox/postgres/index.ts'
import { openService } from '../../adapters/inbox/postgres/service.ts'
import { oncePerRun, SERVER } from './run.ts'
import { type Credentials, execute } from './sql.ts'

const run = promisify(execFile)

interface Server {
  readonly credentials: Credentials
  /** A database that was deployed once for the whole run. */
  readonly template: string
  /** Where it is a throw-away cluster of this run's own. */
  readonly own?: Cluster
}

interface Cluster {
  readonly bin: string
  readonly directory: string
}

/**
 * Undefined where no Postgres is to be had: neither at PGHOST and PGPORT (127.0.0.1:5432) nor by `initdb`. With CI=true
 * that is a failure, because a skipped suite proves nothing.
 */
export async function postgresServer(): Promise<Server | undefined> {
  const server = await oncePerRun(SERVER, async () => (await start()) ?? null)
  if (server) return server
  const message = 'No Postgres at PGHOST and PGPORT, and no initdb to start one'
  if (process.env.CI === 'true') throw new Error(`${message}: its suites must run in CI.`)
  process.emitWarning(`${message}: its suites are skipped.`)
  return undefined
}

/** At the end of the run, in whichever process that is. */
export async function stopServer(): Promise<void> {
  const server = await oncePerRun<Server | null>(SERVER, async () => null)
  if (server?.own) return control(server.own, 'pg_ctl', '-m', 'immediate', '-w', 'stop')
  if (server) await administrate(server.credentials, `DROP DATABASE ${server.template} WITH (FORCE)`)
}

export async function administrate(credentials: Credentials, statement: string): Promise<void> {
  const service = await openService({ credentials }, {})
  try {
    await execute(service, statement)
  } finally {
    await service.disconnect()
  }
}

export const uniqueName = (kind: string): string => `sluice_${kind}_${randomBytes(6).toString('hex')}`

async function start(): Promise<Server | undefined> {
  const { PGHOST = '127.0.0.1', PGPORT = '5432', PGUSER = 'postgres', PGPASSWORD = '' } = process.env
  const running = { host: PGHOST, port: Number(PGPORT), user: PGUSER, password: PGPASSWORD, database: 'postgres' }
  if (await answers(running)) return prepared(running)
  const own = await ownCluster()
  return own && { ...(await prepared(own.credentials)), own: own.cluster }
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

async function prepared(credentials: Credentials): Promise<Server> {
  const template = uniqueName('template')
  await administrate(credentials, `CREATE DATABASE ${template}`)
  const inbox = postgresInbox({ credentials: { ...credentials, database: template } })
  await inbox.open()
  await inbox.close()
  return { credentials, template }
}

/** A throw-away cluster in the temporary directory; Postgres refuses to run as root, so root lends it to another user. */
async function ownCluster(): Promise<{ credentials: Credentials; cluster: Cluster } | undefined> {
  const bin = await binaries()
  if (!bin) return undefined
  const directory = await mkdtemp(join(tmpdir(), 'sluice-postgres-'))
  const cluster = { bin, directory }
  if (process.getuid?.() === 0) {
    // The run's folder is its owner's alone, and the server's user has to pass through it.
    await chmod(tmpdir(), 0o711)
    await chown(directory, ...(await unprivileged()))
  }
  const port = await freePort()
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${directory}`
  await control(cluster, 'initdb', '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync')
  await control(cluster, 'pg_ctl', '-l', join(directory, 'log'), '-o', options, '-w', 'start')
  return { credentials: { host: '127.0.0.1', port, user: 'postgres', password: '', database: 'postgres' }, cluster }
}

async function control({ bin, directory }: Cluster, name: 'initdb' | 'pg_ctl', ...args: string[]): Promise<void> {
  const line = [join(bin, name), '-D', join(directory, 'data'), ...args] as const
  if (process.getuid?.() !== 0) await run(line[0], line.slice(1))
  else {
    const [uid, gid] = await unprivileged()
    await run('setpriv', [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', ...line])
  }
}

async function unprivileged(): Promise<[uid: number, gid: number]> {
  const ids = await Promise.all(['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postgres'])).stdout)))
  const [uid = 65_534, gid = 65_534] = ids
  return [uid, gid]
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
