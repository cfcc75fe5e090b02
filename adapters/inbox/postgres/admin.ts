import type { Admin, AdminResult } from '#domain/ports'
import { type DispatchStatus, operatorMay } from '#domain/status'
import { planReplay, type Registry } from '../registry.ts'
import { type EventRow, storedEvent } from '../rows.ts'
import { audited, CONFLICT, done, NOT_FOUND } from './audit.ts'
import type { IntakeContext } from './intake.ts'
import { APPEND, CLOSE_GAPS, FREE, laneRows, RECORD_LOST } from './lanes.ts'
import { READS_REGISTRY, readRegistry } from './registry.ts'
import { postgresRetention } from './retention.ts'
import type { Session } from './session.ts'
import { eventColumns, now, statement } from './sql.ts'
import { pauseSubscription, registerSubscriptions, unregisterSubscription } from './subscriptions.ts'

export function postgresAdmin(context: IntakeContext): Admin {
  const { database, moment } = context
  return {
    register: (subscriptions) => registerSubscriptions(context, subscriptions),
    unregister: (name, by) => unregisterSubscription(context, name, by),
    pause: (name, by) => pauseSubscription(context, name, by, true),
    resume: (name, by) => pauseSubscription(context, name, by, false),
    replay: (event, subscription, by) =>
      audited(
        context,
        { by, action: 'replay', object: event, detail: subscription },
        async (session) => replay(session, await readRegistry(session), event, subscription, moment()),
        READS_REGISTRY,
      ),
    retry: (dispatch, by) =>
      audited(
        context,
        { by, action: 'retry', object: dispatch },
        async (session) => retry(session, await readRegistry(session), dispatch, moment()),
        READS_REGISTRY,
      ),
    discard: (dispatch, by) =>
      audited(context, { by, action: 'discard', object: dispatch }, (session) => discard(session, dispatch, moment())),
    retain: postgresRetention(database, moment),
  }
}

/** Locked, so that neither another replay takes the same run nor retention the event. */
const HOLD_EVENT = statement(
  'event_hold',
  `SELECT ${eventColumns('event')} FROM sluice_events event WHERE event = $1 FOR UPDATE`,
)
const LAST_RUNS = statement(
  'event_runs',
  'SELECT subscription, max(run) AS run FROM sluice_dispatches WHERE event = $1 GROUP BY subscription',
)
const MARK_ROUTED = statement('event_routed', 'UPDATE sluice_events SET unrouted = FALSE WHERE event = $1 AND unrouted')

async function replay(
  session: Session,
  registry: Registry,
  event: string,
  only: string | undefined,
  moment: string | null,
): Promise<AdminResult> {
  const [row] = await session.run<EventRow>(HOLD_EVENT, [event])
  if (!row) return NOT_FOUND
  const runs = await session.run<{ subscription: string; run: number }>(LAST_RUNS, [event])
  const lanes = planReplay(registry, storedEvent(row), only, runs)
  if (lanes.length === 0) return NOT_FOUND
  await session.run(APPEND, [...laneRows(lanes), moment])
  await session.run(MARK_ROUTED, [event])
  return done(lanes.flatMap(({ dispatches }) => dispatches.map(({ id }) => id)))
}

interface HeldDispatch {
  readonly subscription: string
  readonly lane: string
  readonly pos: number
  readonly status: DispatchStatus
  readonly head: number
  readonly blocked: boolean
  readonly owner: string | null
  readonly availableAt: Date | null
  readonly running: boolean
}

/** The lane first, as everywhere; what it protects is read by the next statement. */
const HOLD_LANE = statement(
  'dispatch_hold',
  'SELECT FROM sluice_lanes WHERE id = (SELECT lane FROM sluice_dispatches WHERE id = $1) FOR UPDATE',
)
const READ_HELD = statement(
  'dispatch_read',
  `SELECT dispatch.subscription, dispatch.lane, dispatch.pos, dispatch.status, lane.head, lane.blocked, lane.owner,
     lane.availableat AS "availableAt", lane.owner IS NOT NULL AND lane.availableat > ${now('$2')} AS running
   FROM sluice_dispatches dispatch JOIN sluice_lanes lane ON lane.id = dispatch.lane WHERE dispatch.id = $1`,
)

async function hold(session: Session, dispatch: string, moment: string | null): Promise<HeldDispatch | undefined> {
  await session.run(HOLD_LANE, [dispatch])
  const [held] = await session.run<HeldDispatch>(READ_HELD, [dispatch, moment])
  return held
}

const blocksLane = ({ blocked, pos, head }: HeldDispatch): boolean => blocked && pos === head

const REOPEN = statement(
  'dispatch_reopen',
  `UPDATE sluice_dispatches
   SET status = 'waiting', reason = NULL, forgiven = attempts, availableat = NULL, finishedat = NULL, pos = $2
   WHERE id = $1`,
)
const TAKE_POSITION = statement(
  'lane_take_position',
  `UPDATE sluice_lanes SET tail = tail + 1,
     availableat = CASE WHEN blocked THEN NULL ELSE coalesce(availableat, ${now('$2')}) END
   WHERE id = $1 RETURNING tail - 1 AS pos`,
)

async function retry(session: Session, registry: Registry, id: string, moment: string | null): Promise<AdminResult> {
  const held = await hold(session, id, moment)
  if (!held) return NOT_FOUND
  if (!operatorMay(held.status, 'waiting') || !registry.has(held.subscription)) return CONFLICT
  if (blocksLane(held)) {
    await session.run(REOPEN, [id, held.pos])
    await session.run(FREE, [[held.lane], moment])
  } else {
    const [tail] = await session.run<{ pos: number }>(TAKE_POSITION, [held.lane, moment])
    await session.run(REOPEN, [id, tail?.pos])
  }
  return done([id])
}

const DISCARD = statement(
  'dispatch_discard',
  `UPDATE sluice_dispatches SET status = 'skipped', reason = 'discarded', availableat = NULL, finishedat = ${now('$2')}
   WHERE id = $1`,
)
const FIRST_WAITING = statement(
  'lane_first_waiting',
  `SELECT min(pos) AS pos FROM sluice_dispatches WHERE lane = $1 AND pos >= $2 AND status = 'waiting'`,
)

async function discard(session: Session, id: string, moment: string | null): Promise<AdminResult> {
  const held = await hold(session, id, moment)
  if (!held) return NOT_FOUND
  const { lane, pos, head, status, owner, availableAt, blocked, running } = held
  if (!operatorMay(status, 'skipped') || (status === 'waiting' && running)) return CONFLICT
  const lost = status === 'waiting' && owner !== null
  if (lost) await session.run(RECORD_LOST, [JSON.stringify([{ lane, head, lostOwner: owner, lostAt: availableAt }])])
  const [first] = await session.run<{ pos: number | null }>(FIRST_WAITING, [lane, head])
  await session.run(DISCARD, [id, moment])
  // What follows a discarded head is due now, not when the head would have been.
  const wasHead = status === 'waiting' && !blocked && first?.pos === pos
  if (lost || wasHead || blocksLane(held)) await session.run(FREE, [[lane], moment])
  else await session.run(CLOSE_GAPS, [[lane]])
  return done([id])
}
