import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { createConnection } from 'node:net'
import { dirname, resolve } from 'node:path'
import { SluiceError } from '#domain/errors'
import { STORE_VERSION } from '../../adapters/inbox/index.ts'
import { checkRequires, completeRequires, type Requires } from '../../srv/cap/requires.ts'
import { type Project, resolveFrom } from '../project.ts'
import { broken, type Finding, fault, ok, skipped } from './finding.ts'

const CHECK = 'store'
const CONNECT_MS = 3_000
const DRIVERS: Readonly<Record<string, string>> = {
  sqlite: '@cap-js/sqlite',
  postgres: '@cap-js/postgres',
  hana: '@cap-js/hana',
}

/** Whether the store of `cds.requires.sluice-db` can be opened; nothing is written to it. */
export async function checkStore({ folder, requires: written, sluice }: Project): Promise<Finding> {
  const requires: Project['requires'] & Requires = { ...written, kinds: {} }
  completeRequires(requires, undefined)
  try {
    checkRequires(requires, process.env)
  } catch (thrown) {
    if (!(thrown instanceof SluiceError)) throw thrown
    return fault(CHECK, thrown)
  }
  const { kind, credentials } = (requires['sluice-db'] ?? {}) as {
    kind?: string
    credentials?: Record<string, unknown>
  }
  // Without the plugin the database is chosen in code.
  const driver = sluice && kind ? DRIVERS[kind] : undefined
  if (driver && !resolveFrom(folder, driver))
    return broken(CHECK, `${driver} is not installed.`, `Run npm add ${driver}.`)
  if (kind === 'sqlite')
    return checkFile(resolve(folder, String(credentials?.url ?? credentials?.database ?? 'sluice.db')))
  if (kind === 'postgres') return checkServer(credentials ?? {})
  return skipped(CHECK, kind ? `${kind} is checked at start only` : 'no sluice-db is configured')
}

async function checkFile(file: string): Promise<Finding> {
  const present = existsSync(file)
  try {
    if (present && !statSync(file).isFile())
      return broken(CHECK, `${file} is no file.`, 'Name a file in credentials.url.')
    const parent = existing(dirname(file))
    if (!statSync(parent).isDirectory()) return broken(CHECK, `${parent} is no folder.`, 'Name a file in a folder.')
    accessSync(present ? file : parent, constants.W_OK)
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code
    return broken(
      CHECK,
      `${file} cannot be written (${code}).`,
      'Give the process the right to write there, or name another file.',
    )
  }
  return present ? readVersion(file) : ok(CHECK, `${file} will be created`)
}

const existing = (folder: string): string => (existsSync(folder) ? folder : existing(dirname(folder)))

async function readVersion(file: string): Promise<Finding> {
  const { DatabaseSync } = await import('node:sqlite')
  try {
    const database = new DatabaseSync(file, { readOnly: true })
    try {
      const known = database.prepare(`SELECT name FROM sqlite_master WHERE name = 'sluice_Meta'`).get()
      const row = known && database.prepare(`SELECT value FROM sluice_Meta WHERE name = 'schema'`).get()
      return judge(file, row === undefined ? undefined : Number(row.value))
    } finally {
      database.close()
    }
  } catch (thrown) {
    const problem = thrown instanceof Error ? thrown.message : 'unknown'
    return broken(CHECK, `${file} cannot be read: ${problem}.`, 'Restore it from a backup, or name another file.')
  }
}

function judge(file: string, version: number | undefined): Finding {
  if (version === undefined || version <= STORE_VERSION) return ok(CHECK, file)
  return broken(
    CHECK,
    `${file} was written by a newer Sluice (version ${version}; this one knows ${STORE_VERSION}).`,
    'Install that version of cap-sluice, or restore the backup made before the upgrade.',
  )
}

/** Reachable, no more: to log on and to look is what the start does. */
function checkServer(credentials: Readonly<Record<string, unknown>>): Promise<Finding> {
  const host = String(credentials.host ?? credentials.hostname ?? 'localhost')
  const port = Number(credentials.port ?? 5432)
  return new Promise((done) => {
    const socket = createConnection({ host, port, timeout: CONNECT_MS })
    const end = (finding: Finding) => {
      socket.destroy()
      done(finding)
    }
    const fail = (why: string) =>
      end(
        broken(
          CHECK,
          `Postgres at ${host}:${port} does not answer (${why}).`,
          'Start it, or mend the credentials of sluice-db.',
        ),
      )
    socket.once('connect', () => end(ok(CHECK, `Postgres at ${host}:${port} answers`)))
    socket.once('timeout', () => fail('no answer'))
    socket.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message))
  })
}
