import type { StoreHealth } from '#domain/ports'
import { compileDdl, loadModel } from '../ddl.ts'
import { type CdsInbox, lazyInbox, type OpenInbox } from '../lazy.ts'
import { iso } from '../rows.ts'
import { postgresAdmin } from './admin.ts'
import { checkStore, deployModel, deployStore } from './deploy.ts'
import { toStoreError } from './errors.ts'
import { type IntakeContext, postgresIntake } from './intake.ts'
import { postgresJournal } from './journal.ts'
import { registryCache } from './registry.ts'
import { openService, type PostgresOptions, type PostgresService } from './service.ts'
import { type Database, postgresDatabase } from './session.ts'
import { statement } from './sql.ts'
import { postgresWork } from './work.ts'

export interface PostgresInboxOptions extends PostgresOptions {
  /** A test's clock. Without it every moment that decides anything is the database's, so that instances agree. */
  readonly now?: () => Date
  /** Connects an app's own service `sluice-db`; without it the inbox has one that nobody else sees. */
  readonly connect?: () => Promise<PostgresService>
  /** False: `open()` creates nothing, and refuses a store that nobody has brought to this version. */
  readonly deploy?: boolean
}

/**
 * The inbox on Postgres 13 or later, through CAP's Postgres service; any number of instances share it. `open()` creates
 * what is missing, also when 12 instances do it at once.
 * @throws SluiceError on `open()`: `store-newer`, `store-not-deployed`, `store-unavailable`
 */
export const postgresInbox = (options: PostgresInboxOptions): CdsInbox => lazyInbox(() => open(options))

async function open({ now, connect, deploy = true, ...options }: PostgresInboxOptions): Promise<OpenInbox> {
  const service = await (connect ? connect() : openService(options, await loadModel()))
  const database = postgresDatabase(service)
  const context: IntakeContext = { database, registry: registryCache(), moment: () => (now ? iso(now()) : null) }
  try {
    if (deploy) await deployStore(database, await compileDdl('postgres'))
    else await checkStore(database)
  } catch (error) {
    await service.disconnect()
    throw error
  }
  return {
    service,
    intake: postgresIntake(context),
    work: postgresWork(context),
    journal: postgresJournal(context),
    admin: postgresAdmin(context),
    deploy: async (model) => deployModel(database, await compileDdl('postgres', model)),
    health: () => health(database),
    async close() {
      await database.idle()
      await service.disconnect()
    },
  }
}

const HEALTH = statement(
  'health',
  `SELECT current_setting('synchronous_commit') AS sync, pg_is_in_recovery() AS replica,
     extract(epoch FROM clock_timestamp())::double precision * 1000 AS now`,
)

async function health(database: Database): Promise<StoreHealth> {
  const before = Date.now()
  try {
    const [row] = await database.run<{ sync: string; replica: boolean; now: number }>(HEALTH, [])
    if (row?.sync === 'off') return { ok: false, reason: 'synchronous_commit is off: a 2xx would not mean stored' }
    if (row?.replica) return { ok: false, reason: 'the server is a read-only replica' }
    return { ok: true, ...(row && { clockOffsetMs: Math.round(row.now - (before + Date.now()) / 2) }) }
  } catch (error) {
    return { ok: false, reason: toStoreError(error).code }
  }
}
