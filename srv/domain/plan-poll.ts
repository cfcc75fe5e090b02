/** How far a poll got. Moments are ISO 8601 in UTC; `watermark` is in the server's own notation. */
export interface CheckpointState {
  /** Highest version seen in the server's data; null before the first run. */
  readonly watermark: string | null
  /** The schedule's slot that was last completed. */
  readonly slotAt: string | null
  /** When this poll last read to the end, by our clock. */
  readonly completedAt: string | null
}

export const NO_CHECKPOINT: CheckpointState = { watermark: null, slotAt: null, completedAt: null }

export interface PollPlan {
  readonly run: boolean
  /** Slots that passed unserved; they are caught up by one run, not by one each. */
  readonly missed: number
  readonly slotAt?: string
}

/**
 * Whether a poll is due. `slots` are the schedule's moments after the last completed slot and up to `now`, ascending and
 * capped by the caller; a poll that never ran is due at once, so that a new system is read without waiting for its cron.
 */
export function planPoll(checkpoint: CheckpointState, slots: readonly Date[], now: Date): PollPlan {
  const due = slots.filter((slot) => slot <= now)
  const last = due.at(-1)
  if (checkpoint.slotAt === null) return { run: true, missed: 0, slotAt: (last ?? now).toISOString() }
  if (!last) return { run: false, missed: 0 }
  return { run: true, missed: due.length - 1, slotAt: last.toISOString() }
}

/**
 * Where reading starts: the watermark less the overlap, because a row gets its timestamp when the program fills it and
 * becomes visible at commit: later, and in another order. Undefined reads from the beginning.
 */
export function windowStart(watermark: string | null, overlapMs: number): string | undefined {
  if (watermark === null) return undefined
  const at = Date.parse(watermark)
  return Number.isFinite(at) ? new Date(at - overlapMs).toISOString() : watermark
}
