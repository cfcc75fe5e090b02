import type { StoredEvent } from '#domain/event'
import type { AttemptRecord, Checkpoint, Lease, NewDelivery } from '#domain/ports'
import type { ItemOutcome } from '#domain/source'
import type { DispatchStatus } from '#domain/status'
import type { RegisteredSubscription } from '#domain/subscription'
import type { ObjectVersion } from '#domain/version'

export interface MemoryDispatch {
  readonly id: string
  readonly event: StoredEvent
  readonly subscription: string
  readonly run: number
  readonly lane: MemoryLane
  pos: number
  status: DispatchStatus
  reason?: string | undefined
  attempts: number
  forgiven: number
  lastSentAt?: Date
  result?: string | undefined
}

export interface MemoryLane {
  readonly id: string
  readonly subscription: string
  readonly partitionkey: string
  head: number
  tail: number
  /** Waiting dispatches by position. */
  readonly waiting: Map<number, MemoryDispatch>
  availableAt: number | undefined
  owner: string | undefined
  blocked: boolean
}

interface MemorySubscription extends RegisteredSubscription {
  paused: boolean
  removed: boolean
}

/** Everything a memory inbox knows. It has no disk: it proves the contract, never durability. */
export interface MemoryState {
  readonly now: () => Date
  readonly deliveries: Map<string, NewDelivery & { outcome: ItemOutcome; reason?: string; payload?: Uint8Array }>
  readonly identities: Map<string, { event: string; contentHash: string; expiresAt?: number }>
  readonly events: Map<string, StoredEvent & { readonly receivedAt: Date; unrouted: boolean }>
  readonly dispatches: Map<string, MemoryDispatch>
  readonly lanes: Map<string, MemoryLane>
  readonly attempts: Map<
    string,
    ({ n: number; fence: string; outcome: AttemptRecord['outcome'] | 'lost' } & Partial<
      Omit<AttemptRecord, 'outcome'>
    >)[]
  >
  readonly subscriptions: Map<string, MemorySubscription>
  readonly effects: Map<string, ObjectVersion>
  readonly checkpoints: Map<string, Checkpoint>
  readonly leases: Map<string, Lease>
  readonly sourceStates: Map<string, string>
  readonly lastDeliveryAt: Map<string, Date>
  readonly rejections: Map<string, number>
  readonly audit: { at: Date; actor: string; action: string; object: string }[]
}

export const emptyState = (now: () => Date): MemoryState => ({
  now,
  deliveries: new Map(),
  identities: new Map(),
  events: new Map(),
  dispatches: new Map(),
  lanes: new Map(),
  attempts: new Map(),
  subscriptions: new Map(),
  effects: new Map(),
  checkpoints: new Map(),
  leases: new Map(),
  sourceStates: new Map(),
  lastDeliveryAt: new Map(),
  rejections: new Map(),
  audit: [],
})

/** A composite map key that no part can imitate. */
export const compose = (...parts: readonly string[]): string => JSON.stringify(parts)

export function laneOf(state: MemoryState, subscription: string, partitionkey: string): MemoryLane {
  const id = compose(subscription, partitionkey)
  const found = state.lanes.get(id)
  if (found) return found
  const lane: MemoryLane = {
    id,
    subscription,
    partitionkey,
    head: 0,
    tail: 0,
    waiting: new Map(),
    availableAt: undefined,
    owner: undefined,
    blocked: false,
  }
  state.lanes.set(id, lane)
  return lane
}

/** Puts a dispatch at the lane's tail and makes the lane due, unless it rests, is leased or is blocked. */
export function append(state: MemoryState, lane: MemoryLane, dispatch: MemoryDispatch): void {
  dispatch.pos = lane.tail
  lane.tail += 1
  lane.waiting.set(dispatch.pos, dispatch)
  if (!lane.blocked) lane.availableAt ??= state.now().getTime()
}
