import { randomUUID } from 'node:crypto'
import type { Admin, AdminResult } from '#domain/ports'
import { type DispatchStatus, operatorMay } from '#domain/status'
import type { RegisteredSubscription } from '#domain/subscription'
import { planReplay } from '../registry.ts'
import { clean, EVENT_COLUMNS, type EventRow, storedEvent } from '../rows.ts'
import { appendToLane, freeLane, type LaneRow, laneById, recordLost, wakeLane } from './lanes.ts'
import { createRetention } from './retention.ts'
import type { Tx } from './session.ts'
import type { LanePart } from './waiting.ts'
import type { Writer } from './writer.ts'

const NOT_FOUND: AdminResult = { ok: false, reason: 'not-found' }
const CONFLICT: AdminResult = { ok: false, reason: 'conflict' }
const done = (dispatches: readonly string[]): AdminResult => ({ ok: true, dispatches })

export function sqliteAdmin(writer: Writer): Admin {
  const call = <T>(run: (tx: Tx) => T) => writer.submit('call', 0, run)
  /** Carries out an operator's action and records it in the same transaction; a refused one leaves no trace. */
  const act = (by: string, action: string, object: string, run: (tx: Tx) => AdminResult, detail?: string) =>
    call((tx) => {
      const result = run(tx)
      if (result.ok) tx.run(AUDIT, randomUUID(), tx.now, clean(by, 255), action, clean(object, 255), detail ?? null)
      return result
    })
  return {
    register: (subscriptions) =>
      call((tx) => {
        for (const one of subscriptions) register(tx, one)
      }),
    unregister: (name, by) => act(by, 'unregister', name, (tx) => unregister(tx, name)),
    replay: (event, subscription, by) =>
      act(by, 'replay', event, (tx) => replay(tx, event, subscription), subscription),
    retry: (dispatch, by) => act(by, 'retry', dispatch, (tx) => retry(tx, dispatch)),
    discard: (dispatch, by) => act(by, 'discard', dispatch, (tx) => discard(tx, dispatch)),
    pause: (name, by) => act(by, 'pause', name, (tx) => setPaused(tx, name, 1)),
    resume: (name, by) => act(by, 'resume', name, (tx) => setPaused(tx, name, 0)),
    retain: createRetention(writer),
  }
}

/** Writes only what changed: 12 instances that start register the same. */
function register(tx: Tx, { name, filter, order }: RegisteredSubscription): void {
  if (tx.run(REGISTER, name, JSON.stringify(filter), order ?? null, tx.now) > 0) tx.forgetRegistry()
}

function unregister(tx: Tx, name: string): AdminResult {
  if (tx.run(UNREGISTER, tx.now, name) === 0) return NOT_FOUND
  tx.forgetRegistry()
  const ended = tx.all<LanePart>(SELECT_LANES, name).flatMap((lane) => endLane(tx, lane))
  tx.run(CLOSE_LANES, name)
  return done(ended)
}

function endLane(tx: Tx, lane: LanePart): string[] {
  const ended = [...tx.waiting.rows(tx, lane)].map(({ ID, pos }) => {
    tx.run(END_WAITING, tx.now, ID)
    tx.waiting.remove(lane.ID, pos)
    return ID
  })
  tx.waiting.moveOn(tx, lane, tx.waiting.end)
  return ended
}

function setPaused(tx: Tx, name: string, paused: 0 | 1): AdminResult {
  if (tx.run(PAUSE, paused, name) === 0) return NOT_FOUND
  tx.forgetRegistry()
  return done([])
}

function replay(tx: Tx, event: string, only: string | undefined): AdminResult {
  const stored = tx.get<EventRow>(SELECT_EVENT, event)
  if (!stored) return NOT_FOUND
  const runs = tx.all<{ subscription: string; run: number }>(SELECT_RUNS, `${event}:`, `${event};`)
  const lanes = planReplay(tx.registry(), storedEvent(stored), only, runs)
  if (lanes.length === 0) return NOT_FOUND
  for (const lane of lanes) appendToLane(tx, lane)
  tx.run(MARK_ROUTED, event)
  return done(lanes.flatMap(({ dispatches }) => dispatches.map(({ id }) => id)))
}

interface DispatchRow {
  readonly event: string
  readonly subscription: string
  readonly lane: string
  readonly pos: number
  readonly status: DispatchStatus
}

function retry(tx: Tx, id: string): AdminResult {
  const dispatch = tx.get<DispatchRow>(SELECT_DISPATCH, id)
  if (!dispatch) return NOT_FOUND
  const lane = laneById(tx, dispatch.lane)
  const removed = !tx.registry().has(dispatch.subscription)
  if (!lane || removed || !operatorMay(dispatch.status, 'waiting')) return CONFLICT
  tx.run(REOPEN, id)
  if (blocks(lane, dispatch)) {
    tx.waiting.restore(tx, lane.ID, { pos: dispatch.pos, dispatch: id })
    freeLane(tx, lane, tx.now)
  } else {
    const pos = tx.waiting.append(lane.ID, id)
    tx.run(MOVE_TO_END, pos, id)
    wakeLane(tx, { ...lane, id: lane.ID }, pos)
  }
  return done([id])
}

function discard(tx: Tx, id: string): AdminResult {
  const dispatch = tx.get<DispatchRow>(SELECT_DISPATCH, id)
  if (!dispatch) return NOT_FOUND
  if (!operatorMay(dispatch.status, 'skipped')) return CONFLICT
  const lane = laneById(tx, dispatch.lane)
  const leased = dispatch.status === 'waiting' && lane !== undefined && lane.owner !== null
  if (leased && (lane.availableAt ?? '') > tx.now) return CONFLICT
  if (leased) recordLost(tx, lane)
  tx.run(DISCARD, tx.now, id)
  tx.waiting.remove(dispatch.lane, dispatch.pos)
  if (lane) closeGap(tx, lane, dispatch)
  return done([id])
}

/** A discarded head frees its lane at once; anything else leaves the lane's time, lease and block as they are. */
function closeGap(tx: Tx, lane: LaneRow, dispatch: DispatchRow): void {
  const { pos, status, event } = dispatch
  if (blocks(lane, dispatch)) freeLane(tx, lane, tx.now, event)
  else if (lane.blocked === 1) return
  else if (status === 'waiting' && pos !== lane.head) freeLane(tx, lane, lane.availableAt ?? tx.now, event)
  else if (status === 'waiting' || lane.availableAt === null) freeLane(tx, lane, tx.now, event)
}

const blocks = (lane: LaneRow, { pos, status }: DispatchRow): boolean =>
  lane.blocked === 1 && pos === lane.head && status !== 'waiting'

const REGISTER = `INSERT INTO sluice_Subscriptions(name, filter, "order", paused, registeredAt) VALUES(?,?,?,0,?)
  ON CONFLICT(name) DO UPDATE SET filter = excluded.filter, "order" = excluded."order",
    registeredAt = CASE WHEN removedAt IS NULL THEN registeredAt ELSE excluded.registeredAt END,
    removedAt = NULL
  WHERE filter <> excluded.filter OR "order" IS NOT excluded."order" OR removedAt IS NOT NULL`
const UNREGISTER = 'UPDATE sluice_Subscriptions SET removedAt = ? WHERE name = ? AND removedAt IS NULL'
const SELECT_LANES = 'SELECT ID, head FROM sluice_Lanes WHERE subscription = ?'
const END_WAITING = `UPDATE sluice_Dispatches SET status = 'dead', reason = 'subscription-removed', finishedAt = ?
  WHERE ID = ?`
/** Without an owner the fence is gone: what a worker still holds of these lanes is void. */
const CLOSE_LANES = `UPDATE sluice_Lanes SET head = tail, availableAt = NULL, owner = NULL, blocked = 0 WHERE subscription = ?`
const PAUSE = 'UPDATE sluice_Subscriptions SET paused = ? WHERE name = ? AND removedAt IS NULL'
const SELECT_EVENT = `SELECT ${EVENT_COLUMNS} FROM sluice_Events WHERE event = ?`
const SELECT_RUNS = `SELECT subscription, max(run) AS run FROM sluice_Dispatches WHERE ID > ? AND ID < ?
  GROUP BY subscription`
const MARK_ROUTED = 'UPDATE sluice_Events SET unrouted = 0 WHERE event = ? AND unrouted <> 0'
const SELECT_DISPATCH = 'SELECT event, subscription, lane, pos, status FROM sluice_Dispatches WHERE ID = ?'
const REOPEN = `UPDATE sluice_Dispatches SET status = 'waiting', reason = NULL, forgiven = attempts, availableAt = NULL,
  finishedAt = NULL WHERE ID = ?`
/** Where a waiting dispatch's position is looked for: see `WaitingIndex`. */
const MOVE_TO_END = `UPDATE sluice_Dispatches SET rowid = (SELECT max(rowid) + 1 FROM sluice_Dispatches), pos = ?
  WHERE ID = ?`
const DISCARD = `UPDATE sluice_Dispatches SET status = 'skipped', reason = 'discarded', finishedAt = ? WHERE ID = ?`
const AUDIT = 'INSERT INTO sluice_Audit(ID, at, actor, action, object, detail) VALUES(?,?,?,?,?,?)'
