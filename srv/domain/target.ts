/** A record as its target sent it, without protocol metadata. */
export interface TargetRecord {
  readonly data: Readonly<Record<string, unknown>>
  /** Opaque, for `If-Match`. */
  readonly etag?: string
  /** The value of the entity's version element, in RFC 3339 where it is a moment. */
  readonly version?: string
}

/** Key elements by name, in the order of the entity's `key`. */
export type Key = Readonly<Record<string, string | number | boolean>>

/** `existing`: an earlier try had created it. `unchanged`: already so. `stale`: a newer version is in effect, nothing was written. */
export type WriteOutcome = 'created' | 'updated' | 'unchanged' | 'existing' | 'stale'

/** What a write came to. `key` and `record` as far as the target's answer told. */
export interface WriteResult {
  readonly outcome: WriteOutcome
  readonly key?: Key
  readonly record?: TargetRecord
  /** Warnings and messages of a successful write, e.g. `sap-message`. */
  readonly messages?: readonly string[]
}

interface WriteOptions {
  /** Names one of several writes of a handler; each has its own effect. */
  readonly step?: string
}

/** How an update is kept from doing harm. */
export interface UpdateOptions extends WriteOptions {
  /** The source's version of what is written: an older one never overwrites a newer one. Needs the entity's `guard`. */
  readonly version?: string
  /**
   * Only to the record as it was read with this etag: else `target-changed`, and the handler is tried again. Where
   * `version` can be compared with the entity's `guard`, that decides instead.
   */
  readonly etag?: string
}

/** How an entity is keyed, recognized and versioned. Checked at start. */
export interface EntitySpec {
  readonly key: readonly string[]
  /** Business object type of events about it, e.g. `SalesOrder`. */
  readonly object?: string
  /** Element that grows with every change. */
  readonly version?: string
  /** Filterable element that holds the sender's reference: how a lost create is found again. */
  readonly reference?: string
  /** What to do where a lost create cannot be found again: wait for an operator, or risk a second one. */
  readonly onAmbiguous?: 'park' | 'repeat'
  /** Element that keeps the source's version, so that an older write is recognized by the target's own data. */
  readonly guard?: string
  readonly readonly?: boolean
}

/** The dispatch a session writes for; everything that makes its effect single. */
export interface WriteScope {
  /** Dispatch, without the run. */
  readonly dispatch: string
  readonly run: number
  /** False as soon as an earlier try or run may have written: creates then look first. */
  readonly firstTry: boolean
  /** When an earlier try may last have sent something. */
  readonly lastSentAt?: Date
  readonly signal: AbortSignal
  now(): Date
  /** uuid v5 of (dispatch, run, step): the same for every try. */
  requestId(step: string): string
  /** Throws once the lease is lost: a late worker must not write. Called before every write. */
  guard(): void
  /**
   * Tells the worker that something is being sent: from here on a lost try counts as ambiguous.
   * @returns to be called once the target definitely refused it; then it is as if nothing had been sent.
   */
  sent(): () => void
  /**
   * Remembers the version our own write produced, so that its return is recognized as an echo.
   * @param object `over` is the version it was written over, where known: somebody's change that is still to be handled
   */
  wrote(object: { type: string; key: string; version: string; over?: string }): void
}

/** What goes out to a broker: a received event as it is, or one a handler made. */
export interface Publishable {
  readonly type: string
  /** The inbox's own key of a received event: unique for ever, and so the `id` it goes out with. */
  readonly key?: string
  readonly id?: string
  readonly subject?: string
  /** RFC 3339. */
  readonly time?: string
  readonly datacontenttype?: string
  readonly dataschema?: string
  readonly partitionkey?: string
  readonly sequence?: string
  readonly traceparent?: string
  readonly tracestate?: string
  readonly data?: unknown
  /** JSON source text; goes before `data`. */
  readonly dataText?: string | undefined
}

/** How an event is sent out. */
export interface PublishOptions extends WriteOptions {
  readonly topic?: string
  /** `id` of the CloudEvent, by which receivers recognize a repeated one. */
  readonly id?: string
}

/** What handlers call. All methods throw `SluiceError` with a retry rule and an effect rule. */
export interface TargetSession {
  /** Sends an event out, at least once; only targets that are brokers can. */
  publish?(event: Publishable, options?: PublishOptions): Promise<{ readonly id: string }>
  read(entity: string, key: Key, options?: { expand?: readonly string[] }): Promise<TargetRecord | undefined>
  find(entity: string, where: Key, options?: { top?: number }): Promise<readonly TargetRecord[]>
  /** Creates once. The sender's reference goes into the entity's reference element. */
  create(
    entity: string,
    data: Readonly<Record<string, unknown>>,
    options: WriteOptions & { reference: string },
  ): Promise<WriteResult>
  update(
    entity: string,
    key: Key,
    data: Readonly<Record<string, unknown>>,
    options?: UpdateOptions,
  ): Promise<WriteResult>
  /** Updates what is there, by key or by reference; creates what is not. */
  upsert(
    entity: string,
    by: { key: Key } | { reference: string },
    data: Readonly<Record<string, unknown>>,
    options?: UpdateOptions,
  ): Promise<WriteResult>
}

/** What handlers get: `publish` of a target that is no broker says so. */
export type HandlerTarget = TargetSession & Required<Pick<TargetSession, 'publish'>>

/** The system that dispatches update. `odataTarget` makes one; write your own the same way and run the contract suite. */
export interface Target {
  readonly kind: string
  readonly entities: Readonly<Record<string, EntitySpec>>
  session(scope: WriteScope): TargetSession
  /** Reads the full record an event hints at; undefined where the target says it does not exist. */
  fetch(entity: string, key: Key, signal: AbortSignal): Promise<TargetRecord | undefined>
  /**
   * Compares entities with what the target says of itself.
   * @throws SluiceError `entity-mismatch`, never to be repeated; any other where it cannot be asked now
   */
  check?(entities: readonly string[], signal: AbortSignal): Promise<void>
  /**
   * The inbox's key of the received event that went out as this one; undefined where nothing shows that it came from here.
   * Only brokers know: what is sent to them may come back.
   */
  sentFrom?(event: { readonly id: string; readonly source: string }): string | undefined
  /** Reads changes in pages, for polls. */
  changes?(request: ChangesRequest): Promise<ChangesPage>
  close?(): Promise<void>
}

export interface ChangesRequest {
  readonly entity: string
  /** RFC 3339 lower bound, inclusive; undefined reads everything. */
  readonly since?: string
  /** Keyset position of the page before; opaque to the caller. */
  readonly after?: string
  readonly pageSize: number
  readonly signal: AbortSignal
}

export interface ChangesPage {
  readonly rows: readonly { readonly key: string; readonly version: string; readonly data: string }[]
  /** Undefined on the last page. */
  readonly next?: string
}
