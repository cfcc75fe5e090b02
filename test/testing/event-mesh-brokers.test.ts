import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import {
  authority,
  type EventMeshBroker,
  type EventMeshOptions,
  eventMeshBroker,
  type SecuritySchema,
} from '../../testing/index.ts'
import { type Receiver, receiver, until } from './support.ts'

const management = 'hub/rest/api/v1/management/messaging'
const suite = 'sap-event-mesh/rest/api/v1'
const event = { specversion: '1.0', id: 'evt ü', source: '/s', type: 'a.b.v1', data: { a: 1 } }

describe('Event Mesh simulator: how brokers prove who they are', () => {
  let brokers: EventMeshBroker[]
  let hook: Receiver
  let answer: () => number

  beforeEach(async () => {
    brokers = []
    answer = () => 200
    hook = await receiver(() => answer())
  })
  afterEach(() => Promise.all([hook.stop(), ...brokers.map((broker) => broker.stop())]))

  const start = async (options: EventMeshOptions = {}) => {
    const broker = await eventMeshBroker(options)
    brokers.push(broker)
    await broker.queue('q', ['t/*'])
    return broker
  }
  const delivered = async (broker: EventMeshBroker, securitySchema: SecuritySchema | null) => {
    await broker.subscribe('q', hook.url, { securitySchema })
    await broker.publish('t/x', event)
    await until(() => hook.deliveries().length === 1)
    return hook.received.map(({ headers }) => headers)
  }

  it('with nothing', async () => {
    for (const headers of await delivered(await start(), null)) expect(headers).to.not.have.property('authorization')
  })

  it('with Basic, at the handshake too', async () => {
    const [handshake, delivery] = await delivered(await start(), { type: 'basic', user: 'u', password: 'p' })
    expect(handshake?.authorization).to.equal(`Basic ${btoa('u:p')}`)
    expect(delivery?.authorization).to.equal(`Basic ${btoa('u:p')}`)
  })

  it('with an API key', async () => {
    const [handshake, delivery] = await delivered(await start(), { type: 'apikey', name: 'x-api-key', value: 'k' })
    expect([handshake?.['x-api-key'], delivery?.['x-api-key']]).to.deep.equal(['k', 'k'])
  })

  it('with a token of a client that proves itself by a certificate', async () => {
    const own = await start({ tls: true })
    const { certificate, key } = await own.certificate('sb-hook')
    const client = { clientId: 'sb-hook', clientSecret: '', certificate, scopes: ['x.emcallback'], audience: ['x'] }
    const broker = await start({ tls: true, clients: [{ ...own.client }, client] })
    const oauth2 = { type: 'oauth2-x509', grantType: 'client_credentials', tokenUrl: broker.tokenUrl } as const
    const [, delivery] = await delivered(broker, { ...oauth2, clientId: 'sb-hook', certificate, key })
    expect(delivery?.authorization).to.match(/^Bearer ey/)
  })

  it('with a client certificate in the TLS handshake', async () => {
    const ca = authority('the customer')
    const server = ca.issue('hook', ['127.0.0.1'])
    const client = ca.issue('event-mesh')
    const seen: string[] = []
    const secured = https.createServer(
      { cert: server.certificate, key: server.key, ca: ca.certificate, requestCert: true, rejectUnauthorized: true },
      (request, response) => {
        const { raw } = (request.socket as TLSSocket).getPeerCertificate()
        seen.push(new X509Certificate(raw).subject)
        response.setHeader('webhook-allowed-origin', '*')
        request.resume().on('end', () => response.end())
      },
    )
    await once(secured.listen(0, '127.0.0.1'), 'listening')
    const broker = await start({ trustedCa: ca.certificate })
    const url = `https://127.0.0.1:${(secured.address() as AddressInfo).port}/hook`
    await broker.subscribe('q', url, {
      securitySchema: { type: 'x509', certificate: client.certificate, key: client.key },
    })
    await broker.publish('t/x', event)
    await until(async () => (await broker.state()).queues[0]?.acked === 1)
    secured.closeAllConnections()
    secured.close()
    expect(seen).to.deep.equal(['CN=event-mesh', 'CN=event-mesh'])
  })

  it('does not tell its secrets, and demands what it needs', async () => {
    const broker = await start()
    await broker.subscribe('q', hook.url, { securitySchema: { type: 'basic', user: 'mesh', password: 'hidden' } })
    const headers = { authorization: `Bearer ${await broker.token()}` }
    const told = await (await fetch(`${broker.url}/messagingrest/v1/subscriptions`, { headers })).text()
    expect(told).to.include('mesh').and.not.include('hidden')
    const broken = { type: 'basic', user: 'mesh' } as unknown as SecuritySchema
    const error = await broker.subscribe('q', hook.url, { name: 'n', securitySchema: broken }).then(
      () => undefined,
      (thrown: Error) => thrown.message,
    )
    expect(error).to.match(/400.*password/)
  })

  it('Event Hub: binary mode, no handshake, a token of the identity service', async () => {
    const broker = await start()
    const { clientId, clientSecret } = broker.client
    const { tokenUrl } = broker
    const oauth2 = { type: 'oauth2', grantType: 'client_credentials', clientId, clientSecret, tokenUrl } as const
    await broker.eventHub('q', hook.url, { securitySchema: oauth2 })
    await broker.publish('t/x', event)
    await until(() => hook.received.length === 1)
    const [{ method, headers, body } = { method: '', headers: {}, body: '' }] = hook.received
    expect(method).to.equal('POST')
    expect(headers).to.include({
      'ce-id': 'evt%20%C3%BC',
      'ce-source': '/s',
      'ce-type': 'a.b.v1',
      'ce-specversion': '1.0',
    })
    expect(headers).to.include({ 'ce-sapconsumertenant': 'consumer-1', 'content-type': 'application/json' })
    expect(body).to.equal('{"a":1}')
    const token = headers.authorization?.replace('Bearer ', '') ?? ''
    const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(broker.jwksUrl)))
    expect(payload.azp).to.equal(clientId)
  })

  it('Event Hub: a client certificate, as the platform’s router tells of it', async () => {
    const broker = await start({ tls: true })
    const { certificate } = await broker.certificate('event-hub')
    await broker.eventHub('q', hook.url, { behindRouter: certificate })
    await broker.publish('t/x', event)
    await until(() => hook.received.length === 1)
    const headers = hook.received[0]?.headers ?? {}
    expect(headers).to.include({ 'x-ssl-client-verify': '0', 'x-ssl-client-subject-cn': btoa('event-hub') })
    const forwarded = new X509Certificate(Buffer.from(String(headers['x-forwarded-client-cert']), 'base64'))
    expect(forwarded.fingerprint256).to.equal(new X509Certificate(certificate).fingerprint256)
    expect(forwarded.checkIssued(new X509Certificate(broker.ca ?? ''))).to.equal(true)
  })

  it('Advanced Event Mesh: 200 and nothing else acknowledges, and a retry comes every 30 s', async () => {
    answer = () => 202
    const broker = await start()
    await broker.restDeliveryPoint('q', hook.url)
    await broker.publish('t/x', event)
    const nacked = async () => (await broker.state()).queues[0]?.nacked
    await until(async () => (await nacked()) === 1)
    await broker.advance(30_000)
    await until(async () => (await nacked()) === 2)
    answer = () => 200
    await broker.advance(30_000)
    await until(async () => (await broker.state()).queues[0]?.acked === 1)
    expect(hook.received[0]?.headers).to.include({ 'solace-delivery-mode': 'Persistent' })
    expect(hook.received.every(({ method }) => method === 'POST')).to.equal(true)
  })
})

describe('Event Mesh simulator: rules, dialects and faults', () => {
  let broker: EventMeshBroker
  before(async () => {
    broker = await eventMeshBroker({ rules: { publish: ['a/b/c/*'], subscribe: ['a/*', 'x/*'], queues: ['a/b/c/*'] } })
    await broker.queue('a/b/c/q', ['a/*'])
  })
  after(() => broker.stop())

  const call = async (method: string, path: string, body?: string, headers: Record<string, string> = {}) => {
    const authorization = `Bearer ${await broker.token()}`
    return fetch(`${broker.url}/${path}`, { method, headers: { authorization, ...headers }, ...(body && { body }) })
  }

  it('refuses with 403 what its rules do not allow', async () => {
    const publish = (topic: string) =>
      call('POST', `messagingrest/v1/topics/${encodeURIComponent(topic)}/messages`, '{}', { 'x-qos': '1' })
    expect((await publish('a/b/c/ce/x')).status).to.equal(204)
    expect((await publish('a/b/d/ce/x')).status).to.equal(403)
    expect((await call('PUT', `${management}/queues/${encodeURIComponent('a/b/d/q')}`, '{}')).status).to.equal(403)
    const topics = `${management}/queues/${encodeURIComponent('a/b/c/q')}/subscriptions`
    expect((await call('PUT', `${topics}/${encodeURIComponent('y/z')}`)).status).to.equal(403)
    expect((await call('PUT', `${topics}/${encodeURIComponent('x/y')}`)).status).to.equal(201)
  })

  it('demands a body in Integration Suite, and not in the classic service', async () => {
    const path = `queues/${encodeURIComponent('a/b/c/dialect')}`
    expect((await call('PUT', `${suite}/${path}`)).status).to.equal(400)
    expect((await call('PUT', `${suite}/${path}`, '{}')).status).to.equal(201)
    expect((await call('PUT', `${management}/${path}`)).status).to.equal(200)
  })

  it('says when it is not ready', async () => {
    await broker.switch({ notReady: true })
    const answer = await call('GET', `${suite}/readinessCheck`)
    expect([answer.status, answer.headers.get('retry-after')]).to.deep.equal([503, '1'])
    await broker.switch({ notReady: false })
    expect((await call('GET', `${suite}/readinessCheck`)).status).to.equal(200)
  })

  it('tells a conflict by its code', async () => {
    const hook = await receiver(() => 200)
    await broker.subscribe('a/b/c/q', hook.url)
    const body = {
      name: 'a/b/c/q',
      address: 'queue:a/b/c/q',
      qos: 1,
      pushConfig: { type: 'webhook', endpoint: hook.url },
    }
    const answer = await call('POST', 'messagingrest/v1/subscriptions', JSON.stringify(body))
    expect(answer.status).to.equal(409)
    expect(answer.headers.get('content-type')).to.equal('application/json')
    expect(((await answer.json()) as { error: { code: string } }).error.code).to.equal('CONFLICT')
    await hook.stop()
  })

  it('misbehaves as often as it is told to, before or after it has done what it was asked', async () => {
    const queue = `${management}/queues/${encodeURIComponent('a/b/c/new')}`
    await broker.switch({ faults: [{ match: `PUT .*new`, answer: 502, body: 'x', after: true, times: 1 }] })
    expect((await call('PUT', queue, '{}')).status).to.equal(502)
    expect((await call('PUT', queue, '{}')).status).to.equal(200)
    await broker.switch({ faults: [{ match: 'GET', answer: 503, times: 1 }] })
    expect((await call('GET', queue)).status).to.equal(503)
    expect((await call('GET', queue)).status).to.equal(200)
    await broker.switch({ faults: [] })
  })

  it('takes back every token it gave', async () => {
    const authorization = `Bearer ${await broker.token()}`
    const look = () => fetch(`${broker.url}/${management}/queues`, { headers: { authorization } })
    expect((await look()).status).to.equal(200)
    await broker.revokeTokens()
    expect((await look()).status).to.equal(401)
  })
})
