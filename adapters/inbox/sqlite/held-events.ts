import type { StoredEvent } from '#domain/event'
import type { NewDelivery, NewEvent } from '#domain/ports'

/** Some more than are under way on a busy day. */
const MOST_EVENTS = 128
const MOST_BYTES = 4_000_000

export interface HeldEvents {
  hold(delivery: NewDelivery): void
  /** What is held now, by key. Whoever has it may rely on it. */
  now(): ReadonlyMap<string, StoredEvent>
  drop(key: string): void
}

/**
 * The events that went to the store last. Most are claimed at once, and then need not come back: reading and sending them
 * costs as much as storing them. Holds none before the first claim, since not every process works.
 */
export function heldEvents(): HeldEvents {
  const held = new Map<string, StoredEvent>()
  let bytes = 0
  let working = false

  function drop(key: string): void {
    const event = held.get(key)
    if (!event) return
    bytes -= sizeOf(event)
    held.delete(key)
  }

  return {
    hold(delivery) {
      if (!working) return
      for (const item of delivery.items) {
        if (item.kind !== 'event') continue
        const event = toStored(delivery, item.event)
        held.set(event.key, event)
        bytes += sizeOf(event)
      }
      for (const key of held.keys()) {
        if (held.size <= MOST_EVENTS && bytes <= MOST_BYTES) break
        drop(key)
      }
    },
    now() {
      working = true
      return new Map(held)
    },
    drop,
  }
}

const sizeOf = ({ data = '', dataBase64 = '' }: StoredEvent): number => data.length + dataBase64.length

const toStored = (
  { key: delivery, origin }: NewDelivery,
  { key, attributes, nature, object, data, dataBase64 }: NewEvent,
): StoredEvent => ({
  key,
  origin,
  delivery,
  attributes,
  nature,
  ...(object === undefined ? {} : { object }),
  ...(data === undefined ? {} : { data }),
  ...(dataBase64 === undefined ? {} : { dataBase64 }),
})
