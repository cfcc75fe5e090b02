import type { ApiKeyAuth } from '#domain/auth-spec'
import { type Principal, type Refusal, refuse } from '#domain/verification'
import { sameSecret } from './secret.ts'

/** Finds whose key it is. Every key is compared, so that the time does not tell which one was close. */
export function checkApiKey(key: string, spec: ApiKeyAuth): { ok: true; principal: Principal } | Refusal {
  let found: string | undefined
  for (const [name, expected] of Object.entries(spec.keys)) if (sameSecret(key, expected)) found = name
  return found === undefined ? refuse('token-invalid') : { ok: true, principal: { name: found, scopes: [] } }
}
