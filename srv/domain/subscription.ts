import type { RetryPolicy } from './backoff.ts'
import type { EventFilter } from './filter.ts'

/**
 * How the lane behaves. `block`: a dead head stops it. `latest`: state notifications that a newer one follows are
 * skipped. `park`: a dead head lets the rest go on. `none`: no order, every event is its own lane.
 */
export type OrderPolicy = 'block' | 'latest' | 'park' | 'none'

/** What the store knows of a subscription: enough to fan out for instances that run another version. */
export interface RegisteredSubscription {
  readonly name: string
  readonly filter: EventFilter
  /** Undefined: `latest` for state notifications, `block` for facts, decided per event. */
  readonly order?: OrderPolicy
}

export interface SubscriptionPolicy extends RegisteredSubscription {
  readonly retry: RetryPolicy
  /** Longest a handler may run; less than the lease. */
  readonly timeoutMs: number
  /** Handlers of this subscription that run at once in one process. */
  readonly concurrency: number
}
