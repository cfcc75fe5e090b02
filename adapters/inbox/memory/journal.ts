import { NO_CHECKPOINT } from '#domain/plan-poll'
import type { Journal } from '#domain/ports'
import { storeOne } from './intake.ts'
import { compose, type MemoryState } from './state.ts'

export function memoryJournal(state: MemoryState): Journal {
  const heldBy = (name: string) => {
    const lease = state.leases.get(name)
    return lease && lease.until > state.now() ? lease : undefined
  }
  return {
    lease: async (name, owner, leaseMs) => {
      const held = heldBy(name)
      if (held && held.owner !== owner) return undefined
      const fence = held ? held.fence : (state.leases.get(name)?.fence ?? 0) + 1
      const lease = { name, owner, fence, until: new Date(state.now().getTime() + leaseMs) }
      state.leases.set(name, lease)
      return lease
    },
    releaseLease: async ({ name, owner }) => {
      const held = heldBy(name)
      if (held?.owner === owner) state.leases.set(name, { ...held, until: new Date(0) })
    },
    checkpoint: async (poll) => state.checkpoints.get(poll) ?? { state: NO_CHECKPOINT, revision: 0 },
    advance: async ({ poll, lease, expectedRevision, state: next, deliveries }) => {
      const held = heldBy(lease.name)
      const revision = state.checkpoints.get(poll)?.revision ?? 0
      if (held?.owner !== lease.owner || held.fence !== lease.fence || revision !== expectedRevision) return undefined
      state.checkpoints.set(poll, { state: next, revision: revision + 1 })
      return deliveries.map((delivery) => storeOne(state, delivery))
    },
    sourceState: async (source, key) => {
      const value = state.sourceStates.get(compose(source, key))
      return value === undefined ? undefined : JSON.parse(value)
    },
    setSourceState: async (source, key, value) => {
      state.sourceStates.set(compose(source, key), JSON.stringify(value))
    },
    lastDeliveryAt: async (source) => state.lastDeliveryAt.get(source),
    countRejections: async (counts) => {
      for (const { source, reason, minute, count } of counts) {
        const key = compose(source, reason, minute.toISOString())
        state.rejections.set(key, (state.rejections.get(key) ?? 0) + count)
      }
    },
  }
}
