import type { AuthSpec } from '#domain/source'
import { type Bindings, textOf } from './bindings.ts'

/** How a source says that callers come with a token of the bound XSUAA instance. */
export interface XsuaaAuth {
  readonly kind: 'xsuaa'
  /** Without the application's name, e.g. `emcallback`. */
  readonly scope: string
  /** Where tokens name another issuer than the bound instance's own, as subscribers' do. */
  readonly issuer?: string
}

/**
 * What a token must be, from the binding: signed by the instance's keys, for this application, with the scope that
 * `xs-security.json` grants to the caller.
 * @throws SluiceError `configuration` where no XSUAA instance is bound
 */
export function xsuaaSpec({ scope, issuer }: XsuaaAuth, bindings: Bindings): Extract<AuthSpec, { kind: 'jwt' }> {
  const credentials = bindings.of('xsuaa')
  const url = textOf(credentials, 'url').replace(/\/$/, '')
  const application = textOf(credentials, 'xsappname')
  return {
    kind: 'jwt',
    jwksUrl: `${url}/token_keys`,
    issuer: issuer ?? `${url}/oauth/token`,
    audience: application,
    scope: `${application}.${scope}`,
  }
}
