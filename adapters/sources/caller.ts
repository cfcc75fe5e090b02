import type { AuthSpec, Delivery, SourceContext } from '#domain/source'
import type { Verification } from '#domain/verification'
import { misconfigured } from './options.ts'

/** Checks how callers shall prove who they are, so that a mistake shows at start and not as a 401 at night. */
export function checkAuth(kind: string, auth: AuthSpec | undefined): AuthSpec {
  switch (auth?.kind) {
    case 'none':
      return auth
    case 'basic': {
      const users = Object.entries(auth.users ?? {})
      if (users.length > 0 && users.every(([name, password]) => name && !name.includes(':') && password)) return auth
      throw misconfigured(kind, 'auth.users', 'has no user with a password', 'Give { "name": "env:PASSWORD" }.')
    }
    case 'jwt':
      if (!auth.audience) throw misconfigured(kind, 'auth.audience', 'is empty', 'Give the audience tokens must carry.')
      if (URL.canParse(auth.jwksUrl)) return auth
      throw misconfigured(kind, 'auth.jwksUrl', 'is no URL', "Give the address of the issuer's JSON Web Key Set.")
    default:
      throw misconfigured(
        kind,
        'auth',
        'is missing or of unknown kind',
        'Use kind basic or jwt, or { "kind": "none" } to let anybody deliver.',
      )
  }
}

/** The caller is proved, not the body: `authlevel` says so. */
export async function verifyCaller(delivery: Delivery, context: SourceContext, auth: AuthSpec): Promise<Verification> {
  if (auth.kind === 'none') return { ok: true, authlevel: 'none' }
  const result = await context.authenticate(delivery, auth)
  return result.ok === true ? { ok: true, authlevel: 'token', principal: result.principal } : result
}
