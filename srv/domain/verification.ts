/** How much of a delivery its proof covers. `partial`: some fields only (PayPal's CRC, Adyen's items). `token`: the caller, not the body. */
export type AuthLevel = 'body' | 'partial' | 'token' | 'none'

/** The closed list of refusals. Each is a fact about the delivery, never about our configuration. */
export type RefusalReason =
  | 'signature-missing'
  | 'signature-malformed'
  | 'signature-invalid'
  | 'timestamp-missing'
  | 'timestamp-malformed'
  | 'timestamp-out-of-tolerance'
  | 'header-duplicated'
  | 'id-missing'
  | 'token-missing'
  | 'token-invalid'
  | 'scope-missing'
  | 'certificate-missing'
  | 'certificate-invalid'
  | 'origin-not-allowed'
  | 'rate-exceeded'
  | 'format-not-understood'
  | 'csrf-token-missing'
  | 'csrf-token-invalid'

/** Who delivered, as the authenticator knows them. */
export interface Principal {
  readonly name: string
  readonly scopes: readonly string[]
}

/** A genuine delivery, and what proves it. */
export interface Verified {
  readonly ok: true
  readonly authlevel: AuthLevel
  /** Which of several configured secrets matched, as `1`, `2`, …: rotation is visible, the secret is not. */
  readonly secretId?: string
  readonly principal?: Principal
}

/** Who (401), may not (403), in no form we read (415), too often (429). */
export type RefusalStatus = 401 | 403 | 415 | 429

/** A delivery that is not genuine, or not allowed. The reason goes to the operator only. */
export interface Refusal {
  readonly ok: false
  readonly reason: RefusalReason
  readonly status?: RefusalStatus
  /** What a client needs to do better, e.g. `x-csrf-token: Required`. Never why. */
  readonly headers?: Readonly<Record<string, string>>
}

/** The verifier itself could not decide (keys unreachable): answered 503, never 4xx. */
export interface Undecided {
  readonly ok: 'unknown'
  readonly retryAfterMs: number
}

/** What `verify` says: yes, no with a reason, or not to be decided now. */
export type Verification = Verified | Refusal | Undecided

export const refuse = (reason: RefusalReason, status: RefusalStatus = 401): Refusal => ({ ok: false, reason, status })
