import { randomUUID } from 'node:crypto'
import type { ClaimedDispatch, ClaimedLane, ClaimRequest } from '#domain/ports'
import { EVENT_COLUMNS, type EventRow, storedEvent } from '../rows.ts'
import { freeLane, LANE_COLUMNS, type LaneRow, recordLost, toLane, updateLane } from './lanes.ts'
import { SELECT } from './ql.ts'
import { currentRegistry } from './registry.ts'
import type { CqlDatabase, Tx } from './session.ts'

interface DispatchRow {
  readonly ID: string
  readonly event: string
  readonly subscription: string
  readonly run: number
  readonly attempts: number
  readonly forgiven: number
  readonly lastSentAt: string | null
}

export const claim = (database: CqlDatabase, request: ClaimRequest): Promise<readonly ClaimedLane[]> =>
  database.transaction(async (tx) => {
    const registry = await currentRegistry(tx)
    const lanes: LaneRow[] = []
    for (const { name, lanes: limit } of request.subscriptions) {
      if (limit > 0 && registry.get(name)?.paused === false) lanes.push(...(await dueLanes(tx, name, limit)))
    }
    const claimed: ClaimedLane[] = []
    let bytes = request.bytes
    for (const [index, lane] of lanes.entries()) {
      const taken = await take(tx, lane, request, bytes / (lanes.length - index))
      if (!taken) continue
      claimed.push(taken.lane)
      bytes -= taken.bytes
    }
    return claimed
  })

/** Lanes that somebody holds are passed over. Those we hold now are looked at again: one may have changed before. */
async function dueLanes(tx: Tx, subscription: string, limit: number): Promise<LaneRow[]> {
  const rows = await tx.rows<LaneRow>(
    SELECT.from('sluice.Lanes')
      .columns(...LANE_COLUMNS)
      .where({ subscription, availableAt: { '<=': tx.now } })
      .orderBy('availableAt')
      .limit(limit)
      .forUpdate({ ignoreLocked: true }),
  )
  return rows.map(toLane).filter(({ availableAt }) => tx.isPast(availableAt))
}

async function take(
  tx: Tx,
  lane: LaneRow,
  { dispatchesPerLane, leaseMs }: ClaimRequest,
  bytes: number,
): Promise<{ lane: ClaimedLane; bytes: number } | undefined> {
  const recovered = lane.owner !== null
  if (recovered) await recordLost(tx, lane)
  const loaded = await load(tx, lane, dispatchesPerLane, bytes)
  if (loaded.dispatches.length === 0) {
    await freeLane(tx, lane, lane.tail, tx.now)
    return undefined
  }
  const owner = randomUUID()
  const availableAt = tx.later(leaseMs)
  await updateLane(tx, lane.ID, { owner, availableAt })
  const { ID, subscription, partitionkey } = lane
  const { dispatches } = loaded
  const leaseUntil = new Date(availableAt)
  return {
    lane: { lane: ID, subscription, partitionkey, owner, leaseUntil, dispatches, recovered },
    bytes: loaded.bytes,
  }
}

/** One event at a time, so that no more is loaded than the lane's share of the bytes and one dispatch. */
async function load(
  tx: Tx,
  lane: LaneRow,
  limit: number,
  share: number,
): Promise<{ dispatches: ClaimedDispatch[]; bytes: number }> {
  const rows = await tx.rows<DispatchRow>(
    SELECT.from('sluice.Dispatches')
      .columns('ID', 'event', 'subscription', 'run', 'attempts', 'forgiven', 'lastSentAt')
      .where({ lane: lane.ID, pos: { '>=': lane.head }, status: 'waiting' })
      .orderBy('pos')
      .limit(limit),
  )
  const dispatches: ClaimedDispatch[] = []
  let bytes = 0
  for (const row of rows) {
    const event = await tx.row<EventRow>(EVENT(row.event))
    const size = Buffer.byteLength(event?.data ?? '') + Buffer.byteLength(event?.dataBase64 ?? '')
    if (!event || (dispatches.length > 0 && bytes + size > share)) break
    bytes += size
    dispatches.push(await claimedDispatch(tx, row, event))
  }
  return { dispatches, bytes }
}

const EVENT = (event: string) =>
  SELECT.from('sluice.Events')
    .columns(...EVENT_COLUMNS)
    .where({ event })

async function claimedDispatch(tx: Tx, row: DispatchRow, event: EventRow): Promise<ClaimedDispatch> {
  const { ID, run, attempts, forgiven, lastSentAt } = row
  return {
    id: ID,
    run,
    attempts,
    forgiven,
    triedBefore: attempts > 0 || (run > 1 && (await earlierRunTried(tx, row))),
    event: storedEvent(event),
    ...(lastSentAt === null ? {} : { lastSentAt: new Date(lastSentAt) }),
  }
}

const earlierRunTried = async (tx: Tx, { event, subscription, run }: DispatchRow): Promise<boolean> =>
  (await tx.row(
    SELECT.from('sluice.Dispatches')
      .columns('ID')
      .where({ event, subscription, run: { '<': run }, attempts: { '>': 0 } })
      .limit(1),
  )) !== undefined
