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
  | 'origin-not-allowed'

export interface Principal {
  readonly name: string
  readonly scopes: readonly string[]
}

export interface Verified {
  readonly ok: true
  readonly authlevel: AuthLevel
  /** Which of several configured secrets matched, as `1`, `2`, …: rotation is visible, the secret is not. */
  readonly secretId?: string
  readonly principal?: Principal
}

export interface Refusal {
  readonly ok: false
  readonly reason: RefusalReason
  readonly status?: 401 | 403
}

/** The verifier itself could not decide (keys unreachable): answered 503, never 4xx. */
export interface Undecided {
  readonly ok: 'unknown'
  readonly retryAfterMs: number
}

export type Verification = Verified | Refusal | Undecided

export const refuse = (reason: RefusalReason, status: 401 | 403 = 401): Refusal => ({ ok: false, reason, status })
