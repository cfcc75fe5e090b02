import { isIP } from 'node:net'
import type { CertificateAuth, CertificateOrigin } from '#domain/auth-spec'
import type { AuthSpec } from '#domain/source'

/** What is wrong with an `AuthSpec`: the option, never its value. */
export interface SpecProblem {
  readonly option: string
  readonly is: string
  readonly remedy: string
}

const problem = (option: string, is: string, remedy: string): SpecProblem => ({ option: `auth.${option}`, is, remedy })

/** Configuration is JSON: whatever its type says, anything may be missing. */
type Given<Spec> = { readonly [K in keyof Spec]?: Spec[K] | null }

export function checkSpec(auth: AuthSpec | undefined): SpecProblem | undefined {
  switch (auth?.kind) {
    case 'none':
      return undefined
    case 'basic':
      return isRecordOfSecrets(auth.users) && !Object.keys(auth.users).some((name) => name.includes(':'))
        ? undefined
        : problem('users', 'has no user with a password', 'Give { "name": "env:PASSWORD" }.')
    case 'api-key':
      if (!isRecordOfSecrets(auth.keys)) return problem('keys', 'has no key', 'Give { "name": "env:API_KEY" }.')
      return auth.header === undefined || /^[\w!#$%&'*+.^`|~-]+$/.test(auth.header)
        ? undefined
        : problem('header', 'is no header name', 'Give the name the broker was told, e.g. "x-api-key".')
    case 'jwt':
      return checkAudience(auth.audience) ?? checkAddress('jwksUrl', auth.jwksUrl, "issuer's JSON Web Key Set")
    case 'oidc':
      return checkAudience(auth.audience) ?? checkAddress('issuer', auth.issuer, 'issuer, as tokens name it in "iss"')
    case 'ias':
      return (
        checkAudience(auth.audience) ??
        checkAddress('issuer', auth.issuer, 'IAS tenant, e.g. https://mine.accounts.ondemand.com') ??
        (auth.clientId ? undefined : problem('clientId', 'is empty', 'Give the client id tokens carry in "azp".')) ??
        (auth.confirmedBy ? checkOrigin('confirmedBy.', auth.confirmedBy) : undefined)
      )
    case 'certificate':
      return checkOrigin('', auth) ?? checkPins(auth)
    default:
      return { option: 'auth', is: 'is missing or of unknown kind', remedy: UNKNOWN_KIND }
  }
}

const UNKNOWN_KIND =
  'Use kind basic, api-key, jwt, oidc, ias or certificate, or { "kind": "none" } to let anybody deliver.'

const isRecordOfSecrets = (given: Readonly<Record<string, string>> | undefined): boolean => {
  const entries = Object.entries(given ?? {})
  return entries.length > 0 && entries.every(([name, secret]) => name !== '' && typeof secret === 'string' && secret)
}

function checkAudience(audience: string | readonly string[] | undefined): SpecProblem | undefined {
  const all = [audience ?? []].flat()
  return all.length > 0 && all.every((one) => typeof one === 'string' && one)
    ? undefined
    : problem('audience', 'is empty', 'Give the audience tokens must carry.')
}

/** Keys that come over plain http could be anybody's. */
function checkAddress(option: string, address: string | undefined, what: string): SpecProblem | undefined {
  const url = address !== undefined && URL.canParse(address) ? new URL(address) : undefined
  const isOurs = url !== undefined && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  if (url?.protocol === 'https:' || (isOurs && url.protocol === 'http:')) return undefined
  return problem(option, 'is no https address', `Give the address of the ${what}.`)
}

function checkOrigin(prefix: string, { from, proxies = [] }: Given<CertificateOrigin>): SpecProblem | undefined {
  if (from !== 'connection' && from !== 'cloud-foundry') {
    return problem(`${prefix}from`, 'says not where TLS ends', 'Use connection (here), or cloud-foundry (its router).')
  }
  const wrong = (proxies ?? []).find((network) => !isNetwork(network))
  return wrong === undefined
    ? undefined
    : problem(`${prefix}proxies`, 'holds no network', 'Give addresses or networks such as 10.0.0.0/8.')
}

function isNetwork(network: string): boolean {
  const [address = '', prefix, rest] = String(network).split('/')
  const version = isIP(address)
  const bits = prefix === undefined ? 0 : Number(prefix)
  return (
    version !== 0 && rest === undefined && Number.isInteger(bits) && bits >= 0 && bits <= (version === 4 ? 32 : 128)
  )
}

function checkPins({ subject = [], issuer = [], fingerprints = [] }: CertificateAuth): SpecProblem | undefined {
  const [subjects, issuers] = [[subject].flat(), [issuer].flat()]
  for (const [option, names] of [
    ['subject', subjects],
    ['issuer', issuers],
  ] as const) {
    if (!names.every((name) => typeof name === 'string' && /^\s*\w+\s*=\s*\S/.test(name)))
      return problem(option, 'is no distinguished name', 'Give it as in CN=em,OU=Clients,O=SAP SE,C=DE.')
  }
  if (!fingerprints.every((one) => /^(?:[\da-f]{2}:?){32}$/i.test(String(one))))
    return problem('fingerprints', 'holds no SHA-256', 'Give 64 hex digits, with colons or without.')
  if (fingerprints.length > 0 || (subjects.length > 0 && issuers.length > 0)) return undefined
  const remedy = 'Pin subject and issuer, or fingerprints: any authority the router trusts may sign any name.'
  return problem('subject', 'and "auth.issuer" do not say whose certificate it is', remedy)
}
