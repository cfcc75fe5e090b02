import type { Clock } from '#domain/ports'
import type { TtlCache } from '#domain/source'

const MAX_ENTRIES = 10_000

/** A small bounded cache; the oldest entry goes first. */
export function ttlCache(clock: Clock): TtlCache {
  const entries = new Map<string, { value: unknown; until: number }>()
  return {
    get(key) {
      const entry = entries.get(key)
      if (!entry) return undefined
      if (entry.until > clock.now().getTime()) return entry.value
      entries.delete(key)
      return undefined
    },
    set(key, value, ttlMs) {
      entries.delete(key)
      entries.set(key, { value, until: clock.now().getTime() + ttlMs })
      if (entries.size <= MAX_ENTRIES) return
      const oldest = entries.keys().next()
      if (!oldest.done) entries.delete(oldest.value)
    },
  }
}
