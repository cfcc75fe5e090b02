import type { StoredEvent } from '#domain/event'
import type { NewDelivery, NewEvent } from '#domain/ports'
import { attributesIn } from '../rows.ts'

/** Of how many events something is remembered, and how many characters they may have together. */
export interface Bounds {
  readonly events: number
  readonly size: number
}

/** This side holds more than the store tells by key, so that none is gone while an answer is on its way. */
export const HELD: Bounds = { events: 256, size: 4_000_000 }
/** Some more than are under way on a busy day. */
export const TOLD: Bounds = { events: 64, size: 1_000_000 }

export interface NewestEvents<T> {
  /** Nothing is remembered before: not every process works. */
  begin(): void
  add(delivery: NewDelivery): void
  /** Whoever takes it is the last to get it. */
  take(key: string): T | undefined
}

/**
 * Remembers the events that went to the store last. Most are claimed at once, and then need not come back: reading and
 * sending them costs as much as storing them. So the store tells the newest by their key, once, and this side, which has
 * seen the same deliveries, still holds them.
 */
export function newestEvents<T>(bounds: Bounds, of: (event: NewEvent, delivery: NewDelivery) => T): NewestEvents<T> {
  const known = new Map<string, { readonly value: T; readonly size: number }>()
  let size = 0
  let begun = false

  function take(key: string): T | undefined {
    const one = known.get(key)
    if (!one) return undefined
    size -= one.size
    known.delete(key)
    return one.value
  }

  return {
    begin() {
      begun = true
    },
    add(delivery) {
      if (!begun) return
      for (const item of delivery.items) {
        if (item.kind !== 'event') continue
        const { event } = item
        take(event.key)
        const one = { value: of(event, delivery), size: sizeOf(event) }
        known.set(event.key, one)
        size += one.size
      }
      for (const oldest of known.keys()) {
        if (known.size <= bounds.events && size <= bounds.size) break
        take(oldest)
      }
    },
    take,
  }
}

const sizeOf = ({ data = '', dataBase64 = '' }: NewEvent): number => data.length + dataBase64.length

/** The event as it comes back from the store. */
export const toStored = (
  { key, attributes, nature, object, data, dataBase64 }: NewEvent,
  { key: delivery, origin }: NewDelivery,
): StoredEvent => ({
  key,
  origin,
  delivery,
  attributes: attributesIn(attributes),
  nature,
  ...(object === undefined ? {} : { object }),
  ...(data === undefined ? {} : { data }),
  ...(dataBase64 === undefined ? {} : { dataBase64 }),
})
