import { hash, timingSafeEqual } from 'node:crypto'
import type { AuthSpec } from '#domain/source'
import { type Principal, type Refusal, refuse } from '#domain/verification'

/**
 * Checks the credentials of HTTP Basic (RFC 7617). An unknown user costs the same comparison as a wrong password.
 * @param credentials base64 of `user:password` in UTF-8
 */
export function checkBasic(
  credentials: string,
  spec: Extract<AuthSpec, { kind: 'basic' }>,
): { ok: true; principal: Principal } | Refusal {
  const text = Buffer.from(credentials, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) return refuse('token-invalid')
  const user = text.slice(0, colon)
  const expected = Object.hasOwn(spec.users, user) ? spec.users[user] : undefined
  const same = timingSafeEqual(digest(text.slice(colon + 1)), digest(expected ?? ''))
  if (!same || !expected) return refuse('token-invalid')
  return { ok: true, principal: { name: user, scopes: spec.scope ? [spec.scope] : [] } }
}

/** Of equal length whatever the password's. */
const digest = (password: string): Buffer => hash('sha256', password, 'buffer')
