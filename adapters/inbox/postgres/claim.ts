import type { ClaimedDispatch, ClaimedLane, ClaimRequest } from '#domain/ports'
import { type EventRow, storedEvent } from '../rows.ts'
import { FREE, RECORD_LOST } from './lanes.ts'
import type { Database, Session } from './session.ts'
import { active, eventColumns, now, rows, statement } from './sql.ts'

interface TakenLane {
  readonly lane: string
  readonly subscription: string
  readonly partitionkey: string
  readonly head: number
  readonly owner: string
  readonly leaseUntil: Date
  /** The owner and the end of a lease that ran out. */
  readonly lostOwner: string | null
  readonly lostAt: Date
}

/** Each subscription gets its own share, oldest due first; lanes that somebody works on are passed over, not waited for. */
const TAKE = statement(
  'claim_take',
  `WITH due AS (
     SELECT lane.id, lane.owner, lane.availableat
     FROM ${rows('$1', { name: 'text', lanes: 'integer' })}
     CROSS JOIN LATERAL (
       SELECT id, owner, availableat FROM sluice_lanes
       WHERE subscription = r.name AND availableat <= ${now('$3')}
       ORDER BY availableat LIMIT r.lanes
       FOR UPDATE SKIP LOCKED) lane
     WHERE ${active('r.name')})
   UPDATE sluice_lanes lane
   SET availableat = ${now('$3')} + $2::double precision * interval '1 millisecond', owner = gen_random_uuid()
   FROM due WHERE lane.id = due.id
   RETURNING lane.id AS lane, lane.subscription, lane.partitionkey, lane.head, lane.owner,
     lane.availableat AS "leaseUntil", due.owner AS "lostOwner", due.availableat AS "lostAt"`,
)

/** Sizes are added up over narrow rows first, every lane's first dispatch before any second one. */
const LOAD = statement(
  'claim_load',
  `WITH queue AS (
     SELECT waiting.*, octet_length(event.data) AS size, octet_length(event.database64) AS size64,
       row_number() OVER (PARTITION BY waiting.lane ORDER BY waiting.pos) AS nth
     FROM ${rows('$1', { lane: 'text', head: 'bigint' })}
     CROSS JOIN LATERAL (
       SELECT id, event, subscription, lane, pos, run, attempts, forgiven, lastsentat FROM sluice_dispatches
       WHERE lane = r.lane AND pos >= r.head AND status = 'waiting' ORDER BY pos LIMIT $2) waiting
     JOIN sluice_events event ON event.event = waiting.event),
   summed AS (
     SELECT *, sum(coalesce(size, 0) + coalesce(size64, 0)) OVER (ORDER BY nth, lane ROWS UNBOUNDED PRECEDING) AS bytes
     FROM queue)
   SELECT summed.lane, summed.id AS dispatch, summed.run, summed.attempts, summed.forgiven,
     summed.lastsentat AS "lastSentAt",
     summed.attempts > 0 OR (summed.run > 1 AND EXISTS (
       SELECT FROM sluice_dispatches before WHERE before.event = summed.event
         AND before.subscription = summed.subscription AND before.run < summed.run AND before.attempts > 0)) AS tried,
     ${eventColumns('event')}
   FROM summed JOIN sluice_events event ON event.event = summed.event
   WHERE summed.nth = 1 OR summed.bytes <= $3
   ORDER BY summed.lane, summed.pos`,
)

type LoadedRow = EventRow & {
  readonly lane: string
  readonly dispatch: string
  readonly run: number
  readonly attempts: number
  readonly forgiven: number
  readonly lastSentAt: Date | null
  readonly tried: boolean
}

/**
 * Lanes first, their dispatches by a statement of its own: its snapshot is later than the lanes' locks, so it sees what
 * the owner before has settled. With an older one a tried dispatch could look untried and be sent twice.
 */
export const claim = (
  database: Database,
  request: ClaimRequest,
  moment: string | null,
): Promise<readonly ClaimedLane[]> =>
  database.transaction(async (session) => {
    const { subscriptions, leaseMs } = request
    const lanes = await session.run<TakenLane>(TAKE, [JSON.stringify(subscriptions), leaseMs, moment])
    if (lanes.length === 0) return []
    const lost = lanes.filter(({ lostOwner }) => lostOwner !== null)
    if (lost.length > 0) await session.run(RECORD_LOST, [JSON.stringify(lost)])
    const loaded = await load(session, lanes, request)
    const empty = lanes.filter(({ lane }) => !loaded.has(lane))
    // Everything left in them was discarded.
    if (empty.length > 0) await session.run(FREE, [empty.map(({ lane }) => lane), moment])
    return lanes
      .filter(({ lane }) => loaded.has(lane))
      .map(({ lane, subscription, partitionkey, owner, leaseUntil, lostOwner }) => ({
        lane,
        subscription,
        partitionkey,
        owner,
        leaseUntil,
        dispatches: loaded.get(lane) ?? [],
        recovered: lostOwner !== null,
      }))
  })

async function load(
  session: Session,
  lanes: readonly TakenLane[],
  { dispatchesPerLane, bytes }: ClaimRequest,
): Promise<ReadonlyMap<string, ClaimedDispatch[]>> {
  const heads = lanes.map(({ lane, head }) => ({ lane, head }))
  const found = await session.run<LoadedRow>(LOAD, [JSON.stringify(heads), dispatchesPerLane, bytes])
  const byLane = Map.groupBy(found, ({ lane }) => lane)
  return new Map([...byLane].map(([lane, rows]) => [lane, rows.map(claimedDispatch)]))
}

const claimedDispatch = (row: LoadedRow): ClaimedDispatch => ({
  id: row.dispatch,
  run: row.run,
  attempts: row.attempts,
  forgiven: row.forgiven,
  triedBefore: row.tried,
  event: storedEvent(row),
  ...(row.lastSentAt === null ? {} : { lastSentAt: row.lastSentAt }),
})
