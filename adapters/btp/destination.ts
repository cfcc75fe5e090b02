import { SluiceError } from '#domain/errors'
import { member } from './http.ts'
import { REFUSED_PAUSE_MS } from './service-token.ts'

/** What one look-up says. */
export interface Destination {
  /** `http` or `https`, without query. */
  readonly url: string
  readonly authorization?: string
  readonly headers: Readonly<Record<string, string>>
  readonly queries: Readonly<Record<string, string>>
  /** Reached through the Cloud Connector. */
  readonly onPremise: boolean
  /** Of the Cloud Connector, where a subaccount has several. */
  readonly locationId?: string
  /** How long the authorization holds. */
  readonly expiresInMs?: number
}

const AUTHENTICATIONS = ['NoAuthentication', 'BasicAuthentication', 'OAuth2ClientCredentials']
const HEADER = 'URL.headers.'
const QUERY = 'URL.queries.'

/** Set by the transport or the OData client; a destination that sets them would break both. */
const RESERVED =
  /^(host|cookie|connection|content-length|transfer-encoding|if-match|x-csrf-token|proxy-authorization|sap-connectivity-.*)$/i

/**
 * Reads the answer of "find destination".
 * https://api.sap.com/api/SAP_CP_CF_Connectivity_Destination
 * @throws SluiceError `destination-invalid` (it says what to change), `destination-unauthorized` (no token came with it)
 */
export function readDestination(name: string, answer: unknown): Destination {
  const properties = member(answer, 'destinationConfiguration')
  const text = (key: string): string | undefined => {
    const value = member(properties, key)
    return value === undefined || value === null || value === '' ? undefined : String(value)
  }
  const invalid = (problem: string, remedy: string): SluiceError => invalidDestination(name, problem, remedy)

  const onPremise = text('ProxyType') === 'OnPremise'
  if (!['Internet', 'OnPremise', 'PrivateLink', undefined].includes(text('ProxyType')))
    throw invalid(`has the proxy type ${text('ProxyType')}`, 'Use Internet, OnPremise or PrivateLink.')
  const url = checkedUrl(text('URL') ?? '', onPremise, invalid)
  const authentication = text('Authentication') ?? 'NoAuthentication'
  if (!AUTHENTICATIONS.includes(authentication))
    throw invalid(`has the authentication ${authentication}`, `Use ${AUTHENTICATIONS.join(', ')}.`)

  const own = prefixed(properties, HEADER)
  const odd = Object.entries(own).find(([key, value]) => RESERVED.test(key) || !isHeader(key, value))
  if (odd) throw invalid(`sets the header ${odd[0]}`, 'Remove it: it is malformed, or not a destination’s to set.')
  const { authorization: configured, ...headers } = own
  const granted: Pick<Destination, 'authorization' | 'expiresInMs'> =
    authentication === 'NoAuthentication' ? {} : authorizationOf(name, answer, text)
  const authorization = granted.authorization ?? configured
  const sapClient = text('sap-client')
  const locationId = text('CloudConnectorLocationId')
  return {
    url,
    onPremise,
    headers,
    queries: { ...prefixed(properties, QUERY, false), ...(sapClient ? { 'sap-client': sapClient } : {}) },
    ...(authorization === undefined ? {} : { authorization }),
    ...(granted.expiresInMs === undefined ? {} : { expiresInMs: granted.expiresInMs }),
    ...(locationId === undefined ? {} : { locationId }),
  }
}

const invalidDestination = (name: string, problem: string, remedy: string): SluiceError =>
  new SluiceError('destination-invalid', `Destination "${name}" ${problem}.`, {
    retry: { afterMs: REFUSED_PAUSE_MS },
    remedy,
  })

function checkedUrl(text: string, onPremise: boolean, invalid: (problem: string, remedy: string) => SluiceError) {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol))
    throw invalid('has no http or https address', 'Give the system’s address.')
  if (url.username || url.password || url.search || url.hash)
    throw invalid('has credentials or a query in its address', 'Use its User, Password and URL.queries.<name> instead.')
  // The connectivity proxy answers 405 to CONNECT: TLS begins in the Cloud Connector.
  if (onPremise && url.protocol === 'https:')
    throw invalid('is OnPremise with https', 'Use the virtual host with http; the Cloud Connector adds TLS.')
  return text.replace(/\/$/, '')
}

/** The service answers 200 with `error` in the token where it could not get one. */
function authorizationOf(
  name: string,
  answer: unknown,
  text: (key: string) => string | undefined,
): Pick<Destination, 'authorization' | 'expiresInMs'> {
  const [token] = [member(answer, 'authTokens')].flat()
  const error = member(token, 'error')
  if (error !== undefined && error !== null)
    throw unauthorized(name, `could not get a token: ${String(error).slice(0, 500)}`)
  const header = member(token, 'http_header')
  const value = member(header, 'value')
  const seconds = Number(member(token, 'expires_in') ?? Number.NaN)
  if (typeof value === 'string' && String(member(header, 'key')).toLowerCase() === 'authorization')
    return { authorization: value, ...(Number.isFinite(seconds) ? { expiresInMs: seconds * 1_000 } : {}) }
  const [user, password] = [text('User'), text('Password')]
  if (user === undefined || password === undefined) throw unauthorized(name, 'came without a token or a password')
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
}

const unauthorized = (name: string, problem: string): SluiceError =>
  new SluiceError('destination-unauthorized', `Destination "${name}" ${problem}.`, {
    retry: { afterMs: REFUSED_PAUSE_MS },
    remedy: 'Check its credentials, with "Check Connection" in the BTP cockpit.',
  })

const prefixed = (properties: unknown, prefix: string, lower = true): Record<string, string> =>
  Object.fromEntries(
    Object.entries((properties ?? {}) as Record<string, unknown>)
      .filter(([key]) => key.startsWith(prefix) && key.length > prefix.length)
      .map(([key, value]) => [key.slice(prefix.length), String(value)] as const)
      .map(([key, value]) => [lower ? key.toLowerCase() : key, value]),
  )

const isHeader = (name: string, value: string): boolean =>
  /^[\w!#$%&'*+.^`|~-]+$/.test(name) && !/[^\t\x20-\x7e]/.test(value)
