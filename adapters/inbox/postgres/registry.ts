import { type Registry, type SubscriptionRow, toRegistry } from '../registry.ts'
import type { Session } from './session.ts'
import { statement } from './sql.ts'

/** Any number but the same in every instance. Held shared by whoever fans out, alone by whoever changes subscriptions. */
const REGISTRY_LOCK = 7_533_207_002

/**
 * Opens a transaction that sees every subscription registered before it and ends before the next one is removed: an
 * event never misses a subscription, and a removed subscription never gets another dispatch.
 */
export const READS_REGISTRY = `SELECT pg_advisory_xact_lock_shared(${REGISTRY_LOCK})`
export const CHANGES_REGISTRY = `SELECT pg_advisory_xact_lock(${REGISTRY_LOCK})`

/** To be selected by a later statement of the transaction: one that waits for the lock reads what was before it. */
export const REGISTRY_VERSION = `(SELECT value FROM sluice_meta WHERE name = 'registry')`

const READ = statement(
  'registry_read',
  'SELECT name, filter, "order", paused, removedat AS "removedAt" FROM sluice_subscriptions ORDER BY name',
)
const BUMP = statement(
  'registry_bump',
  `INSERT INTO sluice_meta (name, value) VALUES ('registry', '1')
   ON CONFLICT (name) DO UPDATE SET value = (sluice_meta.value::bigint + 1)::text`,
)

export const bumpRegistry = (session: Session): Promise<unknown> => session.run(BUMP, [])

export const readRegistry = async (session: Session): Promise<Registry> =>
  toRegistry(await session.run<SubscriptionRow>(READ, []))

export type RegistryCache = (session: Session, version: string | null) => Promise<Registry>

/** Parses the subscriptions' filters once per change and not once per batch. */
export function registryCache(): RegistryCache {
  let cached: { version: string | null; registry: Registry } | undefined
  return async (session, version) => {
    if (cached?.version !== version || cached === undefined) {
      cached = { version, registry: await readRegistry(session) }
    }
    return cached.registry
  }
}
