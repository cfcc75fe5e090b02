import type { AttemptRecord, DispatchSettlement, Effect, LaneSettlement } from '#domain/ports'
import { effectHash } from '../hash.ts'
import { clean, iso } from '../rows.ts'
import type { Database } from './session.ts'
import { now, rows, statement } from './sql.ts'

/**
 * The lanes in one order everywhere, and only those whose fence still holds. LATERAL, so that the planner expects a row
 * for each and joins what follows by hash: expecting one, it compares every lane with every other.
 */
const HELD = `held AS (
     SELECT lane.*, r.back
     FROM (SELECT * FROM ${rows('$1', { lane: 'text', owner: 'text', back: 'boolean' })} ORDER BY r.lane COLLATE "C") r
     CROSS JOIN LATERAL (
       SELECT id, owner, head, tail FROM sluice_lanes lane WHERE id = r.lane AND lane.owner = r.owner FOR UPDATE) lane)`

/**
 * All lanes of a call in one statement: what hangs on a lane whose lease is lost joins with nothing. The lane's next
 * head is found among dispatches this statement can see or, failing those, stands right behind the last one settled:
 * never at the tail, because a dispatch that arrived meanwhile may be invisible here.
 */
const SETTLE = statement(
  'settle',
  `WITH ${HELD},
   one AS (SELECT * FROM ${rows('$2', {
     lane: 'text',
     dispatch: 'text',
     to: 'text',
     reason: 'text',
     result: 'text',
     delayMs: 'double precision',
     block: 'boolean',
     at: 'timestamp',
     durationMs: 'double precision',
     outcome: 'text',
     code: 'text',
     httpStatus: 'integer',
     message: 'text',
     sentAt: 'timestamp',
   })}),
   moved AS (
     UPDATE sluice_dispatches dispatch
     SET status = one."to", reason = one.reason, result = one.result,
       attempts = dispatch.attempts + CASE WHEN one.outcome IS NULL THEN 0 ELSE 1 END,
       lastsentat = coalesce(one."sentAt", dispatch.lastsentat),
       availableat = CASE WHEN one."to" = 'waiting'
         THEN ${now('$4')} + coalesce(one."delayMs", 0) * interval '1 millisecond' END,
       finishedat = CASE WHEN one."to" <> 'waiting' THEN ${now('$4')} END
     FROM one JOIN held ON held.id = one.lane CROSS JOIN LATERAL (
       SELECT id FROM sluice_dispatches open
       WHERE open.id = one.dispatch AND open.lane = one.lane AND open.status = 'waiting' OFFSET 0) open
     WHERE dispatch.id = open.id
     RETURNING dispatch.id, dispatch.lane, dispatch.pos, dispatch.status, dispatch.attempts, held.owner, one.block,
       one."delayMs", one.at, one."durationMs", one.outcome, one.code, one."httpStatus", one.message),
   tried AS (
     INSERT INTO sluice_attempts (dispatch, n, at, durationms, fence, outcome, code, httpstatus, message)
     SELECT id, attempts, at, "durationMs", owner, outcome, code, "httpStatus", message
     FROM moved WHERE outcome IS NOT NULL),
   effected AS (
     INSERT INTO sluice_effects (hash, scope, object, version, contenthash, at)
     SELECT DISTINCT ON (r.hash COLLATE "C") r.hash, r.scope, r.object, r.version, r."contentHash", ${now('$4')}
     FROM ${rows('$3', {
       n: 'integer',
       dispatch: 'text',
       hash: 'text',
       scope: 'text',
       object: 'text',
       version: 'text',
       contentHash: 'text',
     })} JOIN moved ON moved.id = r.dispatch
     ORDER BY r.hash COLLATE "C", r.n DESC
     ON CONFLICT (hash) DO UPDATE
       SET version = excluded.version, contenthash = excluded.contenthash, at = excluded.at),
   ended AS (
     SELECT lane, array_agg(pos) FILTER (WHERE status <> 'waiting') AS finished,
       max(pos) FILTER (WHERE status <> 'waiting') AS last, min(pos) FILTER (WHERE block) AS blocker,
       max("delayMs") FILTER (WHERE status = 'waiting') AS delay
     FROM moved GROUP BY lane),
   next AS MATERIALIZED (
     SELECT held.id, held.owner, held.tail, held.back, ended.blocker, ended.delay, coalesce(ended.blocker, (
         SELECT pos FROM sluice_dispatches dispatch
         WHERE dispatch.lane = held.id AND pos >= held.head AND status = 'waiting'
           AND pos <> ALL (coalesce(ended.finished, '{}'))
         ORDER BY pos LIMIT 1), ended.last + 1, held.head) AS head
     FROM held LEFT JOIN ended ON ended.lane = held.id)
   UPDATE sluice_lanes lane
   SET head = next.head,
     blocked = lane.blocked OR next.blocker IS NOT NULL,
     owner = CASE WHEN next.back THEN NULL ELSE lane.owner END,
     availableat = CASE
       WHEN next.blocker IS NOT NULL THEN NULL
       WHEN NOT next.back THEN lane.availableat
       WHEN next.tail > next.head THEN ${now('$4')} + coalesce(next.delay, 0) * interval '1 millisecond' END
   FROM next WHERE lane.id = next.id
   RETURNING lane.id AS lane, next.owner`,
)

const RENEW = statement(
  'renew',
  `WITH ${HELD}
   UPDATE sluice_lanes lane SET availableat = ${now('$3')} + $2::double precision * interval '1 millisecond'
   FROM held WHERE lane.id = held.id RETURNING lane.id AS lane, lane.owner`,
)

type Held = { readonly lane: string; readonly owner: string }

/** @returns per lane whether its fence held. */
export async function settle(
  database: Database,
  lanes: readonly LaneSettlement[],
  moment: string | null,
): Promise<readonly boolean[]> {
  if (lanes.length === 0) return []
  const leases = merged(lanes)
  const given = leases.map(({ lane, owner, release, settled }) => ({
    lane,
    owner,
    back: release || settled.some(({ to, block }) => block === true || to === 'waiting'),
  }))
  const moves = leases.flatMap(({ lane, settled }) => settled.map((one) => moveRow(lane, one)))
  const effects = leases
    .flatMap(({ settled }) =>
      settled.flatMap(({ dispatch, effects = [] }) => effects.map((one) => ({ dispatch, one }))),
    )
    .map(({ dispatch, one }, n) => ({ n, dispatch, ...effectRow(one) }))
  const values = [given, moves, effects].map((list) => JSON.stringify(list))
  return whichHeld(lanes, await database.run<Held>(SETTLE, [...values, moment]))
}

export async function renew(
  database: Database,
  lanes: readonly Held[],
  leaseMs: number,
  moment: string | null,
): Promise<readonly boolean[]> {
  if (lanes.length === 0) return []
  return whichHeld(lanes, await database.run<Held>(RENEW, [JSON.stringify(lanes), leaseMs, moment]))
}

const leaseKey = ({ lane, owner }: Held): string => `${lane} ${owner}`

/** One entry a lease: the statement updates each lane once. */
function merged(lanes: readonly LaneSettlement[]): LaneSettlement[] {
  return [...Map.groupBy(lanes, leaseKey).values()].flatMap((same) => {
    const [first] = same
    if (!first || same.length === 1) return same
    return [{ ...first, settled: same.flatMap(({ settled }) => settled), release: same.some(({ release }) => release) }]
  })
}

function whichHeld(lanes: readonly Held[], updated: readonly Held[]): boolean[] {
  const held = new Set(updated.map(leaseKey))
  return lanes.map((lane) => held.has(leaseKey(lane)))
}

function moveRow(lane: string, { dispatch, to, reason, result, delayMs, block, attempt }: DispatchSettlement) {
  return {
    lane,
    dispatch,
    to,
    reason: text(reason, 255),
    result: text(result, Number.POSITIVE_INFINITY),
    delayMs,
    block: block === true,
    ...(attempt && attemptColumns(attempt)),
  }
}

const attemptColumns = ({ at, durationMs, outcome, code, httpStatus, message, sent }: AttemptRecord) => ({
  at: iso(at),
  durationMs: Math.round(durationMs),
  outcome,
  code: text(code, 100),
  httpStatus,
  message: text(message, 2048),
  sentAt: sent ? iso(new Date(at.getTime() + durationMs)) : undefined,
})

const effectRow = ({ scope, object, version: { version, contentHash } }: Effect) => ({
  hash: effectHash(scope, object),
  scope: text(scope, 120),
  object: text(object, 360),
  version: text(version, 100),
  contentHash: text(contentHash, 64),
})

const text = (value: string | undefined, limit: number): string | undefined =>
  value === undefined ? undefined : clean(value, limit)
