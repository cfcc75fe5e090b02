import { randomUUID } from 'node:crypto'
import type { Admin, AdminResult } from '#domain/ports'
import { type DispatchStatus, operatorMay } from '#domain/status'
import { planReplay } from '../registry.ts'
import { clean, EVENT_COLUMNS, type EventRow, storedEvent } from '../rows.ts'
import { appendToLanes, firstWaiting, freeLane, holdLane, type LaneRow, recordLost, updateLane } from './lanes.ts'
import { SELECT, UPDATE } from './ql.ts'
import { readRegistry } from './registry.ts'
import { cqlRetention } from './retention.ts'
import type { CqlDatabase, Tx } from './session.ts'
import { pauseSubscription, registerSubscriptions, unregisterSubscription } from './subscriptions.ts'

const NOT_FOUND: AdminResult = { ok: false, reason: 'not-found' }
const CONFLICT: AdminResult = { ok: false, reason: 'conflict' }
const done = (dispatches: readonly string[]): AdminResult => ({ ok: true, dispatches })

export function cqlAdmin(database: CqlDatabase): Admin {
  /** Carries out an operator's action and records it in the same transaction; a refused one leaves no trace. */
  const act = (by: string, action: string, object: string, run: (tx: Tx) => Promise<AdminResult>, detail?: string) =>
    database.transaction(async (tx) => {
      const result = await run(tx)
      if (result.ok) {
        const entry = { ID: randomUUID(), at: tx.now, actor: clean(by, 255), action, object: clean(object, 255) }
        await tx.insert('sluice.Audit', [{ ...entry, detail: detail === undefined ? null : clean(detail, 255) }])
      }
      return result
    })
  return {
    register: (subscriptions) => database.transaction((tx) => registerSubscriptions(tx, subscriptions)),
    unregister: (name, by) =>
      act(by, 'unregister', name, async (tx) => {
        const ended = await unregisterSubscription(tx, name)
        return ended ? done(ended) : NOT_FOUND
      }),
    pause: (name, by) =>
      act(by, 'pause', name, async (tx) => ((await pauseSubscription(tx, name, true)) ? done([]) : NOT_FOUND)),
    resume: (name, by) =>
      act(by, 'resume', name, async (tx) => ((await pauseSubscription(tx, name, false)) ? done([]) : NOT_FOUND)),
    replay: (event, subscription, by) =>
      act(by, 'replay', event, (tx) => replay(tx, event, subscription), subscription),
    retry: (dispatch, by) => act(by, 'retry', dispatch, (tx) => retry(tx, dispatch)),
    discard: (dispatch, by) => act(by, 'discard', dispatch, (tx) => discard(tx, dispatch)),
    retain: cqlRetention(database),
  }
}

async function replay(tx: Tx, event: string, only: string | undefined): Promise<AdminResult> {
  const registry = await readRegistry(tx)
  // Locked, so that neither another replay takes the same run nor retention the event.
  await tx.row(SELECT.from('sluice.Events').columns('event').where({ event }).forUpdate())
  const row = await tx.row<EventRow>(
    SELECT.from('sluice.Events')
      .columns(...EVENT_COLUMNS)
      .where({ event }),
  )
  if (!row) return NOT_FOUND
  const runs = await tx.rows<{ subscription: string; run: number }>(
    SELECT.from('sluice.Dispatches')
      .columns('subscription', 'max(run) as run')
      .where({ event })
      .groupBy('subscription'),
  )
  const lanes = planReplay(registry, storedEvent(row), only, runs)
  if (lanes.length === 0) return NOT_FOUND
  await appendToLanes(tx, lanes)
  await tx.change(UPDATE('sluice.Events').with({ unrouted: false }).where({ event, unrouted: true }))
  return done(lanes.flatMap(({ dispatches }) => dispatches.map(({ id }) => id)))
}

interface HeldDispatch {
  readonly subscription: string
  readonly pos: number
  readonly status: DispatchStatus
  readonly lane: LaneRow
}

/** The lane first, as everywhere; what it protects is read after. */
async function hold(tx: Tx, ID: string): Promise<HeldDispatch | undefined> {
  const found = await tx.row<{ lane: string }>(SELECT.from('sluice.Dispatches').columns('lane').where({ ID }))
  const lane = found && (await holdLane(tx, found.lane))
  const row = await tx.row<{ subscription: string; pos: string | number; status: DispatchStatus }>(
    SELECT.from('sluice.Dispatches').columns('subscription', 'pos', 'status').where({ ID }),
  )
  return lane && row && { ...row, pos: Number(row.pos), lane }
}

const blocks = ({ lane, pos }: HeldDispatch): boolean => lane.blocked && lane.head === pos

async function retry(tx: Tx, ID: string): Promise<AdminResult> {
  const registry = await readRegistry(tx)
  const held = await hold(tx, ID)
  if (!held) return NOT_FOUND
  if (!operatorMay(held.status, 'waiting') || !registry.has(held.subscription)) return CONFLICT
  const { lane } = held
  if (blocks(held)) {
    await reopen(tx, ID, held.pos)
    await freeLane(tx, lane, lane.head, tx.now)
  } else {
    await reopen(tx, ID, lane.tail)
    const availableAt = lane.blocked ? null : (lane.availableAt ?? tx.now)
    await tx.change(
      UPDATE('sluice.Lanes')
        .with({ tail: lane.tail + 1, availableAt })
        .where({ ID: lane.ID }),
    )
  }
  return done([ID])
}

async function reopen(tx: Tx, ID: string, pos: number): Promise<void> {
  const forgiven = { ref: ['attempts'] }
  const changes = { status: 'waiting', reason: null, forgiven, availableAt: null, finishedAt: null, pos }
  await tx.change(UPDATE('sluice.Dispatches').with(changes).where({ ID }))
}

async function discard(tx: Tx, ID: string): Promise<AdminResult> {
  const held = await hold(tx, ID)
  if (!held) return NOT_FOUND
  const { lane, status, pos } = held
  const waiting = status === 'waiting'
  if (!operatorMay(status, 'skipped')) return CONFLICT
  if (waiting && lane.owner !== null && !tx.isPast(lane.availableAt)) return CONFLICT
  const lost = waiting && lane.owner !== null
  if (lost) await recordLost(tx, lane)
  const first = await firstWaiting(tx, lane.ID, lane.head)
  const changes = { status: 'skipped', reason: 'discarded', availableAt: null, finishedAt: tx.now }
  await tx.change(UPDATE('sluice.Dispatches').with(changes).where({ ID }))
  // What follows a discarded head is due now, not when the head would have been.
  const wasHead = waiting && !lane.blocked && Number(first?.pos) === pos
  if (lost || wasHead || blocks(held)) await freeLane(tx, lane, lane.head, tx.now)
  else if (!lane.blocked && !(await firstWaiting(tx, lane.ID, lane.head))) await closeLane(tx, lane)
  return done([ID])
}

/** Nothing is left; a worker that holds it gives it back itself. */
async function closeLane(tx: Tx, { ID, tail, owner, availableAt }: LaneRow): Promise<void> {
  await updateLane(tx, ID, { head: tail, availableAt: owner === null ? null : availableAt })
}
