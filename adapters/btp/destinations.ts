import type { Address, AddressProvider } from '#domain/address'
import { SluiceError } from '#domain/errors'
import { type Bindings, textOf } from './bindings.ts'
import { type Connectivity, connectivity } from './connectivity.ts'
import { type Destination, readDestination } from './destination.ts'
import { type EnvironmentDestinations, environmentDestinations } from './environment.ts'
import { askJson, unavailable } from './http.ts'
import { serviceToken } from './service-token.ts'

export interface DestinationsOptions {
  readonly bindings: Bindings
  /** The environment variable `destinations`; what it names is not asked for elsewhere. */
  readonly environment?: string | undefined
  /** Clock for token and cache expiry; the system's by default. */
  readonly now?: () => Date
}

/** A change in the BTP cockpit is seen after this at the latest. SAP's Cloud SDK keeps destinations as long. */
const MAX_AGE_MS = 300_000

/** A token that ends sooner is not used any more. */
const MARGIN_MS = 10_000

/**
 * BTP destinations as addresses of targets.
 * @returns for a destination's name and a path on it. The name may say its level, `S4HANA@subaccount`; without, the
 * service instance's own destinations come before the subaccount's.
 * @throws SluiceError `configuration` where neither a binding nor the environment knows destinations
 */
export function btpDestinations({ bindings, environment, now = () => new Date() }: DestinationsOptions) {
  const local = environmentDestinations(environment)
  const proxies = connectivity(bindings, now)
  let service: ((name: string) => Promise<unknown>) | undefined
  return (name: string, path = ''): AddressProvider => {
    if (!local.has(name)) service ??= destinationService(bindings, now)
    const find = service
    return cachedAddress(async () => readDestination(name, await look(name, local, find)), path, proxies, now)
  }
}

const look = async (name: string, local: EnvironmentDestinations, find?: (name: string) => Promise<unknown>) =>
  local.get(name) ?? find?.(name)

/** https://api.sap.com/api/SAP_CP_CF_Connectivity_Destination: v2 for a level, v1 for the first of both. */
function destinationService(bindings: Bindings, now: () => Date) {
  const credentials = bindings.of('destinations')
  const base = `${textOf(credentials, 'uri').replace(/\/$/, '')}/destination-configuration`
  const token = serviceToken(credentials, now)

  return async function find(name: string, renewed = false): Promise<unknown> {
    const url = `${base}/${name.includes('@') ? 'v2' : 'v1'}/destinations/${encodeURIComponent(name).replace('%40', '@')}`
    const { status, json } = await askJson({ url, headers: { authorization: await token.header() } })
    if (status === 401 && !renewed) {
      token.forget()
      return find(name, true)
    }
    if (status === 200) return json
    if (status === 404) throw missing(name)
    throw unavailable(`The destination service answered ${status}.`)
  }
}

function cachedAddress(
  find: () => Promise<Destination>,
  path: string,
  proxies: Connectivity,
  now: () => Date,
): AddressProvider {
  let cached: { address: Address; until: number } | undefined
  let pending: Promise<Address> | undefined

  async function resolve(): Promise<Address> {
    const { url, onPremise, locationId, expiresInMs = Number.POSITIVE_INFINITY, ...rest } = await find()
    const proxy = onPremise ? { proxy: await proxies.proxy(locationId) } : {}
    const address = { ...rest, url: url + path, ...proxy }
    const until = now().getTime() + Math.min(MAX_AGE_MS, expiresInMs - MARGIN_MS)
    cached = { address, until }
    return address
  }

  return {
    async address() {
      if (cached && now().getTime() < cached.until) return cached.address
      pending ??= resolve().finally(() => {
        pending = undefined
      })
      return pending
    },
    renew(refused) {
      if (cached?.address !== refused) return
      cached = undefined
      if (refused.proxy) proxies.forget()
    },
  }
}

const missing = (name: string): SluiceError =>
  new SluiceError('destination-missing', `There is no destination "${name}".`, {
    httpStatus: 404,
    remedy: 'Create it in the subaccount that the gateway runs in, or mend the name under `targets`.',
  })
