import type { PlannedLane } from '../registry.ts'
import type { Tx } from './session.ts'

export interface LaneRow {
  readonly ID: string
  readonly subscription: string
  readonly partitionkey: string
  readonly head: number
  readonly availableAt: string | null
  readonly owner: string | null
  readonly blocked: number
}

/** New dispatches at the lane's tail. */
export function appendToLane(tx: Tx, lane: PlannedLane): void {
  const head = tx.waiting.end
  for (const { id, event, run } of lane.dispatches) {
    const pos = tx.waiting.append(lane.id, id, { event, subscription: lane.subscription, run })
    tx.run(INSERT_DISPATCH, id, event, lane.subscription, run, lane.id, pos)
  }
  wakeLane(tx, lane, head)
}

/**
 * Makes a lane due from a new position on, unless it rests or is leased (it has a time already) or is blocked (it must not
 * get one). A lane that has work already is not written: it would be another page for each dispatch of a backlog.
 */
export function wakeLane(
  tx: Tx,
  { id, subscription, partitionkey }: Pick<PlannedLane, 'id' | 'subscription' | 'partitionkey'>,
  head: number,
): void {
  tx.run(WAKE_LANE, id, subscription, partitionkey, head, tx.waiting.end, tx.now)
}

export const laneById = (tx: Tx, id: string): LaneRow | undefined => tx.get<LaneRow>(SELECT_LANE, id)

/**
 * Ends a lease or a block: the lane is due at `availableAt` if work is left, otherwise it is empty. A lane that existed
 * for one event alone (no partition key, or no order) is gone with it.
 */
export function freeLane(tx: Tx, lane: LaneRow, availableAt: string, lastEvent?: string): void {
  const { ID: id, partitionkey } = lane
  const first = tx.waiting.first(tx, lane)
  tx.waiting.moveOn(tx, lane, first?.pos ?? tx.waiting.end)
  if (first) updateLane(tx, id, { head: first.pos, availableAt, owner: null, blocked: 0 })
  else if (partitionkey === lastEvent && !isStuck(tx, id)) tx.run(DELETE_LANE, id)
  else updateLane(tx, id, { head: tx.waiting.end, availableAt: null, owner: null, blocked: 0 })
}

/** A lane row stays while a dead or unsure dispatch refers to its positions. */
export const isStuck = (tx: Tx, lane: string): boolean => tx.get(SELECT_STUCK, lane, lane) !== undefined

export const updateLane = (
  tx: Tx,
  id: string,
  state: Pick<LaneRow, 'head' | 'availableAt' | 'owner' | 'blocked'>,
): void => {
  tx.run(UPDATE_LANE, state.head, tx.waiting.end, state.availableAt, state.owner, state.blocked, id)
}

/**
 * A lease ran out: whatever its head was doing counts as tried, and may have reached the target until the lease's end.
 * Without this record a handler that kills its process would be tried for ever.
 */
export function recordLost(tx: Tx, lane: LaneRow): void {
  const head = tx.waiting.first(tx, lane)
  const row = head && tx.get<{ attempts: number }>(LOSE_ATTEMPT, lane.availableAt, head.dispatch)
  if (!row) return
  tx.waiting.changed(lane.ID, head.pos)
  tx.run(INSERT_ATTEMPT, head.dispatch, row.attempts, lane.availableAt, null, lane.owner, 'lost', null, null, null)
}

export const INSERT_ATTEMPT = `INSERT INTO sluice_Attempts(dispatch, n, at, durationMs, fence, outcome, code, httpStatus, message)
  VALUES(?,?,?,?,?,?,?,?,?)`

const WAKE_LANE = `INSERT INTO sluice_Lanes(ID, subscription, partitionkey, head, tail, availableAt, blocked)
  VALUES(?,?,?,?,?,?,0)
  ON CONFLICT(ID) DO UPDATE SET head = excluded.head, tail = excluded.tail, availableAt = excluded.availableAt
  WHERE availableAt IS NULL AND NOT blocked`
const INSERT_DISPATCH = `INSERT INTO sluice_Dispatches(ID, event, subscription, run, lane, pos, status, attempts, forgiven)
  VALUES(?,?,?,?,?,?,'waiting',0,0)`
const SELECT_LANE =
  'SELECT ID, subscription, partitionkey, head, availableAt, owner, blocked FROM sluice_Lanes WHERE ID = ?'
const UPDATE_LANE = 'UPDATE sluice_Lanes SET head = ?, tail = ?, availableAt = ?, owner = ?, blocked = ? WHERE ID = ?'
const DELETE_LANE = 'DELETE FROM sluice_Lanes WHERE ID = ?'
const SELECT_STUCK = `SELECT 1 FROM sluice_Dispatches WHERE lane = ? AND status = 'dead'
  UNION ALL SELECT 1 FROM sluice_Dispatches WHERE lane = ? AND status = 'unsure' LIMIT 1`
const LOSE_ATTEMPT =
  'UPDATE sluice_Dispatches SET attempts = attempts + 1, lastSentAt = ? WHERE ID = ? RETURNING attempts'
