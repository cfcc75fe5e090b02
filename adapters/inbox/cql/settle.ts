import type { AttemptRecord, DispatchSettlement, Effect, LaneSettlement } from '#domain/ports'
import { effectHash } from '../hash.ts'
import { clean, iso } from '../rows.ts'
import { freeLane, holdLane, type LaneRow, updateLane } from './lanes.ts'
import { SELECT, UPDATE, UPSERT } from './ql.ts'
import type { CqlDatabase, Tx } from './session.ts'

/** A lane's results, in one transaction and only under the fence. */
export const settleLane = (
  database: CqlDatabase,
  { lane: id, owner, settled, release }: LaneSettlement,
): Promise<boolean> =>
  database.transaction(async (tx) => {
    const lane = await holdLane(tx, id)
    if (lane?.owner !== owner) return false
    let head = lane.head
    let blocker: number | undefined
    let delayMs: number | undefined
    for (const one of settled) {
      const pos = await settleDispatch(tx, lane, one)
      if (pos === undefined) continue
      if (one.to === 'waiting') delayMs ??= one.delayMs ?? 0
      else if (one.block) blocker ??= pos
      else if (pos === head) head += 1
    }
    const gaveBack = settled.some(({ to, block }) => to === 'waiting' || block === true)
    if (blocker !== undefined) {
      await updateLane(tx, id, { head: blocker, availableAt: null, owner: null, blocked: true })
    } else if (gaveBack || release) {
      await freeLane(tx, lane, head, tx.later(delayMs ?? 0))
    } else if (head !== lane.head) {
      await updateLane(tx, id, { head })
    }
    return true
  })

/** @returns its position; undefined where it is settled already. */
async function settleDispatch(tx: Tx, lane: LaneRow, settlement: DispatchSettlement): Promise<number | undefined> {
  const { dispatch: ID, to, reason, result, delayMs, attempt, effects = [] } = settlement
  const found = await tx.row<{ pos: string | number; attempts: number }>(
    SELECT.from('sluice.Dispatches').columns('pos', 'attempts').where({ ID, lane: lane.ID, status: 'waiting' }),
  )
  if (!found) return undefined
  const attempts = found.attempts + (attempt ? 1 : 0)
  const changes = {
    status: to,
    reason: text(reason, 255),
    result: text(result, Number.POSITIVE_INFINITY),
    attempts,
    availableAt: to === 'waiting' ? tx.later(delayMs ?? 0) : null,
    finishedAt: to === 'waiting' ? null : tx.now,
    ...(attempt?.sent ? { lastSentAt: iso(new Date(attempt.at.getTime() + attempt.durationMs)) } : {}),
  }
  await tx.change(UPDATE('sluice.Dispatches').with(changes).where({ ID, status: 'waiting' }))
  if (attempt) await tx.insert('sluice.Attempts', [attemptRow(ID, attempts, lane.owner, attempt)])
  for (const effect of effects) await tx.change(UPSERT.into('sluice.Effects').entries([effectRow(tx, effect)]))
  return Number(found.pos)
}

const attemptRow = (dispatch: string, n: number, fence: string | null, attempt: AttemptRecord) => ({
  dispatch,
  n,
  at: iso(attempt.at),
  durationMs: Math.round(attempt.durationMs),
  fence,
  outcome: attempt.outcome,
  code: text(attempt.code, 100),
  httpStatus: attempt.httpStatus ?? null,
  message: text(attempt.message, 2048),
})

const effectRow = (tx: Tx, { scope, object, version: { version, contentHash } }: Effect) => ({
  hash: effectHash(scope, object),
  scope: text(scope, 120),
  object: text(object, 360),
  version: text(version, 100),
  contentHash: text(contentHash, 64),
  at: tx.now,
})

const text = (value: string | undefined, limit: number): string | null =>
  value === undefined ? null : clean(value, limit)
