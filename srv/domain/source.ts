import type { AuthSpec } from './auth-spec.ts'
import type { EventDraft } from './event.ts'
import type { DispatchStatus } from './status.ts'
import type { Principal, Refusal, Undecided, Verification, Verified } from './verification.ts'

export type { AuthSpec } from './auth-spec.ts'

export type Awaitable<T> = T | Promise<T>

/** Header names in lower case; a header sent twice has two values, because joining them hides a forgery. */
export type Headers = Readonly<Record<string, readonly string[]>>

/** One HTTP attempt by a sender. `url` is the configured public one, as the sender signed it. */
export interface Delivery {
  readonly method: string
  readonly url: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Headers
  readonly body: Uint8Array
  readonly receivedAt: Date
  readonly peer?: { readonly address?: string; readonly certificate?: PeerCertificate }
}

/** What the caller showed in the TLS handshake, where TLS ends here. */
interface PeerCertificate {
  /** X.509 in DER. */
  readonly raw: Uint8Array
  /** Whether the server found it signed by an authority that it trusts. */
  readonly authorized: boolean
}

/** An HTTP answer as a value; headers by name, the body as text. */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export type BadReason =
  | 'not-json'
  | 'not-utf8'
  | 'attribute-missing'
  | 'attribute-invalid'
  | 'attribute-too-long'
  | 'too-large'
  | 'unknown-topic'
  | 'unsupported-encoding'
  | 'not-xml'
  | 'xml-forbidden'
  | 'not-csv'
  | 'normalizer-failed'
  | 'store-rejected'

/** What a source finds in a delivery: an event, something it may ignore, or something that needs a human (quarantine). */
export type Item =
  | { readonly ok: true; readonly draft: EventDraft }
  | { readonly ok: false; readonly reason: BadReason; readonly detail?: string }
  | { readonly ignored: string }

/** `conflict`: the id is known with another content. `quarantined`: verified and kept, waits for a human. */
export type ItemOutcome = 'accepted' | 'duplicate' | 'conflict' | 'quarantined' | 'ignored'

/**
 * What became of a delivery, item by item and as a whole (the most serious of its items). `reason` is why an item is
 * quarantined (a `BadReason`) or ignored; `equal-content` of a duplicate whose sender gives no id.
 */
export interface Outcome {
  readonly delivery: string
  readonly outcome: ItemOutcome
  readonly items: readonly { readonly outcome: ItemOutcome; readonly event?: string; readonly reason?: string }[]
}

/** How a dispatch of an event ended, or that it has not yet. `result` is what the handler returned, as JSON. */
export interface DispatchEnd {
  readonly subscription: string
  readonly run: number
  readonly status: DispatchStatus
  readonly reason?: string
  readonly result?: string
}

/** For callers that wait for what the handler says. */
export interface ReplyWhenHandled {
  /** Longest wait, in ms; after it the answer is the one for what is stored. */
  readonly timeoutMs: number
  /** Whose result is the answer; all subscriptions must have ended where none is named. */
  readonly subscription?: string
}

/** Answers only for `https` (or hosts listed as `http` in tests) on an exact list of hosts that are not private. */
export type GuardedFetch = (
  url: string,
  init?: { method?: 'GET' | 'POST'; headers?: Record<string, string>; body?: string; signal?: AbortSignal },
) => Promise<{ status: number; headers: Readonly<Record<string, string>>; body: Uint8Array }>

export interface TtlCache {
  get(key: string): unknown
  set(key: string, value: unknown, ttlMs: number): void
}

/** Durable small state of one source: grants, negotiated secrets. Values are JSON. */
interface SourceState {
  get(key: string): Promise<unknown>
  set(key: string, value: unknown): Promise<void>
}

/** What a source's checks may use of the outside world. `signal` aborts when their time is up. */
export interface SourceContext {
  readonly now: Date
  readonly signal: AbortSignal
  readonly fetch: GuardedFetch
  readonly cache: TtlCache
  readonly state: SourceState
  authenticate(delivery: Delivery, spec: AuthSpec): Promise<{ ok: true; principal: Principal } | Refusal | Undecided>
  /** Runs apart from the delivery, which is answered meanwhile; what goes wrong is logged. */
  later(run: () => Promise<void>): void
}

/** A path that an app registered with a broker before Sluice came, and the queue (`?q=`) it is taken over for. */
export interface Alias {
  readonly path: string
  readonly queue?: string
}

/**
 * One provider. Every factory in `cap-sluice/sources` returns this shape, and users write their own the same way.
 * `handshake` and `verify` see unverified bytes; `control` and `normalize` run only after `verify` said yes.
 */
export interface Source {
  readonly kind: string
  readonly limits?: { readonly maxBytes?: number; readonly methods?: readonly string[]; readonly ackMs?: number }
  /**
   * `always-ok`: once the caller is known, everything is stored and answered 200, content never refused
   * (Event Mesh repeats a refusal for a week and blocks one of 18 slots with it).
   */
  readonly acknowledge?: 'always-ok'
  /** Closed for good: every request is answered 410, so that senders that understand it stop. */
  readonly retired?: boolean
  /** Where else deliveries come in. */
  readonly aliases?: readonly Alias[]
  /** The only hosts `context.fetch` calls for this source, with a port unless it is 443. */
  readonly hosts?: readonly string[]
  /** Deliveries come to `/http/<path>` and nowhere else; letter case does not matter, a closing `/*` takes all below. */
  readonly path?: string
  /** What of a delivery is kept beside its body and the headers that are safe anyway, by name. */
  keep?(delivery: Delivery): Readonly<Record<string, string>>
  /** The answer waits for the handlers of the delivery's events; without it, only for the commit. */
  readonly replyWhen?: ReplyWhenHandled
  handshake?(delivery: Delivery, context: SourceContext): Awaitable<Reply | Refusal | Undecided | undefined>
  verify(delivery: Delivery, context: SourceContext): Awaitable<Verification>
  control?(delivery: Delivery, verified: Verified, context: SourceContext): Awaitable<Reply | undefined>
  /** A promise only where it takes long, e.g. in another thread. */
  normalize(delivery: Delivery, verified: Verified): Awaitable<readonly Item[]>
  /**
   * @param ends how the dispatches ended, by event; only with `replyWhen`, and undefined where that took too long
   */
  reply?(outcome: Outcome, delivery: Delivery, ends?: readonly DispatchEnd[]): Reply
  /** Has the last word on every answer, refusals too: adds what this source's callers look for. `key` is the delivery's. */
  finish?(reply: Reply, key: string): Reply
}

/** The single value of a header, `undefined` where absent, and `null` where it was sent twice with different values. */
export function onlyHeader(headers: Headers, name: string): string | undefined | null {
  const values = headers[name]
  if (!values || values.length === 0) return undefined
  const [first] = values
  return values.every((value) => value === first) ? first : null
}
