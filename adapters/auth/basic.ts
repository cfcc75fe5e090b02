import type { BasicAuth } from '#domain/auth-spec'
import { type Principal, type Refusal, refuse } from '#domain/verification'
import { sameSecret } from './secret.ts'

/**
 * Checks the credentials of HTTP Basic (RFC 7617). An unknown user costs the same comparison as a wrong password.
 * @param credentials base64 of `user:password` in UTF-8
 */
export function checkBasic(credentials: string, spec: BasicAuth): { ok: true; principal: Principal } | Refusal {
  const text = Buffer.from(credentials, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) return refuse('token-invalid')
  const user = text.slice(0, colon)
  const expected = Object.hasOwn(spec.users, user) ? spec.users[user] : undefined
  if (!sameSecret(text.slice(colon + 1), expected ?? '') || !expected) return refuse('token-invalid')
  return { ok: true, principal: { name: user, scopes: spec.scope ? [spec.scope] : [] } }
}
