/** How often and how late a dispatch is tried again. Durations in ms. */
export interface RetryPolicy {
  /** Tries in all, the first included. */
  readonly attempts: number
  readonly baseMs: number
  readonly factor: number
  readonly capMs: number
  /** Own delays instead of the exponential ones; the last repeats. No jitter: who writes a schedule means it. */
  readonly scheduleMs?: readonly number[]
}

/** 25 tries reach past a night's ERP maintenance (7 to 14 hours) before anything needs an operator. */
export const DEFAULT_RETRY: RetryPolicy = { attempts: 25, baseMs: 1_000, factor: 2, capMs: 3_600_000 }

/**
 * Delay before the try after `failures` failed ones, in ms; exponential with full jitter, so that an outage's end is no
 * stampede. https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 * @param random uniform in [0, 1)
 */
export function delayForRetry(policy: RetryPolicy, failures: number, random: number): number {
  const { scheduleMs } = policy
  if (scheduleMs && scheduleMs.length > 0) return scheduleMs[Math.min(failures, scheduleMs.length) - 1] ?? 0
  const ceiling = Math.min(policy.capMs, policy.baseMs * policy.factor ** Math.min(failures - 1, 60))
  return Math.round(ceiling * random)
}
