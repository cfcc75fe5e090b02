import type { NewDelivery, NewEvent } from '#domain/ports'
import type { Outcome } from '#domain/source'
import { identityHash } from './hash.ts'
import { plainOutcome, type Summary, summarize } from './rows.ts'

/** Who has an identity: an event of this batch, or one that was there before. */
export interface Holder {
  readonly event: string
  readonly contentHash: string
}

export interface Wish extends Holder {
  readonly hash: string
  readonly windowMs?: number
}

export type Holders = ReadonlyMap<string, Holder>

/** What a batch would hold if it were the first, by hash and ascending; within the batch the first delivery wins. */
export function wishesOf(batch: readonly NewDelivery[]): ReadonlyMap<string, Wish> {
  const wishes = new Map<string, Wish>()
  for (const { origin, items } of batch) {
    for (const item of items) {
      if (item.kind !== 'event' || item.event.identity === undefined) continue
      const { key, identity, identityWindowMs, contentHash } = item.event
      const hash = identityHash(origin, identity)
      const window = identityWindowMs === undefined ? {} : { windowMs: identityWindowMs }
      if (!wishes.has(hash)) wishes.set(hash, { hash, event: key, contentHash, ...window })
    }
  }
  return new Map([...wishes].sort(([a], [b]) => (a < b ? -1 : 1)))
}

export interface Decided extends Summary {
  readonly delivery: NewDelivery
  readonly items: Outcome['items']
}

/** What becomes of each delivery, in order, and which events are new. */
export function decide(
  batch: readonly NewDelivery[],
  holders: Holders,
): { decided: readonly Decided[]; accepted: readonly { delivery: NewDelivery; event: NewEvent; origin: string }[] } {
  const decided = batch.map((delivery) => {
    const items = delivery.items.map((item) =>
      item.kind === 'event' ? outcomeOf(delivery.origin, item.event, holders) : plainOutcome(item),
    )
    return { delivery, items, ...summarize(delivery, items) }
  })
  const accepted = decided.flatMap(({ delivery, items }) =>
    delivery.items.flatMap((item, index) =>
      item.kind === 'event' && items[index]?.outcome === 'accepted'
        ? [{ delivery, event: item.event, origin: delivery.origin }]
        : [],
    ),
  )
  return { decided, accepted }
}

function outcomeOf(origin: string, event: NewEvent, holders: Holders): Outcome['items'][number] {
  const holder = event.identity === undefined ? undefined : holders.get(identityHash(origin, event.identity))
  if (!holder || holder.event === event.key) return { outcome: 'accepted', event: event.key }
  return repetition(holder, event)
}

/** What becomes of an event whose identity another one holds. */
export function repetition(holder: Holder, { contentHash, identityWindowMs }: NewEvent): Outcome['items'][number] {
  const { event } = holder
  if (holder.contentHash !== contentHash) return { outcome: 'conflict', event }
  return { outcome: 'duplicate', event, ...(identityWindowMs === undefined ? {} : { reason: 'equal-content' }) }
}
