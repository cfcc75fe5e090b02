export type PollWhen = 'always' | 'stale'

export interface FallbackFacts {
  readonly when: PollWhen
  readonly staleAfterMs: number
  /** Last delivery of the source this poll stands behind; undefined where none ever came. */
  readonly lastPushAt?: Date
  /** Where no delivery ever came: since when anybody has been listening. */
  readonly watchedSince: Date
  /** Polling took over and has not read since push came back. */
  readonly tookOver?: boolean
}

export interface FallbackPlan {
  readonly poll: boolean
  readonly stale: boolean
  readonly silentForMs: number
}

/**
 * Polling takes over when the backed source has been silent too long, and steps back with its next delivery, after one
 * read more: what changed between its last read and that delivery came by neither. A restart is no delivery: where it
 * began the count anew, a process that restarts often would never notice the silence.
 */
export function planFallback(facts: FallbackFacts, now: Date): FallbackPlan {
  const since = facts.lastPushAt ?? facts.watchedSince
  const silentForMs = Math.max(0, now.getTime() - since.getTime())
  const stale = silentForMs > facts.staleAfterMs
  return { poll: facts.when === 'always' || stale || facts.tookOver === true, stale, silentForMs }
}
