import { SluiceError } from '#domain/errors'
import { member } from './http.ts'

/** An answer of "find destination", by the destination's name. */
export type EnvironmentDestinations = ReadonlyMap<string, unknown>

/**
 * The environment variable `destinations`, as SAP's Cloud SDK and application router read it for local work: a JSON list
 * of `{ name, url, username?, password?, authentication?, sapClient? }`, or of the destination service's own spelling.
 * https://sap.github.io/cloud-sdk/docs/js/features/connectivity/destinations
 * @throws SluiceError `configuration`
 */
export function environmentDestinations(text: string | undefined): EnvironmentDestinations {
  if (!text) return new Map()
  return new Map(listOf(text).map((each) => [nameOf(each), { destinationConfiguration: configurationOf(each) }]))
}

function listOf(text: string): readonly unknown[] {
  try {
    const list: unknown = JSON.parse(text)
    if (Array.isArray(list)) return list
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown
  }
  throw misread('is no JSON list')
}

function nameOf(destination: unknown): string {
  const name = member(destination, 'name') ?? member(destination, 'Name')
  if (typeof name === 'string' && name !== '') return name
  throw misread('has a destination without a name')
}

const SPELLINGS: Readonly<Record<string, string>> = {
  url: 'URL',
  username: 'User',
  password: 'Password',
  authentication: 'Authentication',
  proxyType: 'ProxyType',
  sapClient: 'sap-client',
  cloudConnectorLocationId: 'CloudConnectorLocationId',
}

function configurationOf(destination: unknown): Readonly<Record<string, unknown>> {
  const own = Object.entries(destination as Record<string, unknown>)
  const configuration = Object.fromEntries(own.map(([key, value]) => [SPELLINGS[key] ?? key, value]))
  const fallback = configuration.User === undefined ? 'NoAuthentication' : 'BasicAuthentication'
  return { Authentication: fallback, ...configuration }
}

const misread = (problem: string): SluiceError =>
  new SluiceError('configuration', `The environment variable \`destinations\` ${problem}.`, {
    retry: 'never',
    remedy: 'Write [{ "name": "S4HANA", "url": "https://…", "username": "…", "password": "…" }].',
  })
