import type { AttemptRecord, DispatchSettlement, LaneSettlement } from '#domain/ports'
import { effectHash } from '../hash.ts'
import { clean, iso } from '../rows.ts'
import { freeLane, INSERT_ATTEMPT, type LaneRow, laneById, updateLane } from './lanes.ts'
import type { Tx } from './session.ts'

/** Writes a lane's results where the fence still holds; nothing otherwise. */
export function settleLane(tx: Tx, { lane: id, owner, settled, release }: LaneSettlement): boolean {
  const lane = laneById(tx, id)
  if (lane?.owner !== owner) return false
  let stop: { at: number; delayMs?: number } | undefined
  for (const one of settled) {
    const pos = settleDispatch(tx, lane, one)
    if (pos === undefined) continue
    if (one.to === 'waiting') stop ??= { at: pos, delayMs: one.delayMs ?? 0 }
    else if (one.block) stop = { at: pos }
  }
  if (stop && stop.delayMs === undefined) {
    tx.waiting.moveOn(tx, lane, stop.at)
    updateLane(tx, id, { head: stop.at, availableAt: null, owner: null, blocked: 1 })
  } else if (stop || release) {
    freeLane(tx, lane, tx.later(stop?.delayMs ?? 0), settled.at(-1)?.dispatch.split(':', 1)[0])
  }
  return true
}

/** @returns its position; undefined where it is settled already. */
function settleDispatch(tx: Tx, lane: LaneRow, settlement: DispatchSettlement): number | undefined {
  const { dispatch, to, reason, attempt, delayMs, result, effects = [] } = settlement
  const row = tx.get<{ pos: number; attempts: number }>(
    SETTLE_WAITING,
    to,
    reason === undefined ? null : clean(reason, 255),
    attempt ? 1 : 0,
    attempt?.sent ? iso(new Date(attempt.at.getTime() + attempt.durationMs)) : null,
    to === 'waiting' ? tx.later(delayMs ?? 0) : null,
    result === undefined ? null : clean(result, Number.POSITIVE_INFINITY),
    to === 'waiting' ? null : tx.now,
    dispatch,
    lane.ID,
  )
  if (!row) return undefined
  if (to === 'waiting') tx.waiting.changed(lane.ID, row.pos)
  else tx.waiting.remove(lane.ID, row.pos)
  if (attempt) record(tx, dispatch, row.attempts, lane.owner, attempt)
  for (const { scope, object, version } of effects) {
    const { version: text, contentHash = null } = version
    tx.run(UPSERT_EFFECT, effectHash(scope, object), scope, object, text, contentHash, tx.now)
  }
  return row.pos
}

const record = (tx: Tx, dispatch: string, n: number, fence: string | null, attempt: AttemptRecord): void => {
  const { at, durationMs, outcome, code, httpStatus, message } = attempt
  tx.run(
    INSERT_ATTEMPT,
    dispatch,
    n,
    iso(at),
    Math.round(durationMs),
    fence,
    outcome,
    code === undefined ? null : clean(code, 100),
    httpStatus ?? null,
    message === undefined ? null : clean(message, 2048),
  )
}

const SETTLE_WAITING = `UPDATE sluice_Dispatches
  SET status = ?, reason = ?, attempts = attempts + ?, lastSentAt = coalesce(?, lastSentAt), availableAt = ?, result = ?,
    finishedAt = ?
  WHERE ID = ? AND lane = ? AND status = 'waiting' RETURNING pos, attempts`
const UPSERT_EFFECT = `INSERT INTO sluice_Effects(hash, scope, object, version, contentHash, at) VALUES(?,?,?,?,?,?)
  ON CONFLICT(hash) DO UPDATE SET version = excluded.version, contentHash = excluded.contentHash, at = excluded.at`
