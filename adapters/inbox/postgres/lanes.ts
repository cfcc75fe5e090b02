import type { PlannedLane } from '../registry.ts'
import { now, rows, statement } from './sql.ts'

/**
 * New dispatches at their lanes' tails, from `$lanes` and `$dispatches` (both by `laneRows`). Positions come from the
 * lane's row under its lock: a global sequence could commit 6 before 5 in one lane, and the head would move past 5.
 * Lanes are locked in the order of their ids, here and wherever more than one is. Lacks its leading WITH.
 */
export const appending = (lanes: string, dispatches: string, moment: string): string => `
   placed AS (
     INSERT INTO sluice_lanes AS lane (id, subscription, partitionkey, head, tail, availableat, blocked)
     SELECT r.id, r.subscription, r.partitionkey, 0, r.added, ${now(moment)}, false
     FROM ${rows(lanes, { id: 'text', subscription: 'text', partitionkey: 'text', added: 'integer' })}
     ORDER BY r.id COLLATE "C"
     ON CONFLICT (id) DO UPDATE SET tail = lane.tail + excluded.tail,
       availableat = CASE WHEN lane.blocked THEN NULL ELSE coalesce(lane.availableat, excluded.availableat) END
     RETURNING id, tail)
   INSERT INTO sluice_dispatches (id, event, subscription, run, lane, pos, status)
   SELECT r.id, r.event, r.subscription, r.run, r.lane, placed.tail - r.back, 'waiting'
   FROM ${rows(dispatches, {
     id: 'text',
     event: 'text',
     subscription: 'text',
     run: 'integer',
     lane: 'text',
     back: 'integer',
   })} JOIN placed ON placed.id = r.lane`

/** The two parameters of `appending`. */
export const laneRows = (lanes: readonly PlannedLane[]): [string, string] => [
  JSON.stringify(
    lanes.map(({ id, subscription, partitionkey, dispatches }) => ({
      id,
      subscription,
      partitionkey,
      added: dispatches.length,
    })),
  ),
  JSON.stringify(
    lanes.flatMap(({ id: lane, subscription, dispatches }) =>
      dispatches.map((one, index) => ({ ...one, subscription, lane, back: dispatches.length - index })),
    ),
  ),
]

export const APPEND = statement('append', `WITH ${appending('$1', '$2', '$3')}`)

/** The worker vanished: whatever its head was doing counts as tried, and may have reached the target. */
export const RECORD_LOST = statement(
  'lost',
  `WITH lost AS (
     UPDATE sluice_dispatches dispatch SET attempts = dispatch.attempts + 1, lastsentat = r."lostAt"
     FROM ${rows('$1', { lane: 'text', head: 'bigint', lostOwner: 'text', lostAt: 'timestamp' })}
     WHERE dispatch.id = (
       SELECT id FROM sluice_dispatches
       WHERE lane = r.lane AND pos >= r.head AND status = 'waiting' ORDER BY pos LIMIT 1)
     RETURNING dispatch.id, dispatch.attempts, r."lostAt", r."lostOwner")
   INSERT INTO sluice_attempts (dispatch, n, at, fence, outcome)
   SELECT id, attempts, "lostAt", "lostOwner", 'lost' FROM lost`,
)

const NEXT = `next AS (
     SELECT lane.id, (SELECT pos FROM sluice_dispatches one
         WHERE one.lane = lane.id AND pos >= lane.head AND status = 'waiting' ORDER BY pos LIMIT 1) AS pos
     FROM sluice_lanes lane WHERE lane.id = ANY($1))`

/** Ends a lease or a block: due now if work is left, otherwise empty. The lane must be locked by a statement before. */
export const FREE = statement(
  'lane_free',
  `WITH ${NEXT}
   UPDATE sluice_lanes lane SET head = coalesce(next.pos, lane.tail), blocked = false, owner = NULL,
     availableat = CASE WHEN next.pos IS NOT NULL THEN ${now('$2')} END
   FROM next WHERE lane.id = next.id`,
)

/** After dispatches behind the head ended: empties lanes that nothing is left of. Locked by a statement before. */
export const CLOSE_GAPS = statement(
  'lane_close_gaps',
  `WITH ${NEXT}
   UPDATE sluice_lanes lane SET head = coalesce(next.pos, lane.tail),
     availableat = CASE WHEN next.pos IS NOT NULL OR lane.owner IS NOT NULL THEN lane.availableat END
   FROM next WHERE lane.id = next.id AND NOT lane.blocked`,
)
