import { delayForRetry, type RetryPolicy } from './backoff.ts'
import type { Fault } from './errors.ts'
import type { DispatchStatus, SkipReason } from './status.ts'

/** How one try ended. `lost`: the worker vanished with the lease. `timeout` is a fault like any other. */
export type AttemptEnd =
  | { readonly kind: 'ok' }
  | { readonly kind: 'skip'; readonly reason: SkipReason }
  | { readonly kind: 'fault'; readonly fault: Fault }
  | { readonly kind: 'lost' }

export interface AttemptPlan {
  readonly to: DispatchStatus
  /** Only with `waiting`: how long the lane rests. */
  readonly delayMs?: number
  readonly reason?: string
}

/** A target's own wish to wait is honored up to a day; beyond that it is a mistake of the target. */
const MAX_RETRY_AFTER_MS = 86_400_000

/**
 * What follows from one try.
 * @param failures tries that failed or were lost since the operator last gave new ones, this one included
 * @param random uniform in [0, 1)
 */
export function planAttempt(end: AttemptEnd, failures: number, policy: RetryPolicy, random: number): AttemptPlan {
  if (end.kind === 'ok') return { to: 'done' }
  if (end.kind === 'skip') return { to: 'skipped', reason: end.reason }
  if (end.kind === 'lost') {
    return failures >= policy.attempts ? { to: 'dead', reason: 'lost' } : { to: 'waiting', delayMs: 0 }
  }
  const { fault } = end
  if (fault.effect === 'undecidable') return { to: 'unsure', reason: fault.code }
  if (fault.retry === 'never' || failures >= policy.attempts) return { to: 'dead', reason: fault.code }
  const backoff = delayForRetry(policy, failures, random)
  return { to: 'waiting', delayMs: Math.max(backoff, askedMs(fault)), reason: fault.code }
}

/** A `Retry-After` somebody could not parse arrives as NaN: it asks for nothing. */
function askedMs({ retry }: Fault): number {
  if (typeof retry !== 'object' || Number.isNaN(retry.afterMs)) return 0
  return Math.min(retry.afterMs, MAX_RETRY_AFTER_MS)
}
