import { createRemoteJWKSet, customFetch, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { SluiceError } from '#domain/errors'
import type { AuthSpec, GuardedFetch } from '#domain/source'
import { type Principal, type Refusal, refuse, type Undecided } from '#domain/verification'
import { TokenCache } from './token-cache.ts'

type JwtSpec = Extract<AuthSpec, { kind: 'jwt' }>
export type JwtCheck = (
  token: string,
  spec: JwtSpec,
  now: Date,
) => Promise<{ ok: true; principal: Principal } | Refusal | Undecided>

/** Signatures by the issuer's private key only: never `none`, never HMAC, which a public key could forge. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const CLOCK_TOLERANCE_S = 5
const RETRY_AFTER_MS = 5_000
/** An unknown key id may be a key just published, or nonsense: `jose`'s 30 s would cost Event Mesh 15 minutes. */
const KEYS_COOLDOWN_MS = 1_000
const MAX_TOKEN_LENGTH = 16_384
const MAX_CACHED_TOKENS = 1_000

/**
 * Checks bearer tokens as signed JWTs against the issuer's published keys (RFC 7519, RFC 7517); `jose` keeps the keys
 * for ten minutes, and fetches them again for an unknown key id at most once a second.
 */
export function jwtCheck(fetch: GuardedFetch = plainFetch): JwtCheck {
  const cache = new TokenCache(MAX_CACHED_TOKENS)
  const keySets = new Map<string, JWTVerifyGetKey>()

  function keysOf(url: string): JWTVerifyGetKey {
    const known = keySets.get(url)
    if (known) return known
    const keys = createRemoteJWKSet(new URL(url), {
      [customFetch]: asJoseFetch(fetch),
      cooldownDuration: KEYS_COOLDOWN_MS,
    })
    keySets.set(url, keys)
    return keys
  }

  async function verify(token: string, spec: JwtSpec, now: Date): Promise<Principal | Refusal | Undecided> {
    const requirement = JSON.stringify([spec.jwksUrl, spec.issuer ?? null, spec.audience])
    const known = cache.get(requirement, token, now)
    if (known) return known
    try {
      const { payload } = await jwtVerify(token, keysOf(spec.jwksUrl), {
        algorithms: ALGORITHMS,
        audience: spec.audience,
        requiredClaims: ['exp'],
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: now,
        ...(spec.issuer === undefined ? {} : { issuer: spec.issuer }),
      })
      const principal = { name: nameOf(payload), scopes: scopesOf(payload) }
      cache.set(requirement, token, principal, (payload.exp ?? 0) * 1_000)
      return principal
    } catch (thrown) {
      return classify(thrown)
    }
  }

  return async (token, spec, now) => {
    if (token.length > MAX_TOKEN_LENGTH) return refuse('token-invalid')
    const result = await verify(token, spec, now)
    if ('ok' in result) return result
    if (spec.scope && !result.scopes.includes(spec.scope)) return refuse('scope-missing', 403)
    return { ok: true, principal: result }
  }
}

/** Whose fault it is: the token's (401), or the key server's (503, so that the sender comes again). */
function classify(thrown: unknown): Refusal | Undecided {
  const unreachable =
    thrown instanceof SluiceError ||
    thrown instanceof errors.JWKSInvalid ||
    (thrown instanceof errors.JOSEError && thrown.code === 'ERR_JOSE_GENERIC')
  if (unreachable) return { ok: 'unknown', retryAfterMs: RETRY_AFTER_MS }
  if (thrown instanceof errors.JOSEError) return refuse('token-invalid')
  throw thrown
}

/** `scope` as a string (RFC 8693) or a list (XSUAA), `scp` as Microsoft Entra has it. */
function scopesOf(payload: JWTPayload): readonly string[] {
  const claims = [payload.scope, payload.scp].flat()
  return claims.flatMap((claim) => (typeof claim === 'string' ? claim.split(' ').filter(Boolean) : []))
}

/** The client where there is one; what the audit shows. */
function nameOf(payload: JWTPayload): string {
  const name = [payload.azp, payload.client_id, payload.cid, payload.sub].find((claim) => typeof claim === 'string')
  return String(name ?? 'unnamed').slice(0, 255)
}

/** The shape `jose` wants; whatever goes wrong on the way is one error, so that it is told apart from a bad token. */
const asJoseFetch =
  (fetch: GuardedFetch) =>
  async (url: string, init: { headers: Headers; signal: AbortSignal }): Promise<Response> => {
    try {
      const answer = await fetch(url, { headers: Object.fromEntries(init.headers), signal: init.signal })
      return new Response(Buffer.from(answer.body), { status: answer.status })
    } catch (thrown) {
      throw new SluiceError('keys-unreachable', `The key set at ${url} cannot be read.`, { cause: thrown })
    }
  }

const plainFetch: GuardedFetch = async (url, init = {}) => {
  const answer = await globalThis.fetch(url, { ...init, redirect: 'error' })
  return {
    status: answer.status,
    headers: Object.fromEntries(answer.headers),
    body: new Uint8Array(await answer.arrayBuffer()),
  }
}
