import { randomUUID } from 'node:crypto'
import type { ClaimedDispatch, ClaimedLane, ClaimRequest } from '#domain/ports'
import { EVENT_COLUMNS, type EventRow, storedEvent } from '../rows.ts'
import { freeLane, type LaneRow, recordLost } from './lanes.ts'
import type { Tx } from './session.ts'

type DueLane = LaneRow & { readonly availableAt: string }

interface DispatchRow extends EventRow {
  readonly ID: string
  readonly run: number
  readonly attempts: number
  readonly forgiven: number
  readonly lastSentAt: string | null
  readonly subscription: string
}

/**
 * Takes due lanes of every asked subscription in turn, so that no backlog crowds another subscription out.
 * @param allowance most dispatches this transaction may load; at least one per lane it takes
 */
export function claimLanes(tx: Tx, request: ClaimRequest, allowance: number): ClaimedLane[] {
  const due = inTurn(request.subscriptions.map(({ name, lanes }) => dueLanes(tx, name, lanes)))
  const budget = { dispatches: allowance, bytes: request.bytes, lanes: due.length }
  const claimed: ClaimedLane[] = []
  for (const lane of due) {
    if (claimed.length > 0 && (budget.dispatches <= 0 || budget.bytes <= 0)) break
    const taken = take(tx, lane, request, budget)
    if (taken) claimed.push(taken)
    budget.lanes -= 1
  }
  return claimed
}

function dueLanes(tx: Tx, subscription: string, limit: number): DueLane[] {
  const registration = tx.registry().get(subscription)
  if (!registration || registration.paused || limit < 1) return []
  return tx.all<DueLane>(SELECT_DUE, subscription, tx.now, limit)
}

/** First the first of each, then the second of each, … */
function inTurn<T>(lists: readonly (readonly T[])[]): T[] {
  const length = Math.max(0, ...lists.map((list) => list.length))
  return Array.from({ length }, (_, index) => lists.flatMap((list) => list.slice(index, index + 1))).flat()
}

interface Budget {
  dispatches: number
  bytes: number
  /** Lanes that still want a share of the bytes. */
  readonly lanes: number
}

function take(tx: Tx, lane: DueLane, request: ClaimRequest, budget: Budget): ClaimedLane | undefined {
  const recovered = lane.owner !== null
  if (recovered) recordLost(tx, lane)
  const dispatches = load(tx, lane, request.dispatchesPerLane, budget)
  if (dispatches.length === 0) {
    freeLane(tx, lane, lane.tail, tx.now)
    return undefined
  }
  const owner = randomUUID()
  const leaseUntil = tx.later(request.leaseMs)
  tx.run(LEASE_LANE, leaseUntil, owner, lane.ID)
  return {
    lane: lane.ID,
    subscription: lane.subscription,
    partitionkey: lane.partitionkey,
    owner,
    leaseUntil: new Date(leaseUntil),
    dispatches,
    recovered,
  }
}

function load(tx: Tx, lane: DueLane, limit: number, budget: Budget): ClaimedDispatch[] {
  const share = budget.bytes / budget.lanes
  const loaded: ClaimedDispatch[] = []
  let bytes = 0
  for (const row of tx.iterate<DispatchRow>(SELECT_DISPATCHES, lane.ID, lane.head, limit)) {
    const size = (row.data?.length ?? 0) + (row.dataBase64?.length ?? 0)
    if (loaded.length > 0 && (bytes + size > share || budget.dispatches <= 0)) break
    bytes += size
    loaded.push(toClaimed(tx, row))
    budget.dispatches -= 1
  }
  budget.bytes -= bytes
  return loaded
}

function toClaimed(tx: Tx, row: DispatchRow): ClaimedDispatch {
  const { ID, run, attempts, forgiven, lastSentAt, event, subscription } = row
  const id = `${event}:${subscription}`
  return {
    id: ID,
    run,
    attempts,
    forgiven,
    triedBefore: attempts > 0 || (run > 1 && tx.get(SELECT_TRIED, `${id}:`, `${id};`, subscription, run) !== undefined),
    event: storedEvent(row),
    ...(lastSentAt === null ? {} : { lastSentAt: new Date(lastSentAt) }),
  }
}

// `LIMIT ?` alone makes SQLite plan the statement anew at every run, because the bound may change the plan.
const SELECT_DUE = `SELECT ID, subscription, partitionkey, head, tail, availableAt, owner, blocked FROM sluice_Lanes
  WHERE subscription = ? AND availableAt <= ? ORDER BY availableAt LIMIT ?+0`
const LEASE_LANE = 'UPDATE sluice_Lanes SET availableAt = ?, owner = ? WHERE ID = ?'
const SELECT_DISPATCHES = `SELECT d.ID, d.run, d.attempts, d.forgiven, d.lastSentAt, d.subscription,
    ${EVENT_COLUMNS.map((name) => `e.${name}`)}
  FROM sluice_Dispatches d CROSS JOIN sluice_Events e ON e.event = d.event
  WHERE d.lane = ? AND d.pos >= ? AND d.status = 'waiting' ORDER BY d.pos LIMIT ?+0`
const SELECT_TRIED = `SELECT 1 FROM sluice_Dispatches WHERE ID > ? AND ID < ? AND subscription = ? AND run < ? AND attempts > 0 LIMIT 1`
