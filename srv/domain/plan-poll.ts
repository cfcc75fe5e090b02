import { compareVersions, isMoment } from './version.ts'

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
  if (checkpoint.slotAt === null || isAhead(checkpoint.slotAt, now))
    return { run: true, missed: 0, slotAt: (last ?? now).toISOString() }
  if (!last) return { run: false, missed: 0 }
  return { run: true, missed: due.length - 1, slotAt: last.toISOString() }
}

/** More than instances' clocks differ by: the slot was written under a wrong clock and would silence the poll until then. */
const isAhead = (slotAt: string, now: Date): boolean => Date.parse(slotAt) - now.getTime() > MAX_CLOCK_SKEW_MS
const MAX_CLOCK_SKEW_MS = 300_000

/**
 * Where reading starts: the watermark less the overlap, because a row gets its timestamp when the program fills it and
 * becomes visible at commit: later, and in another order. Undefined reads from the beginning.
 */
export function windowStart(watermark: string | null, overlapMs: number): string | undefined {
  if (watermark === null) return undefined
  return isMoment(watermark) ? new Date(Date.parse(watermark) - overlapMs).toISOString() : watermark
}

/**
 * The watermark after reading `versions`: the highest of all, but no moment after `now`. One row dated 9999 would
 * otherwise end the poll for ever, silently; a server's clock ahead of ours only costs reading a little again.
 */
export function nextWatermark(watermark: string | null, versions: readonly string[], now: Date): string | null {
  const highest = versions.reduce<string | null>(
    (max, version) => (max === null || (compareVersions(version, max) ?? 1) > 0 ? version : max),
    watermark,
  )
  return highest !== null && isMoment(highest) && Date.parse(highest) > now.getTime() ? now.toISOString() : highest
}
