import { SluiceError, toFault } from '#domain/errors'
import type { Clock, Log } from '#domain/ports'
import type { Target } from '#domain/target'
import type { ActiveSubscription } from './attempt.ts'
import { faultFields } from './fault-fields.ts'

/** A target that does not answer is asked again; a wrong entity hurts only when an event comes. */
const AGAIN_MS = 300_000
const TIMEOUT_MS = 60_000

/**
 * Compares what subscriptions fetch with what the targets say of themselves, beside everything else: a mismatch is said
 * at the start and with its remedy, and a target that is down delays nothing.
 * @returns how to call it off
 */
export function checkFetches(
  subscriptions: readonly ActiveSubscription[],
  targets: Readonly<Record<string, Target>>,
  clock: Clock,
  log: Log,
): () => void {
  const cancels = new Map<string, () => void>()

  async function check(name: string, entities: readonly string[]): Promise<void> {
    try {
      await targets[name]?.check?.(entities, AbortSignal.timeout(TIMEOUT_MS))
      cancels.delete(name)
    } catch (thrown) {
      const mismatch = thrown instanceof SluiceError && toFault(thrown).retry === 'never'
      if (mismatch)
        return log.error('events of these entities cannot be fetched', { target: name, ...faultFields(thrown) })
      log.warn('what is fetched could not be checked and will be later', { target: name, ...faultFields(thrown) })
      if (cancels.has(name))
        cancels.set(
          name,
          clock.after(AGAIN_MS, () => void check(name, entities)),
        )
    }
  }

  for (const [name, entities] of fetched(subscriptions, targets)) {
    cancels.set(name, () => {})
    void check(name, [...entities])
  }
  return () => {
    const all = [...cancels.values()]
    cancels.clear()
    for (const cancel of all) cancel()
  }
}

/** Entities by target; where a subscription names none, any that stands for an object may be meant. */
function fetched(subscriptions: readonly ActiveSubscription[], targets: Readonly<Record<string, Target>>) {
  const found = new Map<string, Set<string>>()
  for (const { fetch } of subscriptions) {
    const target = fetch && targets[fetch.target]
    if (!fetch || !target?.check) continue
    const all = Object.entries(target.entities).flatMap(([name, { object }]) => (object ? [name] : []))
    const names = found.get(fetch.target) ?? new Set()
    for (const name of fetch.entity ? [fetch.entity] : all) names.add(name)
    found.set(fetch.target, names)
  }
  return found
}
