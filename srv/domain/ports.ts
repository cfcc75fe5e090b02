import type { Backlog, BacklogBounds } from './backlog.ts'
import type { EventAttributes, Nature, ObjectRef, StoredEvent } from './event.ts'
import type { KeptDelivery } from './kept-delivery.ts'
import type { DeliveryLabels } from './labels.ts'
import type { CheckpointState } from './plan-poll.ts'
import type { BadReason, DispatchEnd, Outcome } from './source.ts'
import type { DispatchStatus } from './status.ts'
import type { OrderPolicy, RegisteredSubscription } from './subscription.ts'
import type { AuthLevel } from './verification.ts'
import type { ObjectVersion } from './version.ts'

/** Time as an argument, so that tests own it. */
export interface Clock {
  now(): Date
  /** Calls `run` once after `ms`; returns how to call it off. Never keeps the process alive. */
  after(ms: number, run: () => void): () => void
}

/** Where lines go, with fields beside the message. `console` is one. */
export interface Log {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
}

// ---- Intake -------------------------------------------------------------------------------------------------------

export interface NewEvent {
  /** UUID v7, the event's key in the inbox. */
  readonly key: string
  /** Text whose hash tells the event from others of its origin; undefined: never a duplicate. */
  readonly identity?: string
  /** For identities that are only a content hash: how long they count, in ms. */
  readonly identityWindowMs?: number
  /** SHA-256 (hex) of what must be equal for two deliveries of one identity to be the same event. */
  readonly contentHash: string
  readonly attributes: EventAttributes
  readonly nature: Nature
  readonly object?: ObjectRef
  readonly data?: string
  readonly dataBase64?: string
  /** `data` is its delivery's body, byte for byte: one copy is enough. */
  readonly dataIsBody?: boolean
}

export type NewItem =
  | { readonly kind: 'event'; readonly event: NewEvent }
  | { readonly kind: 'bad'; readonly reason: BadReason; readonly detail?: string }
  | { readonly kind: 'ignored'; readonly reason: string }

/** Everything one delivery brings, ready to be committed. */
export interface NewDelivery {
  /** UUID v7. */
  readonly key: string
  /** Name of the configured source, or of the poll. */
  readonly origin: string
  readonly channel: 'push' | 'poll'
  readonly receivedAt: Date
  readonly method: string
  readonly url: string
  /** JSON of the headers that are safe to keep; authorization, cookies and signatures are not among them. */
  readonly headers: string
  readonly body: Uint8Array
  readonly bodyHash: string
  readonly authlevel: AuthLevel
  readonly secretId?: string
  readonly principal?: string
  readonly labels?: DeliveryLabels
  readonly items: readonly NewItem[]
}

export interface Intake {
  /**
   * Commits deliveries with their events, dispatches and lanes; concurrent calls may share one commit. Each delivery is
   * all-or-nothing. Resolves only after the commit is on disk, with one outcome per delivery in order.
   * A delivery the database refuses as data is quarantined (`store-rejected`) and the others are stored;
   * @throws SluiceError `store-unavailable` when the store is gone, slow or full: nothing of this call is acknowledged.
   */
  store(batch: readonly NewDelivery[]): Promise<readonly Outcome[]>
}

// ---- Work ---------------------------------------------------------------------------------------------------------

export interface ClaimRequest {
  /** Only subscriptions this process has handlers for, each with the lanes it can start right now. */
  readonly subscriptions: readonly { readonly name: string; readonly lanes: number }[]
  readonly dispatchesPerLane: number
  /** Upper bound for the data loaded, in bytes; at least one dispatch per lane is loaded all the same. */
  readonly bytes: number
  readonly leaseMs: number
}

export interface ClaimedDispatch {
  /** `<event key>:<subscription>:<run>` */
  readonly id: string
  readonly run: number
  /** Recorded attempts of this run, lost ones included; `n` of the last one. */
  readonly attempts: number
  /** Attempts that do not count because an operator gave new ones. */
  readonly forgiven: number
  /** The latest moment an earlier attempt of this dispatch may have sent something to a target. */
  readonly lastSentAt?: Date
  /** Whether any run of this event for this subscription was tried before. */
  readonly triedBefore: boolean
  readonly event: StoredEvent
}

/** A lane in the hands of one worker until `leaseUntil`. `owner` is unique per lease: the fence. */
export interface ClaimedLane {
  readonly lane: string
  readonly subscription: string
  readonly partitionkey: string
  readonly owner: string
  readonly leaseUntil: Date
  /** Waiting dispatches from the head on, in order. May be empty: then settle it with nothing and release. */
  readonly dispatches: readonly ClaimedDispatch[]
  /** True when the previous lease ran out: its attempt of the head has been recorded as `lost`. */
  readonly recovered: boolean
}

export interface AttemptRecord {
  readonly at: Date
  readonly durationMs: number
  readonly outcome: 'ok' | 'skipped' | 'failed' | 'timeout' | 'ambiguous'
  readonly code?: string
  readonly httpStatus?: number
  readonly message?: string
  /** Whether a write may have reached a target. */
  readonly sent: boolean
}

/** A version now in effect, remembered to recognize the same or an older one later. */
export interface Effect {
  /**
   * `subscription:<name>` for what was brought into effect, `target:<name>` for what we wrote ourselves, and
   * `beneath:<target>` for what our own last writes were written over.
   */
  readonly scope: string
  /** `<object type>/<key>` */
  readonly object: string
  readonly version: ObjectVersion
}

export interface DispatchSettlement {
  readonly dispatch: string
  readonly to: DispatchStatus
  readonly reason?: string
  /** Absent for skips that ran nothing. */
  readonly attempt?: AttemptRecord
  /** With `waiting`: rest of the lane in ms. */
  readonly delayMs?: number
  /** With `dead` and `unsure`: whether the lane stops here. */
  readonly block?: boolean
  /** JSON, bounded: what the handler returned. */
  readonly result?: string
  readonly effects?: readonly Effect[]
}

export interface LaneSettlement {
  readonly lane: string
  readonly owner: string
  readonly settled: readonly DispatchSettlement[]
  /** Give the lane back; false keeps the lease. A `waiting` or blocking settlement always gives it back. */
  readonly release: boolean
}

export interface Work {
  /** Takes due lanes. An expired lease is due again; its head gets a `lost` attempt first, in the same transaction. */
  claim(request: ClaimRequest): Promise<readonly ClaimedLane[]>
  /**
   * Records attempts and moves dispatches, each lane in one transaction and only `where owner = ?`.
   * @returns per lane whether the fence held; where not, nothing of that lane was written.
   */
  settle(lanes: readonly LaneSettlement[]): Promise<readonly boolean[]>
  /** Prolongs leases; false where the lease is no longer ours. */
  renew(lanes: readonly { lane: string; owner: string }[], leaseMs: number): Promise<readonly boolean[]>
  /** Gives lanes back that were claimed but not started; counts nothing. */
  release(lanes: readonly { lane: string; owner: string }[]): Promise<void>
  /** The versions in effect for these objects, in order. */
  effects(keys: readonly { scope: string; object: string }[]): Promise<readonly (ObjectVersion | undefined)[]>
  /** The raw bytes of a delivery; undefined once retention has removed them. */
  payload(delivery: string): Promise<Uint8Array | undefined>
  /** How a delivery came; undefined once retention has removed it. */
  delivery(key: string): Promise<KeptDelivery | undefined>
  /** All dispatches of an event, of every run, ended or not. */
  ends(event: string): Promise<readonly DispatchEnd[]>
  /** When a lane of these subscriptions next becomes due, if any: how long an idle worker may rest. */
  nextDueAt(subscriptions: readonly string[]): Promise<Date | undefined>
  /** What waits, for each of these subscriptions, in their order. */
  backlog(subscriptions: readonly string[], bounds: BacklogBounds): Promise<readonly Backlog[]>
}

// ---- Journal ------------------------------------------------------------------------------------------------------

export interface Lease {
  readonly name: string
  /** Unique per lease. */
  readonly owner: string
  /** Grows with every new holder. */
  readonly fence: number
  readonly until: Date
}

export interface Checkpoint {
  readonly state: CheckpointState
  /** For compare-and-set; 0 before the first write. */
  readonly revision: number
}

export interface Journal {
  /** Takes or prolongs a named lease; undefined while somebody else holds it. */
  lease(name: string, owner: string, leaseMs: number): Promise<Lease | undefined>
  releaseLease(lease: Pick<Lease, 'name' | 'owner'>): Promise<void>
  checkpoint(poll: string): Promise<Checkpoint>
  /**
   * Commits a poll's page and its checkpoint in one transaction.
   * @returns undefined, with nothing written, when the lease is lost or the checkpoint has moved meanwhile.
   */
  advance(step: {
    poll: string
    lease: Pick<Lease, 'name' | 'owner' | 'fence'>
    expectedRevision: number
    state: CheckpointState
    deliveries: readonly NewDelivery[]
  }): Promise<readonly Outcome[] | undefined>
  sourceState(source: string, key: string): Promise<unknown>
  setSourceState(source: string, key: string, value: unknown): Promise<void>
  /** Last delivery by push of a source, to the second, for ever. One that went to quarantine is no sign of life. */
  lastDeliveryAt(source: string): Promise<Date | undefined>
  /** Adds to the per-minute counts of refused deliveries. Never a row per delivery: refusals are free for an attacker. */
  countRejections(counts: readonly { source: string; reason: string; minute: Date; count: number }[]): Promise<void>
}

// ---- Admin --------------------------------------------------------------------------------------------------------

/** `conflict`: it is in a worker's hands or in a state the action does not apply to. */
export type AdminResult =
  | { readonly ok: true; readonly dispatches: readonly string[] }
  | { readonly ok: false; readonly reason: 'not-found' | 'conflict' }

export interface RetentionPolicy {
  readonly payloadsBefore: Date
  readonly eventsBefore: Date
  /** Rows per step and table. */
  readonly limit: number
}

/** What operators do to a store. `by` is who asked, for the audit. All reject with SluiceError `store-unavailable` where the store is gone. */
export interface Admin {
  /** Makes subscriptions known to every instance; idempotent, also when 12 instances do it at once. */
  register(subscriptions: readonly RegisteredSubscription[]): Promise<void>
  /** Forgets a subscription: its open dispatches end dead with the reason `subscription-removed`. */
  unregister(name: string, by: string): Promise<AdminResult>
  /**
   * Runs an event, as a new run at the tail of its lane, for every subscription in force that wants it, or for the named
   * one; also for those that never had a run of it. `not-found`: there is no such event, or nobody it could run for.
   */
  replay(event: string, subscription: string | undefined, by: string): Promise<AdminResult>
  /** dead, unsure → waiting with new attempts: at the head if the lane waits for it, else at the tail. */
  retry(dispatch: string, by: string): Promise<AdminResult>
  /** waiting, dead, unsure → skipped. */
  discard(dispatch: string, by: string): Promise<AdminResult>
  pause(subscription: string, by: string): Promise<AdminResult>
  resume(subscription: string, by: string): Promise<AdminResult>
  /** One small step of retention: never removes an event with open work. Zero everywhere: nothing left to do. */
  retain(policy: RetentionPolicy): Promise<{ payloads: number; events: number; lanes: number }>
}

/** Whether the store can take and keep what comes; `reason` where not. */
export interface StoreHealth {
  readonly ok: boolean
  readonly reason?: string
  /** Database time less ours, in ms. */
  readonly clockOffsetMs?: number
}

/** The durable store of deliveries and events. One contract suite for every implementation. */
export interface Inbox {
  readonly intake: Intake
  readonly work: Work
  readonly journal: Journal
  readonly admin: Admin
  open(): Promise<void>
  close(): Promise<void>
  health(): Promise<StoreHealth>
}

/** The lane order the store needs when it fans out: `none` gives every event its own lane. */
export const lanePartition = (order: OrderPolicy | undefined, event: Pick<NewEvent, 'key' | 'attributes'>): string =>
  order === 'none' ? event.key : event.attributes.partitionkey || event.key

export const dispatchId = (event: string, subscription: string, run: number): string =>
  `${event}:${subscription}:${run}`

export const objectName = (object: Pick<ObjectRef, 'type' | 'key'>): string => `${object.type}/${object.key}`
