import type { StoredEvent } from './event.ts'

/** Which events a subscription wants. All given conditions must hold; a pattern may end in `*`. */
export interface EventFilter {
  readonly on: readonly string[]
  /** Names of configured sources or polls. */
  readonly sources?: readonly string[]
  readonly subject?: string
}

export function wants(filter: EventFilter, event: Pick<StoredEvent, 'origin' | 'attributes'>): boolean {
  const { type, subject, providertype } = event.attributes
  if (filter.sources && !filter.sources.includes(event.origin)) return false
  if (filter.subject !== undefined && !matches(filter.subject, subject ?? '')) return false
  return filter.on.some(
    (pattern) => matches(pattern, type) || (providertype !== undefined && matches(pattern, providertype)),
  )
}

const matches = (pattern: string, text: string): boolean =>
  pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern
