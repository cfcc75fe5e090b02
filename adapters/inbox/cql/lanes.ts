import type { PlannedLane } from '../registry.ts'
import { SELECT, UPDATE } from './ql.ts'
import type { Tx } from './session.ts'

interface StoredLane {
  readonly ID: string
  readonly subscription: string
  readonly partitionkey: string
  /** CAP returns 64-bit integers as text. */
  readonly head: string | number
  readonly tail: string | number
  readonly availableAt: string | null
  readonly owner: string | null
  readonly blocked: boolean
}

export interface LaneRow extends StoredLane {
  readonly head: number
  readonly tail: number
}

export const LANE_COLUMNS = [
  'ID',
  'subscription',
  'partitionkey',
  'head',
  'tail',
  'availableAt',
  'owner',
  'blocked',
] as const

export const toLane = (row: StoredLane): LaneRow => ({ ...row, head: Number(row.head), tail: Number(row.tail) })

/** Held until the transaction ends. Everything else that hangs on a lane is read after this. */
export async function holdLane(tx: Tx, id: string): Promise<LaneRow | undefined> {
  const row = await tx.row<StoredLane>(
    SELECT.from('sluice.Lanes')
      .columns(...LANE_COLUMNS)
      .where({ ID: id })
      .forUpdate(),
  )
  return row && toLane(row)
}

/**
 * New dispatches at their lanes' tails. Positions come from the lane's row under its lock, lanes one by one and
 * ascending by id: the order in which everybody locks more than one. A lane that somebody else creates meanwhile
 * repeats the transaction.
 */
export async function appendToLanes(tx: Tx, lanes: readonly PlannedLane[]): Promise<void> {
  const fresh: PlannedLane[] = []
  const dispatches: object[] = []
  for (const lane of lanes) {
    const tail = await takePositions(tx, lane)
    if (tail === undefined) fresh.push(lane)
    for (const [index, { id, event, run }] of lane.dispatches.entries()) {
      const place = { subscription: lane.subscription, lane: lane.id, pos: (tail ?? 0) + index }
      dispatches.push({ ID: id, event, run, ...place, status: 'waiting', attempts: 0, forgiven: 0 })
    }
  }
  await tx.insert(
    'sluice.Lanes',
    fresh.map((lane) => ({ ...emptyLane(lane, tx.now), tail: lane.dispatches.length })),
  )
  await tx.insert('sluice.Dispatches', dispatches)
}

/** The first new position at the tail of a lane that exists; undefined where it does not. */
async function takePositions(tx: Tx, { id, dispatches }: PlannedLane): Promise<number | undefined> {
  const lane = await holdLane(tx, id)
  if (!lane) return undefined
  const availableAt = lane.blocked ? null : (lane.availableAt ?? tx.now)
  await tx.change(
    UPDATE('sluice.Lanes')
      .with({ tail: lane.tail + dispatches.length, availableAt })
      .where({ ID: id }),
  )
  return lane.tail
}

const emptyLane = ({ id, subscription, partitionkey }: PlannedLane, availableAt: string) => ({
  ID: id,
  subscription,
  partitionkey,
  head: 0,
  availableAt,
  blocked: false,
})

export interface WaitingRow {
  readonly ID: string
  readonly pos: string | number
  readonly attempts: number
}

/** The lane's first waiting dispatch from `pos` on. */
export const firstWaiting = (tx: Tx, lane: string, pos: number): Promise<WaitingRow | undefined> =>
  tx.row<WaitingRow>(
    SELECT.from('sluice.Dispatches')
      .columns('ID', 'pos', 'attempts')
      .where({ lane, pos: { '>=': pos }, status: 'waiting' })
      .orderBy('pos')
      .limit(1),
  )

/** Ends a lease or a block: due at `availableAt` if work is left from `pos` on, otherwise empty. */
export async function freeLane(tx: Tx, lane: LaneRow, pos: number, availableAt: string): Promise<void> {
  const next = await firstWaiting(tx, lane.ID, pos)
  await updateLane(tx, lane.ID, {
    head: next ? Number(next.pos) : lane.tail,
    availableAt: next ? availableAt : null,
    owner: null,
    blocked: false,
  })
}

export const updateLane = async (
  tx: Tx,
  id: string,
  state: Partial<Pick<LaneRow, 'head' | 'availableAt' | 'owner' | 'blocked'>>,
): Promise<void> => {
  await tx.change(UPDATE('sluice.Lanes').with(state).where({ ID: id }))
}

/** A lease ran out: whatever its head was doing counts as tried, and may have reached the target until the lease's end. */
export async function recordLost(tx: Tx, lane: LaneRow): Promise<void> {
  const head = await firstWaiting(tx, lane.ID, lane.head)
  if (!head) return
  const n = head.attempts + 1
  await tx.change(
    UPDATE('sluice.Dispatches').with({ attempts: n, lastSentAt: lane.availableAt }).where({ ID: head.ID }),
  )
  await tx.insert('sluice.Attempts', [
    { dispatch: head.ID, n, at: lane.availableAt, fence: lane.owner, outcome: 'lost' },
  ])
}
