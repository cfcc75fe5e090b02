import type { AuthSpec, Delivery, SourceContext } from '#domain/source'
import type { Verification } from '#domain/verification'
import { checkSpec } from './caller-spec.ts'
import { misconfigured } from './options.ts'

/** Checks how callers shall prove who they are, so that a mistake shows at start and not as a 401 at night. */
export function checkAuth(kind: string, auth: AuthSpec | undefined): AuthSpec {
  const problem = checkSpec(auth)
  if (problem) throw misconfigured(kind, problem.option, problem.is, problem.remedy)
  return auth as AuthSpec
}

/** The caller is proved, not the body: `authlevel` says so. */
export async function verifyCaller(delivery: Delivery, context: SourceContext, auth: AuthSpec): Promise<Verification> {
  if (auth.kind === 'none') return { ok: true, authlevel: 'none' }
  const result = await context.authenticate(delivery, auth)
  return result.ok === true ? { ok: true, authlevel: 'token', principal: result.principal } : result
}
