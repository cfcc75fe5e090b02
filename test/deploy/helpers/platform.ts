import { execFile } from 'node:child_process'
import { randomUUID, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

const run = promisify(execFile)

/** What the MTA names it, with the index XSUAA appends. */
const XSAPPNAME = 'sluice!t1'

interface Client {
  readonly secret: string
  readonly scopes: readonly string[]
  readonly audience: readonly string[]
}

/** XSUAA, the destination service and a connectivity proxy, as a bound application meets them; https by an own authority. */
export interface BtpPlatform {
  readonly url: string
  /** File with the PEM of the authority, for NODE_EXTRA_CA_CERTS. */
  readonly authority: string
  /** The servers' own certificate, PEM. */
  readonly tls: { readonly key: string; readonly cert: string }
  readonly tokenUrl: string
  /** The message client that Event Mesh delivers with; `xs-security.json` grants it the scope. */
  readonly mesh: { readonly clientId: string; readonly clientSecret: string }
  /** Who may log on, by name, with the scopes of the application that their role collections give. */
  readonly users: Record<string, readonly string[]>
  /** By name: the properties of a destination. */
  readonly destinations: Record<string, Record<string, unknown>>
  /** `GET /destination-configuration/…`, and what went through the proxy. */
  readonly log: readonly string[]
  /** A signed token with these scopes of the application, for it or for another. */
  token(scopes: readonly string[], audience?: string): Promise<string>
  /** Bindings of the application by service label, beside the database's. */
  bindings(): Record<string, readonly { name: string; label: string; credentials: Record<string, unknown> }[]>
  close(): Promise<void>
}

export async function btpPlatform(): Promise<BtpPlatform> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-btp-'))
  const authority = join(folder, 'cert.pem')
  const key = join(folder, 'key.pem')
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1'
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const subject = [
    '-nodes',
    '-keyout',
    key,
    '-out',
    authority,
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
    '-addext',
    names,
  ]
  await run('openssl', ['req', '-x509', ...curve, ...subject])
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'default-jwt-key-1', use: 'sig', alg: 'RS256' }

  const mesh = { clientId: 'sb-default-mesh!b1', clientSecret: 'mesh secret' }
  const own = { clientid: 'sb-sluice!t1', clientsecret: 'own secret' }
  const services = { clientid: 'sb-clone!b1|destination-xsappname!b9', clientsecret: 'service secret' }
  const clients: Readonly<Record<string, Client>> = {
    [mesh.clientId]: { secret: mesh.clientSecret, scopes: [`${XSAPPNAME}.emcallback`], audience: [XSAPPNAME] },
    [services.clientid]: { secret: services.clientsecret, scopes: ['uaa.resource'], audience: ['destination'] },
  }
  const users: Record<string, readonly string[]> = {}
  /** Who has logged on by a code, and where the browser was sent with it. */
  const codes = new Map<string, { user: string; redirectUri: string }>()
  const destinations: Record<string, Record<string, unknown>> = {}
  const log: string[] = []

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const json = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    const { pathname, searchParams } = new URL(request.url ?? '/', url)
    if (pathname === '/oauth/authorize') return logOn(searchParams, response)
    if (pathname === '/token_keys') return void json(200, { keys: [jwk] })
    if (pathname === '/oauth/token') {
      const granted = await grant(request, Buffer.concat(chunks).toString())
      return void json(granted ? 200 : 401, granted ?? { error: 'unauthorized' })
    }
    const name = /^\/destination-configuration\/v1\/destinations\/([^/]+)$/.exec(pathname)?.[1]
    if (!name) return void json(404, {})
    log.push(`GET ${pathname}`)
    if (!request.headers.authorization?.startsWith('Bearer ey')) return void json(401, {})
    const properties = destinations[decodeURIComponent(name)]
    json(properties ? 200 : 404, properties ? { destinationConfiguration: properties } : {})
  }

  /** A page that asks who is there, and the way back with a code. https://datatracker.ietf.org/doc/html/rfc6749#section-4.1 */
  function logOn(asked: URLSearchParams, response: ServerResponse): void {
    const user = asked.get('user')
    const redirectUri = asked.get('redirect_uri') ?? ''
    if (asked.get('client_id') !== own.clientid || !redirectUri) return void response.writeHead(400).end()
    if (user === null) {
      const hidden = [...asked].map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`).join('')
      const page = `<form>${hidden}<label>User <input name="user"></label><button>Log on</button></form>`
      return void response.writeHead(200, { 'content-type': 'text/html' }).end(page)
    }
    if (!users[user]) return void response.writeHead(401).end()
    const code = randomUUID()
    codes.set(code, { user, redirectUri })
    const location = new URL(redirectUri)
    location.searchParams.set('code', code)
    location.searchParams.set('state', asked.get('state') ?? '')
    response.writeHead(302, { location: location.href }).end()
  }

  /** A person's token; a code counts once, and with the address it was sent to. */
  async function userToken(fields: URLSearchParams) {
    const { user, redirectUri } = codes.get(fields.get('code') ?? '') ?? {}
    codes.delete(fields.get('code') ?? '')
    if (!user || redirectUri !== fields.get('redirect_uri')) return undefined
    const scope = ['openid', ...(users[user] ?? []).map((name) => `${XSAPPNAME}.${name}`)]
    const person = { user_name: user, user_id: user, origin: 'sap.default', email: `${user}@example.com` }
    const claims = { ...person, grant_type: 'authorization_code', client_id: own.clientid, cid: own.clientid }
    const access_token = await sign(scope, [XSAPPNAME, 'openid', own.clientid], claims)
    return { access_token, token_type: 'bearer', expires_in: 43_199, scope: scope.join(' '), jti: randomUUID() }
  }

  async function grant(request: IncomingMessage, form: string) {
    const fields = new URLSearchParams(form)
    const basic = request.headers.authorization
    const [id, secret] = basic
      ? Buffer.from(basic.replace(/^Basic /, ''), 'base64')
          .toString()
          .split(/:(.*)/s)
      : [fields.get('client_id'), fields.get('client_secret')]
    if (fields.get('grant_type') === 'authorization_code') {
      return id === own.clientid && secret === own.clientsecret ? userToken(fields) : undefined
    }
    const client = clients[id ?? '']
    const proved = secret === null ? id === services.clientid && showsOurs(request) : client?.secret === secret
    if (!client || !proved || fields.get('grant_type') !== 'client_credentials') return undefined
    const access_token = await sign(client.scopes, client.audience, { client_id: id, cid: id, azp: id })
    return { access_token, token_type: 'bearer', expires_in: 43_199 }
  }

  const showsOurs = ({ socket }: IncomingMessage): boolean =>
    (socket as TLSSocket).getPeerX509Certificate?.()?.fingerprint256 === new X509Certificate(tls.cert).fingerprint256

  const sign = (scope: readonly string[], audience: readonly string[], claims: Record<string, unknown>) =>
    new SignJWT({ scope, grant_type: 'client_credentials', zid: 'zone', ext_attr: { enhancer: 'XSUAA' }, ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: jwk.kid, jku: `${url}/token_keys`, typ: 'JWT' })
      .setIssuer(`${url}/oauth/token`)
      .setAudience([...audience])
      .setIssuedAt()
      .setExpirationTime('12h')
      .sign(privateKey)

  const tls = { key: await readFile(key, 'utf8'), cert: await readFile(authority, 'utf8') }
  const server = https.createServer(
    { ...tls, requestCert: true, rejectUnauthorized: false },
    (request, response) => void answer(request, response),
  )
  const proxy = createServer((request, response) => {
    log.push(`proxy ${request.method} ${request.url} at ${request.headers['sap-connectivity-scc-location_id']}`)
    if (!request.headers['proxy-authorization']?.startsWith('Bearer ey')) return void response.writeHead(407).end()
    const { pathname, search } = new URL(request.url ?? '/')
    const { 'proxy-authorization': _token, ...headers } = request.headers
    const inner = new URL(virtualHost())
    const forwarded = {
      host: inner.hostname,
      port: inner.port,
      path: pathname + search,
      method: request.method,
      headers,
    }
    request.pipe(
      httpRequest(forwarded, (answered) => {
        response.writeHead(answered.statusCode ?? 502, answered.headers)
        answered.pipe(response)
      }),
    )
  })
  const virtualHost = () => String(destinations.S4HANA_ONPREMISE?.realUrl)
  const port = await listening(server)
  const proxyPort = await listening(proxy)
  const url = `https://localhost:${port}`
  const bound = (label: string, credentials: Record<string, unknown>) => [
    { name: `sluice-${label}`, label, tags: [label], credentials },
  ]
  return {
    url,
    authority,
    tls,
    tokenUrl: `${url}/oauth/token`,
    mesh,
    users,
    destinations,
    log,
    token: (scopes, audience = XSAPPNAME) =>
      sign(
        scopes.map((scope) => `${XSAPPNAME}.${scope}`),
        [audience],
        { client_id: own.clientid, cid: own.clientid, azp: own.clientid },
      ),
    bindings: () => ({
      xsuaa: bound('xsuaa', { ...own, url, uaadomain: `localhost:${port}`, xsappname: XSAPPNAME, zoneid: 'zone' }),
      // Of type X.509: no secret, a certificate instead.
      destination: bound('destination', {
        clientid: services.clientid,
        certificate: tls.cert,
        key: tls.key,
        certurl: url,
        url,
        uri: url,
      }),
      connectivity: bound('connectivity', {
        ...services,
        token_service_url: url,
        onpremise_proxy_host: '127.0.0.1',
        onpremise_proxy_http_port: String(proxyPort),
      }),
    }),
    async close() {
      for (const each of [server, proxy]) {
        each.closeAllConnections()
        each.close()
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function listening(server: { listen(port: number, host: string): unknown; address(): unknown }): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server as never, 'listening')
  return (server.address() as AddressInfo).port
}
