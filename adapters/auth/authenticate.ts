import { type AuthSpec, type Delivery, type GuardedFetch, onlyHeader, type SourceContext } from '#domain/source'
import { type Refusal, refuse } from '#domain/verification'
import { checkBasic } from './basic.ts'
import { jwtCheck } from './jwt.ts'

export interface AuthenticatorOptions {
  /** Reaches the issuers' key sets. Their addresses are configuration, so any client will do. */
  readonly fetch?: GuardedFetch
}

/**
 * The port behind `SourceContext.authenticate`: who delivers, by HTTP Basic or by a JWT. The token comes in the
 * `Authorization` header or, as CloudEvents' webhook specification §3.2 wants, as `access_token` in the query.
 * Unreachable keys leave a delivery undecided, never refused.
 */
export function authenticator(options: AuthenticatorOptions = {}): SourceContext['authenticate'] {
  const checkJwt = jwtCheck(options.fetch)
  return async (delivery, spec) => {
    if (spec.kind === 'none') return { ok: true, principal: { name: 'anonymous', scopes: [] } }
    const credentials = readCredentials(delivery, SCHEMES[spec.kind])
    if (typeof credentials !== 'string') return credentials
    return spec.kind === 'basic' ? checkBasic(credentials, spec) : checkJwt(credentials, spec, delivery.receivedAt)
  }
}

const SCHEMES: Readonly<Record<Exclude<AuthSpec['kind'], 'none'>, string>> = { basic: 'basic', jwt: 'bearer' }

function readCredentials(delivery: Delivery, scheme: string): string | Refusal {
  const header = onlyHeader(delivery.headers, 'authorization')
  if (header === null) return refuse('header-duplicated')
  const inQuery = scheme === 'bearer' ? delivery.query.getAll('access_token') : []
  if (header === undefined) {
    const [token, second] = inQuery
    return second === undefined && token ? token : refuse(token === undefined ? 'token-missing' : 'token-invalid')
  }
  // RFC 6750 §2: a client must not send its token in two ways.
  if (inQuery.length > 0) return refuse('token-invalid')
  const [name = '', credentials = '', rest] = header.trim().split(/ +/, 3)
  if (name.toLowerCase() !== scheme) return refuse('token-missing')
  return credentials && rest === undefined ? credentials : refuse('token-invalid')
}
