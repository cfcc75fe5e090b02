import type { Log } from '#domain/ports'
import type { AuthSpec, Delivery, GuardedFetch, SourceContext } from '#domain/source'
import type { Refusal } from '#domain/verification'
import { checkApiKey } from './api-key.ts'
import { checkBasic } from './basic.ts'
import { checkCertificate } from './certificate.ts'
import { basicCredentials, bearerToken, headerValue } from './credentials.ts'
import { jwtCheck } from './jwt.ts'

/** What an authenticator needs of the outside world. */
export interface AuthenticatorOptions {
  /** Reaches the issuers' key sets. Their addresses are configuration, so any client will do. */
  readonly fetch?: GuardedFetch
  /** Told, once a minute at most, why keys cannot be read: callers only see that they shall come again. */
  readonly log?: Log
}

/**
 * The port behind `SourceContext.authenticate`: who delivers. Unreachable keys leave a delivery undecided, never
 * refused. What CAP's own strategies check is checked here by the same claims (`jwt-auth`: audience and scope,
 * `ias-auth`: audience, client, binding to a certificate); as Express middleware they know only yes, no and 500.
 */
export function authenticator(options: AuthenticatorOptions = {}): SourceContext['authenticate'] {
  const checkJwt = jwtCheck(options)
  return async (delivery, spec) => {
    if (spec.kind === 'none') return { ok: true, principal: { name: 'anonymous', scopes: [] } }
    if (spec.kind === 'certificate') return checkCertificate(delivery, spec)
    const credentials = readCredentials(delivery, spec)
    if (typeof credentials !== 'string') return credentials
    if (spec.kind === 'basic') return checkBasic(credentials, spec)
    return spec.kind === 'api-key' ? checkApiKey(credentials, spec) : checkJwt(credentials, spec, delivery)
  }
}

function readCredentials(
  delivery: Delivery,
  spec: Exclude<AuthSpec, { kind: 'none' | 'certificate' }>,
): string | Refusal {
  if (spec.kind === 'basic') return basicCredentials(delivery)
  if (spec.kind === 'api-key' && spec.header) return headerValue(delivery, spec.header.toLowerCase())
  return bearerToken(delivery)
}
