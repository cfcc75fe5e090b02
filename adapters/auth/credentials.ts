import { type Delivery, onlyHeader } from '#domain/source'
import { type Refusal, refuse } from '#domain/verification'

/** What follows the scheme in the `Authorization` header. */
export function basicCredentials(delivery: Delivery): string | Refusal {
  return fromAuthorization(delivery, 'basic') ?? refuse('token-missing')
}

/**
 * A token in the `Authorization` header or, as CloudEvents' webhook specification §3.2 wants, as `access_token` in the
 * query; not in both (RFC 6750 §2).
 */
export function bearerToken(delivery: Delivery): string | Refusal {
  const inHeader = fromAuthorization(delivery, 'bearer')
  const [inQuery, second] = delivery.query.getAll('access_token')
  if (inQuery === undefined) return inHeader ?? refuse('token-missing')
  return delivery.headers.authorization === undefined && second === undefined && inQuery
    ? inQuery
    : refuse('token-invalid')
}

/** The value of a header of the caller's own. */
export function headerValue(delivery: Delivery, name: string): string | Refusal {
  const value = onlyHeader(delivery.headers, name)
  if (value === null) return refuse('header-duplicated')
  return value || refuse('token-missing')
}

function fromAuthorization(delivery: Delivery, scheme: string): string | Refusal | undefined {
  const header = onlyHeader(delivery.headers, 'authorization')
  if (header === null) return refuse('header-duplicated')
  if (header === undefined) return undefined
  const [name = '', credentials = '', rest] = header.trim().split(/ +/, 3)
  if (name.toLowerCase() !== scheme) return undefined
  return credentials && rest === undefined ? credentials : refuse('token-invalid')
}
