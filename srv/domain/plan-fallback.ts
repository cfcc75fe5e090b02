export type PollWhen = 'always' | 'stale'

export interface FallbackFacts {
  readonly when: PollWhen
  readonly staleAfterMs: number
  /** Last delivery of the source this poll stands behind; undefined where none ever came. */
  readonly lastPushAt?: Date
  /** Since when this deployment has been listening. */
  readonly watchedSince: Date
}

export interface FallbackPlan {
  readonly poll: boolean
  readonly stale: boolean
  readonly silentForMs: number
}

/** Polling takes over when the backed source has been silent too long, and steps back with its next delivery. */
export function planFallback(facts: FallbackFacts, now: Date): FallbackPlan {
  const since = facts.lastPushAt && facts.lastPushAt > facts.watchedSince ? facts.lastPushAt : facts.watchedSince
  const silentForMs = Math.max(0, now.getTime() - since.getTime())
  const stale = silentForMs > facts.staleAfterMs
  return { poll: facts.when === 'always' || stale, stale, silentForMs }
}
