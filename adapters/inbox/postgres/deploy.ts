import { hash } from 'node:crypto'
import { SluiceError } from '#domain/errors'
import { EXPANSIONS, expansionsBetween, STORE_VERSION } from '../ddl.ts'
import type { Database, Session } from './session.ts'
import { statement } from './sql.ts'

/** Any number but the same in every instance: 12 of them may start at once. */
const LOCKED = 'SELECT pg_advisory_xact_lock(7533207001)'

/** What the keys do not serve. None of them covers a dispatch's status: settling then stays within its page (HOT). */
const INDEXES = [
  'sluice_lanes_due ON sluice_lanes (subscription, availableat) WHERE availableat IS NOT NULL',
  'sluice_lanes_blocked ON sluice_lanes (subscription) WHERE blocked',
  'sluice_dispatches_lane ON sluice_dispatches (lane, pos)',
  'sluice_dispatches_event ON sluice_dispatches (event)',
  'sluice_events_delivery ON sluice_events (delivery)',
  `sluice_deliveries_pushed ON sluice_deliveries (source, receivedat)
     WHERE channel = 'push' AND outcome <> 'quarantined'`,
  'sluice_deliveries_application ON sluice_deliveries (applicationid) WHERE applicationid IS NOT NULL',
  'sluice_deliveries_correlation ON sluice_deliveries (correlationid) WHERE correlationid IS NOT NULL',
  'sluice_identities_expired ON sluice_identities (expiresat) WHERE expiresat IS NOT NULL',
]

/** Lane rows change with every event and lease, and autovacuum's defaults would let their index grow threefold. */
const TABLE_OPTIONS = [
  `ALTER TABLE sluice_lanes SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02,
     autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0)`,
  'ALTER TABLE sluice_dispatches SET (fillfactor = 85)',
]

const META_EXISTS = statement('meta_exists', `SELECT to_regclass('sluice_meta') IS NOT NULL AS exists`)
const READ_META = statement('meta_read', 'SELECT value FROM sluice_meta WHERE name = $1')
const WRITE_META = statement(
  'meta_write',
  'INSERT INTO sluice_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
)

/** Statements of older instances are under way meanwhile: whoever waits for a table longer lets them pass and begins anew. */
const LOCK_TIMEOUT = `SET LOCAL lock_timeout = '2s'`

const INDEX_NAMES = statement(
  'index_names',
  'SELECT indexname AS name FROM pg_indexes WHERE schemaname = current_schema()',
)

const VIEWS = statement(
  'views',
  `SELECT relname AS name, obj_description(oid, 'pg_class') AS comment FROM pg_class
   WHERE relkind = 'v' AND relnamespace = current_schema()::regnamespace`,
)

/**
 * Sluice's own tables, indexes and views: creates what is missing, leaves what is there. Nothing to do costs one round
 * trip under the lock.
 * @param ddl what CAP's compiler makes of the model for Postgres
 * @throws SluiceError `store-newer` where a newer Sluice has deployed here, with nothing touched
 */
export async function deployStore(database: Database, ddl: readonly string[], version = STORE_VERSION): Promise<void> {
  await database.transaction(async (session) => {
    const found = await storeVersion(session)
    if (found !== undefined && found > version) throw newerStore(found, version)
    if (found !== version) {
      const expansions = expansionsBetween(EXPANSIONS.postgres, found ?? version, version)
      for (const sql of [LOCK_TIMEOUT, ...expansions, ...tablesOf(ddl)]) await session.exec(sql)
      for (const sql of [...(await missingIndexes(session)), ...TABLE_OPTIONS]) await session.exec(sql)
      await session.run(WRITE_META, ['schema', String(version)])
    }
    await replaceViews(session, ddl)
  }, LOCKED)
}

/**
 * For instances that leave deploying to the deployer.
 * @throws SluiceError `store-not-deployed` where it did not run before this instance, `store-newer`
 */
export async function checkStore(database: Database, version = STORE_VERSION): Promise<void> {
  const found = await database.transaction((session) => storeVersion(session))
  if (found === version) return
  if (found !== undefined && found > version) throw newerStore(found, version)
  const state = found === undefined ? 'The store is not deployed' : `The store has version ${found}`
  throw new SluiceError('store-not-deployed', `${state}; this Sluice needs ${version}.`, {
    retry: 'never',
    remedy: 'Run `sluice-deploy` with the same binding first, or remove `deploy: false` from cds.requires.sluice-db.',
  })
}

/** A model's tables that are missing, and its views, replaced where any of them changed. */
export async function deployModel(database: Database, ddl: readonly string[]): Promise<void> {
  await database.transaction(async (session) => {
    for (const sql of tablesOf(ddl)) await session.exec(sql)
    await replaceViews(session, ddl)
  }, LOCKED)
}

/** Asking for one that is there would lock its table against writing all the same. */
async function missingIndexes(session: Session): Promise<string[]> {
  const found = new Set((await session.run<{ name: string }>(INDEX_NAMES, [])).map(({ name }) => name))
  return INDEXES.filter((index) => !found.has(index.split(' ', 1)[0] ?? '')).map((index) => `CREATE INDEX ${index}`)
}

const tablesOf = (ddl: readonly string[]): string[] =>
  ddl
    .filter((sql) => sql.startsWith('CREATE TABLE'))
    .map((sql) => sql.replace('CREATE TABLE', 'CREATE TABLE IF NOT EXISTS'))

/**
 * Each view carries its text's fingerprint as a comment. A change drops all of the model's, because they stand on each
 * other, and with them views of other models that stand on these: those are missing then, and deployed with their own.
 */
async function replaceViews(session: Session, ddl: readonly string[]): Promise<void> {
  const wanted = ddl.flatMap((sql) => {
    const [, name] = /^CREATE VIEW (\S+)/.exec(sql) ?? []
    return name === undefined ? [] : [{ name, sql, fingerprint: hash('sha256', sql, 'hex') }]
  })
  const found = await session.run<{ name: string; comment: string | null }>(VIEWS, [])
  const comments = new Map(found.map(({ name, comment }) => [name, comment]))
  if (wanted.every(({ name, fingerprint }) => comments.get(catalogName(name)) === fingerprint)) return
  for (const { name } of wanted) await session.exec(`DROP VIEW IF EXISTS ${name} CASCADE`)
  for (const { name, sql, fingerprint } of wanted) {
    await session.exec(sql)
    await session.exec(`COMMENT ON VIEW ${name} IS '${fingerprint}'`)
  }
}

/** Postgres folds what is not quoted. */
const catalogName = (name: string): string => (name.startsWith('"') ? name.slice(1, -1) : name.toLowerCase())

async function storeVersion(session: Session): Promise<number | undefined> {
  const [meta] = await session.run<{ exists: boolean }>(META_EXISTS, [])
  if (!meta?.exists) return undefined
  const [row] = await session.run<{ value: string }>(READ_META, ['schema'])
  return row && Number(row.value)
}

const newerStore = (found: number, known: number): SluiceError =>
  new SluiceError('store-newer', `The store has version ${found}; this Sluice knows ${known}.`, {
    retry: 'never',
    remedy: 'Start the version of cap-sluice that deployed it, or a newer one.',
  })
