import type { AdminResult } from '#domain/ports'
import type { RegisteredSubscription } from '#domain/subscription'
import { audited, done, NOT_FOUND } from './audit.ts'
import type { IntakeContext } from './intake.ts'
import { bumpRegistry, CHANGES_REGISTRY, READS_REGISTRY } from './registry.ts'
import { now, rows, statement } from './sql.ts'

/** Writes only what changed: 12 instances that start register the same. */
const REGISTER = statement(
  'register',
  `INSERT INTO sluice_subscriptions AS known (name, filter, "order", paused, registeredat)
   SELECT r.name, r.filter, r."order", false, ${now('$2')}
   FROM ${rows('$1', { name: 'text', filter: 'text', order: 'text' })}
   ORDER BY r.name COLLATE "C"
   ON CONFLICT (name) DO UPDATE SET filter = excluded.filter, "order" = excluded."order", removedat = NULL,
     registeredat = CASE WHEN known.removedat IS NULL THEN known.registeredat ELSE excluded.registeredat END
     WHERE known.removedat IS NOT NULL OR known.filter <> excluded.filter
       OR known."order" IS DISTINCT FROM excluded."order"
   RETURNING name`,
)

export async function registerSubscriptions(
  { database, moment }: IntakeContext,
  subscriptions: readonly RegisteredSubscription[],
): Promise<void> {
  const byName = new Map(subscriptions.map((one) => [one.name, one]))
  const records = [...byName.values()].map(({ name, filter, order }) => ({
    name,
    filter: JSON.stringify(filter),
    order,
  }))
  await database.transaction(async (session) => {
    const changed = await session.run(REGISTER, [JSON.stringify(records), moment()])
    if (changed.length > 0) await bumpRegistry(session)
  }, CHANGES_REGISTRY)
}

const REMOVE = statement(
  'unregister',
  `UPDATE sluice_subscriptions SET removedat = ${now('$2')} WHERE name = $1 AND removedat IS NULL RETURNING name`,
)

/** Lanes ended in one transaction: a backlog of a million must not hold their locks all at once. */
const LANES_AT_ONCE = 500

const HOLD_LANES = statement(
  'unregister_hold',
  `SELECT id FROM sluice_lanes WHERE subscription = $1 AND (availableat IS NOT NULL OR blocked)
     AND EXISTS (SELECT FROM sluice_subscriptions WHERE name = $1 AND removedat IS NOT NULL)
   ORDER BY id COLLATE "C" LIMIT ${LANES_AT_ONCE} FOR UPDATE`,
)
const END_WAITING = statement(
  'unregister_end',
  `UPDATE sluice_dispatches SET status = 'dead', reason = 'subscription-removed', availableat = NULL,
     finishedat = ${now('$2')}
   WHERE lane = ANY($1) AND status = 'waiting' RETURNING id`,
)
/** Without an owner: what a worker still holds is void. */
const CLOSE_LANES = statement(
  'unregister_close',
  `UPDATE sluice_lanes SET head = tail, availableat = NULL, owner = NULL, blocked = false WHERE id = ANY($1)`,
)

/**
 * Removed first, and alone: from that commit on nothing new is added. Then its open work ends in steps; called again,
 * it goes on where a crash has stopped it.
 */
export async function unregisterSubscription(context: IntakeContext, name: string, by: string): Promise<AdminResult> {
  const { database, moment } = context
  const removed = await audited(
    context,
    { by, action: 'unregister', object: name },
    async (session) => {
      const rows = await session.run(REMOVE, [name, moment()])
      if (rows.length === 0) return NOT_FOUND
      await bumpRegistry(session)
      return done([])
    },
    CHANGES_REGISTRY,
  )
  const ended: string[] = []
  for (;;) {
    const step = await database.transaction(async (session) => {
      const lanes = (await session.run<{ id: string }>(HOLD_LANES, [name])).map(({ id }) => id)
      const dispatches = await session.run<{ id: string }>(END_WAITING, [lanes, moment()])
      await session.run(CLOSE_LANES, [lanes])
      return { more: lanes.length === LANES_AT_ONCE, ids: dispatches.map(({ id }) => id) }
    }, READS_REGISTRY)
    ended.push(...step.ids)
    if (!step.more) break
  }
  return removed.ok || ended.length > 0 ? done(ended) : removed
}

const PAUSE = statement(
  'pause',
  `UPDATE sluice_subscriptions SET paused = $2 WHERE name = $1 AND removedat IS NULL RETURNING name`,
)

export const pauseSubscription = (
  context: IntakeContext,
  name: string,
  by: string,
  paused: boolean,
): Promise<AdminResult> =>
  audited(context, { by, action: paused ? 'pause' : 'resume', object: name }, async (session) =>
    (await session.run(PAUSE, [name, paused])).length === 0 ? NOT_FOUND : done([]),
  )
