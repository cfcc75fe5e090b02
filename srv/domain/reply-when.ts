import type { DispatchEnd } from './source.ts'

/**
 * What a waiting caller may be told: the latest ended run of every subscription, or of the one that is named, ordered by
 * name; undefined while one of them has not ended. Empty where nobody wanted the event.
 */
export function endsFor(
  ends: readonly DispatchEnd[],
  subscription: string | undefined,
): readonly DispatchEnd[] | undefined {
  const latest = new Map<string, DispatchEnd>()
  for (const end of ends) {
    if (subscription !== undefined && end.subscription !== subscription) continue
    const known = latest.get(end.subscription)
    if (!known || rank(end) > rank(known)) latest.set(end.subscription, end)
  }
  const found = [...latest.values()]
  if (found.some(({ status }) => status === 'waiting')) return undefined
  return found.sort((a, b) => (a.subscription < b.subscription ? -1 : 1))
}

/** A replay that still waits does not take back what the run before it said. */
const rank = ({ status, run }: DispatchEnd): number => (status === 'waiting' ? 0 : run)
