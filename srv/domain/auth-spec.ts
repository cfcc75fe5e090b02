/** How a caller proves who it is. One port for all sources; the adapter behind it is chosen at wiring. */
export type AuthSpec = NoAuth | BasicAuth | ApiKeyAuth | JwtAuth | OidcAuth | IasAuth | CertificateAuth

interface NoAuth {
  readonly kind: 'none'
}

export interface BasicAuth {
  readonly kind: 'basic'
  readonly users: Readonly<Record<string, string>>
  readonly scope?: string
}

/** A fixed secret. Several by name, so that one can be changed while the other still counts. */
export interface ApiKeyAuth {
  readonly kind: 'api-key'
  /** The header that carries the key; as a bearer token or as `access_token` where absent. */
  readonly header?: string
  readonly keys: Readonly<Record<string, string>>
}

interface TokenClaims {
  /** What `aud` must contain: one of these. */
  readonly audience: string | readonly string[]
  /** The full scope, e.g. `sluice!t1.emcallback`. */
  readonly scope?: string
  /** The client that fetched the token (`azp`, `client_id` or `cid`); any client of the issuer where absent. */
  readonly clientId?: string
}

/** A JWT of an issuer whose keys are known by address: XSUAA and others. */
export interface JwtAuth extends TokenClaims {
  readonly kind: 'jwt'
  /** Where the issuer publishes its keys (RFC 7517). From configuration or a binding, never from the token. */
  readonly jwksUrl: string
  readonly issuer?: string
}

/** A JWT of any issuer that publishes OpenID Connect metadata; its keys are found there. */
export interface OidcAuth extends TokenClaims {
  readonly kind: 'oidc'
  /** As `iss` has it; the metadata is read at `<issuer>/.well-known/openid-configuration`. */
  readonly issuer: string
}

/** A technical token of SAP Cloud Identity Services (IAS). Keys come from the issuer's own host only. */
export interface IasAuth {
  readonly kind: 'ias'
  /** `https://<tenant>.accounts.ondemand.com` */
  readonly issuer: string
  /** Our own client id: what `aud` must contain. */
  readonly audience: string | readonly string[]
  /** The caller's client id: what `azp` must equal. */
  readonly clientId: string
  /** The tenant the token must be for (`app_tid`). */
  readonly appTid?: string
  /** The token must be bound (`cnf.x5t#S256`, RFC 8705 §3.1) to the client certificate found here. */
  readonly confirmedBy?: CertificateOrigin
}

/**
 * Where a caller's certificate is found. `connection`: TLS ends here, and the server asked for one. `cloud-foundry`: the
 * router's headers say so, which any caller could send as well; naming it declares that the router replaces them.
 */
export interface CertificateOrigin {
  readonly from: 'connection' | 'cloud-foundry'
  /** Addresses or networks (`10.0.0.0/8`) of the router; headers from elsewhere do not count. Any where absent. */
  readonly proxies?: readonly string[]
}

/** A client certificate that was verified where TLS ended, and is one of those named here. */
export interface CertificateAuth extends CertificateOrigin {
  readonly kind: 'certificate'
  /** Distinguished names in any order of their parts: `CN=em,OU=Clients,O=SAP SE,C=DE`. */
  readonly subject?: string | readonly string[]
  readonly issuer?: string | readonly string[]
  /** SHA-256 of the certificate in hex, colons or not. */
  readonly fingerprints?: readonly string[]
}
