import type { EventDraft } from './event.ts'
import type { Principal, Refusal, Undecided, Verification, Verified } from './verification.ts'

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

interface PeerCertificate {
  readonly subject: string
  readonly issuer: string
  readonly fingerprint256?: string
}

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
  | 'normalizer-failed'
  | 'store-rejected'

/** What a source finds in a delivery: an event, something it may ignore, or something that needs a human (quarantine). */
export type Item =
  | { readonly ok: true; readonly draft: EventDraft }
  | { readonly ok: false; readonly reason: BadReason; readonly detail?: string }
  | { readonly ignored: string }

export type ItemOutcome = 'accepted' | 'duplicate' | 'conflict' | 'quarantined' | 'ignored'

/** What became of a delivery, item by item and as a whole (the most serious of its items). */
export interface Outcome {
  readonly delivery: string
  readonly outcome: ItemOutcome
  readonly items: readonly { readonly outcome: ItemOutcome; readonly event?: string; readonly reason?: string }[]
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

/** How a caller proves who it is. One port for all sources; the adapter behind it is chosen at wiring. */
export type AuthSpec =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly users: Readonly<Record<string, string>>; readonly scope?: string }
  | {
      readonly kind: 'jwt'
      /** Where the issuer publishes its keys (RFC 7517). From configuration or a binding, never from the token. */
      readonly jwksUrl: string
      readonly issuer?: string
      readonly audience: string
      /** The full scope, e.g. `sluice!t1.emcallback`. */
      readonly scope?: string
    }

export interface SourceContext {
  readonly now: Date
  readonly signal: AbortSignal
  readonly fetch: GuardedFetch
  readonly cache: TtlCache
  readonly state: SourceState
  authenticate(delivery: Delivery, spec: AuthSpec): Promise<{ ok: true; principal: Principal } | Refusal | Undecided>
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
  handshake?(delivery: Delivery, context: SourceContext): Awaitable<Reply | undefined>
  verify(delivery: Delivery, context: SourceContext): Awaitable<Verification>
  control?(delivery: Delivery, verified: Verified, context: SourceContext): Awaitable<Reply | undefined>
  normalize(delivery: Delivery, verified: Verified): readonly Item[]
  reply?(outcome: Outcome, delivery: Delivery): Reply
}

/** The single value of a header, `undefined` where absent, and `null` where it was sent twice with different values. */
export function onlyHeader(headers: Headers, name: string): string | undefined | null {
  const values = headers[name]
  if (!values || values.length === 0) return undefined
  const [first] = values
  return values.every((value) => value === first) ? first : null
}
