import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { SluiceError } from '#domain/errors'
import { EXPANSIONS, type Expansions, expansionsBetween, STORE_VERSION } from '../ddl.ts'
import { isBusy, unavailable } from './errors.ts'
import { WAITING_TABLE } from './waiting.ts'

const PAGE_SIZE = 8_192

/** CDS declares no secondary indexes. */
const INDEXES = [
  WAITING_TABLE,
  // Partial ones stay small beside millions of done dispatches; a query must repeat their condition literally.
  `CREATE INDEX IF NOT EXISTS sluice_Dispatches_dead ON sluice_Dispatches(lane) WHERE status = 'dead'`,
  `CREATE INDEX IF NOT EXISTS sluice_Dispatches_unsure ON sluice_Dispatches(lane) WHERE status = 'unsure'`,
  `CREATE INDEX IF NOT EXISTS sluice_Lanes_due ON sluice_Lanes(subscription, availableAt) WHERE availableAt IS NOT NULL`,
  'CREATE INDEX IF NOT EXISTS sluice_Lanes_blocked ON sluice_Lanes(subscription) WHERE blocked',
  `CREATE INDEX IF NOT EXISTS sluice_Identities_expiry ON sluice_Identities(expiresAt) WHERE expiresAt IS NOT NULL`,
  // From a delivery to its events and on to their dispatches, as the operator's service reads them, in the process that
  // takes deliveries. The keys grow with time, so new rows lie at the end.
  'CREATE INDEX IF NOT EXISTS sluice_Events_delivery ON sluice_Events(delivery)',
  'CREATE INDEX IF NOT EXISTS sluice_Dispatches_event ON sluice_Dispatches(event)',
  `CREATE INDEX IF NOT EXISTS sluice_Deliveries_application ON sluice_Deliveries(applicationId) WHERE applicationId IS NOT NULL`,
  `CREATE INDEX IF NOT EXISTS sluice_Deliveries_correlation ON sluice_Deliveries(correlationId) WHERE correlationId IS NOT NULL`,
]

/**
 * Short rows that are found by their key alone: without row ids of their own, the table is the index of its key, and each
 * commit writes a page less. https://www.sqlite.org/withoutrowid.html
 */
const KEYED: ReadonlySet<string> = new Set(['Attempts', 'Effects', 'Identities'].map((name) => `sluice_${name}`))

export interface Schema {
  /** What CAP's compiler makes of the model for SQLite. */
  readonly ddl: readonly string[]
  readonly version?: number
  readonly expansions?: Expansions
}

/**
 * Creates or expands the store's file, before CAP connects to it: the page size can only be chosen for an empty file.
 * @throws SluiceError `store-newer` where a later version of Sluice has written it, `store-unavailable`
 */
export async function deployFile(file: string, schema: Schema): Promise<void> {
  const { ddl, version = STORE_VERSION, expansions = EXPANSIONS.sqlite } = schema
  try {
    mkdirSync(dirname(file), { recursive: true })
    const database = new DatabaseSync(file, { timeout: 0 })
    try {
      await whenFree(() => database.exec(`PRAGMA page_size = ${PAGE_SIZE}; PRAGMA journal_mode = WAL`))
      const found = versionOf(database)
      if (found !== undefined && found < version) database.exec(`VACUUM INTO '${backupName(file, found)}'`)
      await whenFree(() => database.exec('BEGIN IMMEDIATE'))
      expand(database, file, version, expansions)
      for (const sql of pending(ddl, catalog(database))) database.exec(sql)
      for (const sql of INDEXES) database.exec(sql)
      database.prepare(WRITE_VERSION).run(String(version))
      database.exec('COMMIT')
    } finally {
      // Closing rolls back what was not committed.
      database.close()
    }
  } catch (thrown) {
    throw thrown instanceof SluiceError ? thrown : unavailable(thrown)
  }
}

function expand(database: DatabaseSync, file: string, version: number, expansions: Expansions): void {
  const found = versionOf(database) ?? version
  if (found > version) {
    throw new SluiceError('store-newer', `The store ${file} has version ${found}; this Sluice knows ${version}.`, {
      retry: 'never',
      remedy: 'Start the version of cap-sluice that wrote it, or restore the backup made before that upgrade.',
    })
  }
  for (const sql of expansionsBetween(expansions, found, version)) database.exec(sql)
}

/** What is in the database, by name, with the statement that made it. */
export type Catalog = ReadonlyMap<string, string>

export const CATALOG = `SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'view')`

export interface CatalogRow {
  readonly name: string
  readonly sql: string
}

const catalog = (database: DatabaseSync): Catalog =>
  toCatalog(database.prepare(CATALOG).all() as unknown as CatalogRow[])

export const toCatalog = (rows: readonly CatalogRow[]): Catalog => new Map(rows.map(({ name, sql }) => [name, sql]))

/** Tables that are missing, and views that are missing or different. Existing tables only change by an expansion. */
export function pending(ddl: readonly string[], found: Catalog): string[] {
  return ddl.flatMap((statement) => {
    const [, kind, quoted = ''] = /^CREATE (TABLE|VIEW) (\S+)/.exec(statement) ?? []
    const name = quoted.replaceAll('"', '')
    const old = found.get(name)
    if (old === undefined) return [asTree(statement)]
    if (kind === 'TABLE' || old === statement.replace(/;\s*$/, '')) return []
    return [`DROP VIEW ${quoted}`, statement]
  })
}

function asTree(statement: string): string {
  const [, table = ''] = /^CREATE TABLE (\w+)/.exec(statement) ?? []
  return KEYED.has(table) ? statement.replace(/;?\s*$/, ' WITHOUT ROWID') : statement
}

function versionOf(database: DatabaseSync): number | undefined {
  if (!catalog(database).has('sluice_Meta')) return undefined
  const row = database.prepare(READ_VERSION).get()
  return row === undefined ? undefined : Number(row.value)
}

const backupName = (file: string, version: number): string =>
  `${file}.v${version}-${new Date().toISOString().replaceAll(/[:.]/g, '-')}.backup`.replaceAll("'", "''")

/** Another instance may be deploying or writing; waiting in SQLite would stop this process. */
async function whenFree(run: () => void): Promise<void> {
  const giveUpAt = Date.now() + 10_000
  for (;;) {
    try {
      return run()
    } catch (thrown) {
      if (!isBusy(thrown) || Date.now() > giveUpAt) throw thrown
      await pause(20)
    }
  }
}

const READ_VERSION = `SELECT value FROM sluice_Meta WHERE name = 'schema'`
const WRITE_VERSION = `INSERT INTO sluice_Meta(name, value) VALUES('schema', ?)
  ON CONFLICT(name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value`
