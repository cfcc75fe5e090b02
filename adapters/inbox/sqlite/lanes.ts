import type { PlannedLane } from '../registry.ts'
import type { Tx } from './session.ts'

export interface LaneRow {
  readonly ID: string
  readonly subscription: string
  readonly partitionkey: string
  readonly head: number
  readonly tail: number
  readonly availableAt: string | null
  readonly owner: string | null
  readonly blocked: number
}

/** New dispatches at the lane's tail. */
export function appendToLane(tx: Tx, lane: PlannedLane): void {
  let pos = takePositions(tx, lane, lane.dispatches.length)
  for (const { id, event, run } of lane.dispatches) {
    tx.run(INSERT_DISPATCH, id, event, lane.subscription, run, lane.id, pos)
    pos += 1
  }
}

/**
 * The first of `count` new positions at the tail. Makes the lane due, unless it rests or is leased (it has a time
 * already) or is blocked (it must not get one).
 */
export function takePositions(
  tx: Tx,
  { id, subscription, partitionkey }: Pick<PlannedLane, 'id' | 'subscription' | 'partitionkey'>,
  count: number,
): number {
  const lane = tx.get<Pick<LaneRow, 'tail' | 'availableAt' | 'blocked'>>(SELECT_TAIL, id)
  if (!lane) {
    tx.run(INSERT_LANE, id, subscription, partitionkey, count, tx.now)
    return 0
  }
  const { tail, availableAt, blocked } = lane
  if (availableAt !== null || blocked === 1) tx.run(GROW_LANE, tail + count, id)
  else tx.run(WAKE_LANE, tail + count, tx.now, id)
  return tail
}

export const laneById = (tx: Tx, id: string): LaneRow | undefined => tx.get<LaneRow>(SELECT_LANE, id)

/** The first waiting position from `pos` on; undefined where nothing waits. */
const nextWaiting = (tx: Tx, lane: string, pos: number): number | undefined =>
  tx.get<{ pos: number }>(NEXT_WAITING, lane, pos)?.pos

/**
 * Ends a lease or a block: the lane is due at `availableAt` if work is left, otherwise it is empty. A lane that existed
 * for one event alone (no partition key, or no order) is gone with it.
 */
export function freeLane(tx: Tx, lane: LaneRow, from: number, availableAt: string, lastEvent?: string): void {
  const next = from < lane.tail ? nextWaiting(tx, lane.ID, from) : undefined
  const gone = next === undefined && lane.partitionkey === lastEvent && !isStuck(tx, lane.ID)
  if (gone) tx.run(DELETE_LANE, lane.ID)
  else tx.run(UPDATE_LANE, next ?? lane.tail, next === undefined ? null : availableAt, null, 0, lane.ID)
}

/** A lane row stays while a dead or unsure dispatch refers to its positions. */
export const isStuck = (tx: Tx, lane: string): boolean => tx.get(SELECT_STUCK, lane, lane) !== undefined

export const updateLane = (
  tx: Tx,
  id: string,
  state: Pick<LaneRow, 'head' | 'availableAt' | 'owner' | 'blocked'>,
): void => {
  tx.run(UPDATE_LANE, state.head, state.availableAt, state.owner, state.blocked, id)
}

/**
 * A lease ran out: whatever its head was doing counts as tried, and may have reached the target until the lease's end.
 * Without this record a handler that kills its process would be tried for ever.
 */
export function recordLost(tx: Tx, lane: Pick<LaneRow, 'ID' | 'head' | 'owner' | 'availableAt'>): void {
  const head = tx.get<{ ID: string; attempts: number }>(SELECT_HEAD, lane.ID, lane.head)
  if (!head) return
  tx.run(LOSE_ATTEMPT, lane.availableAt, head.ID)
  tx.run(INSERT_ATTEMPT, head.ID, head.attempts + 1, lane.availableAt, null, lane.owner, 'lost', null, null, null)
}

export const INSERT_ATTEMPT = `INSERT INTO sluice_Attempts(dispatch, n, at, durationMs, fence, outcome, code, httpStatus, message)
  VALUES(?,?,?,?,?,?,?,?,?)`

const SELECT_TAIL = 'SELECT tail, availableAt, blocked FROM sluice_Lanes WHERE ID = ?'
const INSERT_LANE = `INSERT INTO sluice_Lanes(ID, subscription, partitionkey, head, tail, availableAt, blocked)
  VALUES(?,?,?,0,?,?,0)`
const GROW_LANE = 'UPDATE sluice_Lanes SET tail = ? WHERE ID = ?'
const WAKE_LANE = 'UPDATE sluice_Lanes SET tail = ?, availableAt = ? WHERE ID = ?'
const INSERT_DISPATCH = `INSERT INTO sluice_Dispatches(ID, event, subscription, run, lane, pos, status, attempts, forgiven)
  VALUES(?,?,?,?,?,?,'waiting',0,0)`
const SELECT_LANE =
  'SELECT ID, subscription, partitionkey, head, tail, availableAt, owner, blocked FROM sluice_Lanes WHERE ID = ?'
const UPDATE_LANE = 'UPDATE sluice_Lanes SET head = ?, availableAt = ?, owner = ?, blocked = ? WHERE ID = ?'
const DELETE_LANE = 'DELETE FROM sluice_Lanes WHERE ID = ?'
const NEXT_WAITING = `SELECT pos FROM sluice_Dispatches WHERE lane = ? AND pos >= ? AND status = 'waiting'
  ORDER BY pos LIMIT 1`
const SELECT_STUCK = `SELECT 1 FROM sluice_Dispatches WHERE lane = ? AND status = 'dead'
  UNION ALL SELECT 1 FROM sluice_Dispatches WHERE lane = ? AND status = 'unsure' LIMIT 1`
const SELECT_HEAD = `SELECT ID, attempts FROM sluice_Dispatches WHERE lane = ? AND pos >= ? AND status = 'waiting'
  ORDER BY pos LIMIT 1`
const LOSE_ATTEMPT = 'UPDATE sluice_Dispatches SET attempts = attempts + 1, lastSentAt = ? WHERE ID = ?'
