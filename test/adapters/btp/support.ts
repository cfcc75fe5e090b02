import type { AddressProvider } from '#domain/address'
import { type Bindings, btpDestinations, capBindings } from '../../../adapters/btp/index.ts'
import { reply, type ScriptedServer, scriptedServer } from '../../helpers/scripted-server.ts'

/** The platform as an application sees it: token, destination and connectivity services on one scripted server. */
export interface Platform {
  readonly server: ScriptedServer
  readonly bindings: Bindings
  /** What "find destination" answers, by name. */
  readonly destinations: Record<string, unknown>
  /** Moves the clock that caches and tokens live by. */
  time: number
  /** Status of the token server's answers. */
  tokenStatus: number
  /** Status of the destination service's answers to a good token. */
  status: number
  /** The only token the destination service takes; a new one for every request for one. */
  token: string
  lookUps(): number
  tokens(): number
  at(name: string, path?: string): AddressProvider
}

/** For a `describe`: a platform per test, closed after it. */
export function platforms() {
  const open: Platform[] = []
  afterEach(async () => {
    for (const { server } of open.splice(0)) await server.close()
  })
  return async (environment?: string): Promise<Platform> => {
    const server = await scriptedServer(({ url, headers, body }, response) => {
      if (url === '/oauth/token') {
        if (platform.tokenStatus !== 200) return reply(response, platform.tokenStatus, {})
        const { client_id } = Object.fromEntries(new URLSearchParams(body))
        platform.token = `${client_id}-${platform.tokens()}`
        return reply(response, 200, { access_token: platform.token, expires_in: 3_600 })
      }
      if (headers.authorization !== `Bearer ${platform.token}`) return reply(response, 401)
      if (platform.status !== 200) return reply(response, platform.status)
      const name = decodeURIComponent(url.split('/').at(-1) ?? '')
      const found = platform.destinations[name]
      return found ? reply(response, 200, found) : reply(response, 404, { ErrorMessage: 'not found' })
    })
    const credentials = { clientid: 'sb-x!b1|it!b2', clientsecret: 's&t', url: server.url }
    const bindings = capBindings(() => ({
      destinations: { credentials: { ...credentials, uri: server.url } },
      connectivity: {
        credentials: { ...credentials, onpremise_proxy_host: '127.0.0.1', onpremise_proxy_http_port: '20003' },
      },
      auth: { credentials: { ...credentials, xsappname: 'sluice!t1' } },
    }))
    const platform: Platform = {
      server,
      bindings,
      destinations: {},
      time: Date.parse('2026-01-01T00:00:00Z'),
      tokenStatus: 200,
      status: 200,
      token: '',
      lookUps: () => server.log.filter((line) => line.startsWith('GET /destination-configuration/')).length,
      tokens: () => server.log.filter((line) => line === 'POST /oauth/token').length,
      at: (name, path) => addresses(name, path),
    }
    open.push(platform)
    const addresses = btpDestinations({ bindings, environment, now: () => new Date(platform.time) })
    return platform
  }
}

/** An answer of "find destination". */
export const found = (properties: Record<string, unknown>, token?: Record<string, unknown>) => ({
  destinationConfiguration: { Name: 'S4HANA', Type: 'HTTP', ProxyType: 'Internet', ...properties },
  ...(token ? { authTokens: [token] } : {}),
})

export const bearer = (value: string, seconds = 3_600) => ({
  type: 'Bearer',
  value,
  http_header: { key: 'Authorization', value: `Bearer ${value}` },
  expires_in: String(seconds),
})
