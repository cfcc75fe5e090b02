import { randomUUID } from 'node:crypto'
import type { StoredEvent } from '#domain/event'
import type { ClaimedDispatch, ClaimedLane, ClaimRequest } from '#domain/ports'
import { EVENT_COLUMNS, type EventRow, storedEvent } from '../rows.ts'
import { freeLane, type LaneRow, recordLost } from './lanes.ts'
import type { Tx } from './session.ts'
import type { WaitingRow } from './waiting.ts'

type DueLane = LaneRow & { readonly availableAt: string }

/** A lane whose events are told in a way of the caller's. */
export interface LaneWith<E> extends Omit<ClaimedLane, 'dispatches'> {
  readonly dispatches: readonly DispatchWith<E>[]
}

type DispatchWith<E> = Omit<ClaimedDispatch, 'event'> & { readonly event: E }

/** An event by its key, with the bytes it takes of what a claim may load. */
export type LoadEvent<E> = (tx: Tx, key: string) => { readonly event: E; readonly bytes: number } | undefined

export const loadEvent: LoadEvent<StoredEvent> = (tx, key) => {
  const row = tx.get<EventRow>(SELECT_EVENT, key)
  return row && { event: storedEvent(row), bytes: (row.data?.length ?? 0) + (row.dataBase64?.length ?? 0) }
}

/**
 * Takes due lanes of every asked subscription in turn, so that no backlog crowds another subscription out.
 * @param allowance most dispatches this transaction may load; at least one per lane it takes
 */
export function claimLanes<E>(
  tx: Tx,
  request: ClaimRequest,
  allowance: number,
  loadEvent: LoadEvent<E>,
): LaneWith<E>[] {
  const due = inTurn(request.subscriptions.map(({ name, lanes }) => dueLanes(tx, name, lanes)))
  const budget = { dispatches: allowance, bytes: request.bytes, lanes: due.length }
  const claimed: LaneWith<E>[] = []
  for (const lane of due) {
    if (claimed.length > 0 && (budget.dispatches <= 0 || budget.bytes <= 0)) break
    const taken = take(tx, lane, request, budget, loadEvent)
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

function take<E>(
  tx: Tx,
  lane: DueLane,
  request: ClaimRequest,
  budget: Budget,
  loadEvent: LoadEvent<E>,
): LaneWith<E> | undefined {
  const recovered = lane.owner !== null
  if (recovered) recordLost(tx, lane)
  const dispatches = load(tx, lane, request.dispatchesPerLane, budget, loadEvent)
  if (dispatches.length === 0) {
    freeLane(tx, lane, tx.now)
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

function load<E>(tx: Tx, lane: DueLane, limit: number, budget: Budget, loadEvent: LoadEvent<E>): DispatchWith<E>[] {
  const share = budget.bytes / budget.lanes
  const loaded: DispatchWith<E>[] = []
  let bytes = 0
  for (const row of tx.waiting.rows(tx, lane)) {
    const found = loadEvent(tx, row.event)
    if (!found) continue
    if (loaded.length > 0 && (bytes + found.bytes > share || budget.dispatches <= 0)) break
    bytes += found.bytes
    loaded.push(toClaimed(tx, row, found.event))
    budget.dispatches -= 1
    if (loaded.length === limit) break
  }
  budget.bytes -= bytes
  return loaded
}

function toClaimed<E>(tx: Tx, row: WaitingRow, event: E): DispatchWith<E> {
  const { ID, run, attempts, forgiven, lastSentAt, subscription } = row
  const id = `${row.event}:${subscription}`
  return {
    id: ID,
    run,
    attempts,
    forgiven,
    triedBefore: attempts > 0 || (run > 1 && tx.get(SELECT_TRIED, `${id}:`, `${id};`, subscription, run) !== undefined),
    event,
    ...(lastSentAt === null ? {} : { lastSentAt: new Date(lastSentAt) }),
  }
}

// `LIMIT ?` alone makes SQLite plan the statement anew at every run, because the bound may change the plan.
const SELECT_DUE = `SELECT ID, subscription, partitionkey, head, availableAt, owner, blocked FROM sluice_Lanes
  WHERE subscription = ? AND availableAt <= ? ORDER BY availableAt LIMIT ?+0`
const LEASE_LANE = 'UPDATE sluice_Lanes SET availableAt = ?, owner = ? WHERE ID = ?'
const SELECT_EVENT = `SELECT ${EVENT_COLUMNS} FROM sluice_Events WHERE event = ?`
const SELECT_TRIED = `SELECT 1 FROM sluice_Dispatches WHERE ID > ? AND ID < ? AND subscription = ? AND run < ? AND attempts > 0 LIMIT 1`
