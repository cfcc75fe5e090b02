import { createHash } from 'node:crypto'
import { errors, type JWTPayload, jwtVerify } from 'jose'
import type { IasAuth, JwtAuth, OidcAuth } from '#domain/auth-spec'
import { SluiceError, toFault } from '#domain/errors'
import type { Log } from '#domain/ports'
import type { Delivery, GuardedFetch } from '#domain/source'
import { type Principal, type Refusal, refuse, type Undecided } from '#domain/verification'
import { clientCertificate } from './client-certificate.ts'
import { keySets, plainFetch } from './key-sets.ts'
import { oncePer } from './once-per.ts'
import { TokenCache } from './token-cache.ts'
import { clientOf, scopesOf, type TokenRules, thumbprintOf, toRules } from './token-rules.ts'

type TokenSpec = JwtAuth | OidcAuth | IasAuth
type JwtCheck = (
  token: string,
  spec: TokenSpec,
  delivery: Delivery,
) => Promise<{ ok: true; principal: Principal } | Refusal | Undecided>

/** Signatures by the issuer's private key only: never `none`, never HMAC, which a public key could forge. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const CLOCK_TOLERANCE_S = 5
const RETRY_AFTER_MS = 5_000
const TELL_MS = 60_000
const MAX_TOKEN_LENGTH = 16_384
const MAX_CACHED_TOKENS = 1_000

/** What a token that was verified says. */
interface Known {
  readonly principal: Principal
  readonly thumbprint: string | undefined
}

/** Checks bearer tokens as signed JWTs against the issuer's published keys (RFC 7519, RFC 7517). */
export function jwtCheck({ fetch = plainFetch, log }: { fetch?: GuardedFetch; log?: Log }): JwtCheck {
  const cache = new TokenCache<Known>(MAX_CACHED_TOKENS)
  const keysOf = keySets(fetch)
  const rulesOf = oncePer(toRules)
  let toldAt = Number.NEGATIVE_INFINITY

  async function verify(token: string, rules: TokenRules, now: Date): Promise<Known | Refusal | Undecided> {
    const known = cache.get(rules.id, token, now)
    if (known) return known
    try {
      const { payload } = await jwtVerify(token, keysOf(rules.keys), {
        algorithms: ALGORITHMS,
        audience: rules.audience,
        requiredClaims: ['exp'],
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: now,
        ...(rules.issuer === undefined ? {} : { issuer: rules.issuer }),
      })
      if (isFromFuture(payload, now) || !rules.accepts(payload)) return refuse('token-invalid')
      const principal = { name: nameOf(payload), scopes: scopesOf(payload) }
      const found = { principal, thumbprint: thumbprintOf(payload) }
      cache.set(rules.id, token, found, (payload.exp ?? 0) * 1_000)
      return found
    } catch (thrown) {
      if (!isUnreachable(thrown)) return refusalOf(thrown)
      if (now.getTime() - toldAt >= TELL_MS) {
        toldAt = now.getTime()
        log?.warn('the keys that tokens are checked with cannot be read', { ...rules.keys, ...toFault(thrown) })
      }
      return { ok: 'unknown', retryAfterMs: RETRY_AFTER_MS }
    }
  }

  return async (token, spec, delivery) => {
    if (token.length > MAX_TOKEN_LENGTH) return refuse('token-invalid')
    const rules = rulesOf(spec)
    const result = await verify(token, rules, delivery.receivedAt)
    if ('ok' in result) return result
    const { principal, thumbprint } = result
    if (rules.scope && !principal.scopes.includes(rules.scope)) return refuse('scope-missing', 403)
    // Every time, also for a token that is known: stolen, it comes over another connection.
    const stolen = rules.confirmedBy && checkHolder(delivery, rules.confirmedBy, thumbprint)
    return stolen ?? { ok: true, principal }
  }
}

/** The caller must hold the certificate the token is bound to. */
function checkHolder(
  delivery: Delivery,
  origin: NonNullable<TokenRules['confirmedBy']>,
  thumbprint: string | undefined,
): Refusal | undefined {
  const certificate = clientCertificate(delivery, origin)
  if ('ok' in certificate) return certificate
  const held = createHash('sha256').update(certificate.raw).digest('base64url')
  return held === thumbprint ? undefined : refuse('certificate-invalid')
}

/** The key server's fault and not the token's: 503, so that the sender comes again. */
const isUnreachable = (thrown: unknown): boolean =>
  thrown instanceof SluiceError ||
  thrown instanceof errors.JWKSInvalid ||
  (thrown instanceof errors.JOSEError && thrown.code === 'ERR_JOSE_GENERIC')

function refusalOf(thrown: unknown): Refusal {
  if (thrown instanceof errors.JOSEError) return refuse('token-invalid')
  throw thrown
}

const isFromFuture = ({ iat }: JWTPayload, now: Date): boolean =>
  iat !== undefined && iat > now.getTime() / 1_000 + CLOCK_TOLERANCE_S

/** The client where there is one; what the audit shows. */
function nameOf(payload: JWTPayload): string {
  const name = [clientOf(payload), payload.sub].find((claim) => typeof claim === 'string')
  return String(name ?? 'unnamed').slice(0, 255)
}
