import { SluiceError } from '#domain/errors'
import { type SharedToken, sharedToken } from '#domain/shared-token'
import { type ServiceCredentials, textOf } from './bindings.ts'
import { askJson, member, unavailable } from './http.ts'

/** After refused credentials: bindings are mended by people. */
export const REFUSED_PAUSE_MS = 300_000

/**
 * Client-credentials tokens for a bound service (RFC 6749 §4.4): with the binding's secret, or its certificate where it is
 * of type X.509 (RFC 8705). One token for all, one request for it in flight.
 */
export function serviceToken(credentials: ServiceCredentials, now: () => Date): SharedToken {
  const x509 = typeof credentials.certificate === 'string' && typeof credentials.key === 'string'
  const base = x509 ? textOf(credentials, 'certurl') : textOf(credentials, 'token_service_url', 'url')
  const url = base.endsWith('/oauth/token') ? base : `${base.replace(/\/$/, '')}/oauth/token`
  const form = {
    grant_type: 'client_credentials',
    // In the body, because XSUAA's ids contain characters that `Basic` would have to encode, and it does not decode.
    client_id: textOf(credentials, 'clientid'),
    ...(x509 ? {} : { client_secret: textOf(credentials, 'clientsecret') }),
  }
  const certificate = x509 ? { cert: String(credentials.certificate), key: String(credentials.key) } : undefined
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  async function request(): Promise<{ value: string; lifeMs: number }> {
    const { status, json } = await askJson({ url, headers, form, ...(certificate && { certificate }) })
    if (status === 429 || status >= 500) throw unavailable(`The token server answered ${status}.`)
    const value = member(json, 'access_token')
    if (status !== 200 || typeof value !== 'string') throw refused(status)
    return { value, lifeMs: Number(member(json, 'expires_in') ?? 0) * 1_000 }
  }

  return sharedToken(request, now)
}

const refused = (status: number): SluiceError =>
  new SluiceError('destination-unauthorized', 'The token server gave no token for a bound service.', {
    retry: { afterMs: REFUSED_PAUSE_MS },
    httpStatus: status,
    remedy: 'Bind the service again: its credentials may have been rotated.',
  })
