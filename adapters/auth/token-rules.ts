import type { JWTPayload } from 'jose'
import type { CertificateOrigin, IasAuth, JwtAuth, OidcAuth } from '#domain/auth-spec'
import type { KeyPlace } from './key-sets.ts'

/** What a token must say, whichever issuer it is of. */
export interface TokenRules {
  /** Tells these rules from others: a token good for one says nothing about another. */
  readonly id: string
  readonly keys: KeyPlace
  readonly issuer?: string
  readonly audience: string[]
  readonly scope?: string
  /** Whether the claims beyond issuer, audience and times are as they must be. */
  readonly accepts: (claims: JWTPayload) => boolean
  readonly confirmedBy?: CertificateOrigin
}

export function toRules(spec: JwtAuth | OidcAuth | IasAuth): TokenRules {
  const { issuer, clientId } = spec
  const common = { id: JSON.stringify(spec), audience: [spec.audience].flat(), ...(issuer ? { issuer } : {}) }
  if (spec.kind === 'ias') {
    const { confirmedBy } = spec
    return {
      ...common,
      keys: { issuer: spec.issuer, sameHost: true },
      accepts: (claims) => isTechnical(claims, spec) && isOfTenant(claims, spec.appTid),
      ...(confirmedBy ? { confirmedBy } : {}),
    }
  }
  const { scope } = spec
  return {
    ...common,
    keys: spec.kind === 'oidc' ? { issuer: spec.issuer, sameHost: false } : { jwksUrl: spec.jwksUrl },
    accepts: (claims) => clientId === undefined || clientOf(claims) === clientId,
    ...(scope ? { scope } : {}),
  }
}

/** A token the client fetched for itself, as CAP's IAS strategy has it: subject and authorized party are the client. */
const isTechnical = ({ azp, sub }: JWTPayload, { clientId }: IasAuth): boolean => azp === clientId && sub === clientId

const isOfTenant = ({ app_tid }: JWTPayload, appTid: string | undefined): boolean =>
  appTid === undefined || app_tid === appTid

/** The client that fetched the token: OpenID Connect's name for it, RFC 9068's, XSUAA's. */
export const clientOf = ({ azp, client_id, cid }: JWTPayload): unknown => azp ?? client_id ?? cid

/** `scope` as a string (RFC 8693) or a list (XSUAA), `scp` as Microsoft Entra has it. */
export function scopesOf(claims: JWTPayload): readonly string[] {
  const found = [claims.scope, claims.scp].flat()
  return found.flatMap((claim) => (typeof claim === 'string' ? claim.split(' ').filter(Boolean) : []))
}

/** SHA-256 of the certificate that the token is bound to, RFC 8705 §3.1. */
export function thumbprintOf({ cnf }: JWTPayload): string | undefined {
  const thumbprint = typeof cnf === 'object' && cnf !== null ? (cnf as Record<string, unknown>)['x5t#S256'] : undefined
  return typeof thumbprint === 'string' ? thumbprint : undefined
}
