import { once } from 'node:events'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { createServer, request, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { authenticator } from '../../adapters/auth/authenticate.ts'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { cloudevents } from '../../adapters/sources/index.ts'
import { createGateway, type Gateway } from '../../srv/gateway.ts'
import { makeIdentity } from '../../testing/event-mesh/x509.ts'
import { frontDoor } from '../helpers/front-door.ts'
import { STRUCTURED, structured, type WebhookSite, webhookSite } from '../helpers/webhook-site.ts'

// CloudEvents, HTTP 1.1 Web Hooks for Event Delivery, 1.0.2. Each test is named by the sentence it checks.
describe('CloudEvents webhook §2 Delivering notifications', () => {
  let site: WebhookSite | undefined
  let server: Server | undefined
  let gateway: Gateway | undefined
  const open = async (...options: Parameters<typeof webhookSite>) => {
    site = await webhookSite(...options)
    return site
  }
  afterEach(async () => {
    await site?.close()
    site = undefined
    server?.closeAllConnections()
    server?.close()
    server = undefined
    await gateway?.stop()
    gateway = undefined
  })

  describe('§1.2 Relation to HTTP', () => {
    it('This specification also applies equivalently to HTTP/2, which is compatible with HTTP 1.1 semantics.', async () => {
      const inbox = memoryInbox()
      const source = cloudevents({ auth: { kind: 'none' }, allowedOrigins: ['a.example'] })
      const here = createGateway({ inbox, sources: { events: source } })
      gateway = here
      await here.start()
      const secondVersion = createHttp2Server(here.express() as never)
      await once(secondVersion.listen(0, '127.0.0.1'), 'listening')
      const client = connectHttp2(`http://127.0.0.1:${(secondVersion.address() as AddressInfo).port}`)
      try {
        const ask = async (method: string, headers: Record<string, string | string[]>, body = '') => {
          const stream = client.request({ ':method': method, ':path': '/webhooks/events', ...headers })
          const answered = once(stream, 'response')
          stream.end(body)
          const [answer] = await answered
          stream.resume()
          await once(stream, 'close')
          return [answer[':status'], answer['webhook-allowed-origin'], answer.allow]
        }
        const origin = 'webhook-request-origin'
        const content = { 'content-type': STRUCTURED }
        expect(await ask('OPTIONS', { [origin]: 'a.example' })).to.deep.equal([200, 'a.example', 'POST'])
        expect(await ask('POST', { [origin]: 'a.example', ...content }, structured())).to.include(202)
        expect(await ask('POST', { [origin]: ['a.example', 'b.example'], ...content }, structured())).to.include(403)
        expect(await ask('PUT', { [origin]: 'a.example' })).to.deep.equal([405, undefined, 'POST, OPTIONS'])
        expect([...inbox.state.deliveries.values()].map(({ headers }) => JSON.parse(headers))).to.deep.equal([
          { [origin]: 'a.example', ...content },
        ])
      } finally {
        client.close()
        secondVersion.close()
      }
    })
  })

  describe('§2.1 Delivery request', () => {
    it('HTTP-over-TLS (HTTPS) MUST be used for the connection.', async () => {
      const authority = makeIdentity({ name: [['CN', 'Test CA']], isAuthority: true })
      const host = makeIdentity({ name: [['CN', 'gateway']], signedBy: authority, names: ['127.0.0.1'] })
      const sender = makeIdentity({ name: [['CN', 'sender']], signedBy: authority })
      const stranger = makeIdentity({ name: [['CN', 'sender']] })
      const auth = { kind: 'certificate', from: 'connection', subject: 'CN=sender', issuer: 'CN=Test CA' } as const
      gateway = createGateway({
        inbox: memoryInbox(),
        sources: { events: cloudevents({ auth }) },
        authenticate: authenticator(),
      })
      await gateway.start()
      const ca = authority.pem.cert
      server = createServer({ ...host.pem, ca, requestCert: true, rejectUnauthorized: false }, gateway.express())
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const { port } = server.address() as AddressInfo
      const post = async (client: { cert?: string; key?: string }): Promise<number | undefined> => {
        const path = '/webhooks/events'
        const options = { host: '127.0.0.1', port, path, method: 'POST', ca, agent: false, ...client } as const
        const sending = request({ ...options, headers: { 'content-type': STRUCTURED } })
        const answered = once(sending, 'response')
        sending.end(structured())
        const [response] = await answered
        response.resume()
        return response.statusCode
      }
      expect(await post(sender.pem), 'and the sender may prove itself by it').to.equal(202)
      expect(await post(stranger.pem), 'a certificate of nobody').to.equal(401)
      expect(await post({}), 'none').to.equal(401)
    })

    it('The HTTP method for the delivery request MUST be POST.', async () => {
      const { send, path, deliveries } = await open()
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'HEAD']) {
        const answer = await send({ method, path, headers: { 'content-type': STRUCTURED } })
        expect([answer.status, answer.headers.allow], method).to.deep.equal([405, 'POST'])
      }
      expect(deliveries()).to.deep.equal([])
    })

    it('The Content-Type header MUST be carried and the request MUST carry a notification payload of the given content type.', async () => {
      const { send, deliver, path, deliveries } = await open({ strict: true })
      expect((await send({ path, body: structured() })).status, 'no type').to.equal(415)
      expect((await deliver({ body: '' })).status, 'no payload').to.equal(415)
      expect(deliveries()).to.deep.equal([])
      expect((await deliver()).status).to.equal(202)
    })

    it('Requests without payloads, e.g. where the notification is entirely expressed in HTTP headers, are not permitted by this specification.', async () => {
      const { send, path } = await open({ strict: true })
      const headers = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' }
      expect((await send({ path, headers: { ...headers, 'content-type': 'text/plain' } })).status).to.equal(415)
    })

    it('If the delivery target supports and requires Abuse Protection, the delivery request MUST include the `WebHook-Request-Origin` header.', async () => {
      const { deliver, origin, deliveries } = await open({ allowedOrigins: ['sender.example.com'] })
      expect((await deliver()).status).to.equal(403)
      expect((await deliver({ headers: origin('other.example.com') })).status).to.equal(403)
      expect(deliveries()).to.deep.equal([])
      expect((await deliver({ headers: origin('sender.example.com') })).status).to.equal(202)
    })
  })

  describe('§2.2 Delivery response', () => {
    it('The response MUST NOT use any of the 3xx HTTP Redirect status codes.', async () => {
      const { send, deliver, greet, path } = await open({ allowedOrigins: ['a.example'], strict: true })
      const answers = [
        await deliver(),
        await deliver({ body: '{' }),
        await greet(),
        await send({ path: `${path}/`, body: structured(), headers: { 'content-type': STRUCTURED } }),
        await send({ path: `//evil.example/..${path}`, body: structured() }),
        await send({ path: `${path}?redirect_uri=https://evil.example` }),
      ]
      for (const { status, headers } of answers) {
        expect(status).to.not.be.within(300, 399)
        expect(headers).to.not.have.property('location')
      }
    })

    it('If the delivery has been accepted and processed, and if the response carries a payload with processing details, the response MUST have the 200 OK or 201 Created status code. In this case, the response MUST carry a Content-Type header.', async () => {
      const source = { ...cloudevents({ auth: { kind: 'none' } }), replyWhen: { timeoutMs: 5_000 } }
      const door = await frontDoor({
        mount: 'node:http',
        sources: { events: source },
        subscriptions: [{ name: 'process', on: ['*'], handler: async () => ({ done: true }) }],
      })
      try {
        const headers = { 'content-type': STRUCTURED }
        const answer = await door.send({ path: '/webhooks/events', body: structured(), headers })
        expect([answer.status, answer.headers['content-type']]).to.deep.equal([200, 'application/json'])
        expect(JSON.parse(answer.text)).to.include({ status: 'accepted' })
      } finally {
        await door.close()
      }
    })

    it('If the delivery has been accepted and processed, but carries no payload, the response MUST have the 201 Created or 204 No Content status code.', async () => {
      const { deliver } = await open()
      for (const body of [structured(), structured(), structured('e-2'), '{', '']) {
        const { status, text } = await deliver({ body })
        expect(text, 'ours always carry one').to.not.equal('')
        expect(status).to.equal(202)
      }
    })

    it('If the delivery has been accepted, but has not yet been processed or if the processing status is unknown, the response MUST have the 202 Accepted status code.', async () => {
      const { deliver } = await open()
      const statusOf = async (body: string) => {
        const { status, text } = await deliver({ body })
        return [status, JSON.parse(text).status]
      }
      expect(await statusOf(structured())).to.deep.equal([202, 'accepted'])
      expect(await statusOf(structured()), 'again').to.deep.equal([202, 'duplicate'])
      expect(await statusOf(structured('e-1', { data: 2 })), 'otherwise').to.deep.equal([202, 'conflict'])
      expect(await statusOf('{'), 'to be looked at').to.deep.equal([202, 'quarantined'])
    })

    it('If a delivery target has been retired, but the HTTP site still exists, the site SHOULD return a 410 Gone status code.', async () => {
      const { deliver, greet, origin, deliveries } = await open({ retired: true, allowedOrigins: ['a.example'] })
      const answer = await deliver({ headers: origin('a.example') })
      expect([answer.status, answer.headers['content-type']]).to.deep.equal([410, 'application/problem+json'])
      const greeting = await greet(origin('a.example'))
      expect(greeting.status).to.equal(410)
      expect(greeting.headers).to.not.have.property('webhook-allowed-origin')
      expect(deliveries()).to.deep.equal([])
    })

    it('If the delivery target is unable to process the request due to exceeding a request rate limit, it SHOULD return a 429 Too Many Requests status code and MUST include the Retry-After header.', async () => {
      const { deliver, origin, clock } = await open({ allowedOrigins: ['a.example'], allowedRate: 3 })
      const headers = origin('a.example')
      const next = async () => {
        const answer = await deliver({ headers })
        return [answer.status, answer.headers['retry-after']]
      }
      const accepted = [202, undefined]
      expect([await next(), await next(), await next()]).to.deep.equal([accepted, accepted, accepted])
      expect(await next()).to.deep.equal([429, '60'])
      await clock.advance(59_500)
      expect(await next()).to.deep.equal([429, '1'])
      await clock.advance(500)
      expect(await next()).to.deep.equal(accepted)
    })

    it('If the delivery cannot be accepted because the notification format has not been understood, the service MUST respond with status code 415 Unsupported Media Type.', async () => {
      const { deliver, deliveries } = await open({ strict: true })
      for (const type of ['application/cloudevents+avro', 'application/cloudevents', 'application/json', 'text/xml']) {
        const answer = await deliver({ headers: { 'content-type': type } })
        expect([answer.status, answer.headers['content-type']], type).to.deep.equal([415, 'application/problem+json'])
      }
      expect(deliveries()).to.deep.equal([])
      expect((await deliver({ body: '{' })).status, 'understood, but broken: accepted and quarantined').to.equal(202)
    })

    it('All further error status codes apply as specified in RFC7231.', async () => {
      const { send, deliver, path, gateway } = await open({ maxBytes: 1_000 })
      const answerTo = async (asked: ReturnType<typeof deliver>) => {
        const { status, headers } = await asked
        expect(headers['content-type']).to.equal('application/problem+json')
        return [status, headers.allow ?? headers['retry-after']]
      }
      expect(await answerTo(send({ path: '/webhooks/other', body: structured() }))).to.deep.equal([404, undefined])
      expect(await answerTo(send({ method: 'PUT', path })), '§6.5.5: MUST generate Allow').to.deep.equal([405, 'POST'])
      expect(await answerTo(deliver({ body: 'x'.repeat(1_001) }))).to.deep.equal([413, undefined])
      await gateway.stop()
      expect(await answerTo(deliver()), '§6.6.4: MAY send Retry-After').to.deep.equal([503, '1'])
    })

    it('accepts what it does not understand, for an operator, where it is not strict', async () => {
      const { deliver, deliveries } = await open()
      expect((await deliver({ headers: { 'content-type': 'application/cloudevents+avro' } })).status).to.equal(202)
      expect((await deliver({ headers: { 'content-type': 'text/xml' }, body: '<a/>' })).status).to.equal(202)
      expect(deliveries().map(({ outcome }) => outcome)).to.deep.equal(['accepted', 'quarantined'])
    })
  })
})
