import type { StoredEvent } from '#domain/event'
import { wants } from '#domain/filter'
import { dispatchId, type Intake, lanePartition, type NewDelivery, type NewEvent } from '#domain/ports'
import type { Outcome } from '#domain/source'
import { repetition } from '../identities.ts'
import { harmless, plainOutcome, summarize } from '../rows.ts'
import { append, compose, laneOf, type MemoryState } from './state.ts'

export function memoryIntake(state: MemoryState): Intake {
  return { store: async (batch) => batch.map((delivery) => storeOne(state, delivery)) }
}

export function storeOne(state: MemoryState, incoming: NewDelivery): Outcome {
  const delivery = harmless(incoming)
  const items = delivery.items.map((item) =>
    item.kind === 'event' ? storeEvent(state, delivery, item.event) : plainOutcome(item),
  )
  const { outcome, reason, keepsBytes } = summarize(delivery, items)
  state.deliveries.set(delivery.key, {
    ...delivery,
    outcome,
    ...(reason === undefined ? {} : { reason }),
    ...(keepsBytes ? { payload: delivery.body.slice() } : {}),
  })
  if (delivery.channel === 'push' && outcome !== 'quarantined') state.lastDeliveryAt.set(delivery.origin, state.now())
  return { delivery: delivery.key, outcome, items }
}

function storeEvent(state: MemoryState, delivery: NewDelivery, event: NewEvent): Outcome['items'][number] {
  const known = recognize(state, delivery.origin, event)
  if (known) return repetition(known, event)
  const { identity, identityWindowMs, contentHash, ...facts } = event
  const stored: StoredEvent = { ...facts, origin: delivery.origin, delivery: delivery.key }
  const wanting = [...state.subscriptions.values()].filter((one) => !one.removed && wants(one.filter, stored))
  state.events.set(event.key, { ...stored, receivedAt: delivery.receivedAt, unrouted: wanting.length === 0 })
  for (const { name, order } of wanting) {
    const lane = laneOf(state, name, lanePartition(order, event))
    const id = dispatchId(event.key, name, 1)
    const dispatch = {
      id,
      event: stored,
      subscription: name,
      run: 1,
      lane,
      pos: 0,
      status: 'waiting' as const,
      attempts: 0,
      forgiven: 0,
    }
    state.dispatches.set(id, dispatch)
    append(state, lane, dispatch)
  }
  return { outcome: 'accepted', event: event.key }
}

/** Remembers the identity, or returns who had it before. */
function recognize(state: MemoryState, origin: string, event: NewEvent) {
  if (event.identity === undefined) return undefined
  const key = compose(origin, event.identity)
  const now = state.now().getTime()
  const known = state.identities.get(key)
  if (known && (known.expiresAt === undefined || known.expiresAt > now)) return known
  const expiry = event.identityWindowMs === undefined ? {} : { expiresAt: now + event.identityWindowMs }
  state.identities.set(key, { event: event.key, contentHash: event.contentHash, ...expiry })
  return undefined
}
