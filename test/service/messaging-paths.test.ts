import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { freePort } from '../../demo/free-port.ts'
import { type GatewayProcess, gatewayProcess } from '../../demo/gateway-process.ts'
import { serve } from '../helpers/http-server.ts'
import { until } from '../testing/support.ts'

const PATH = '/messaging/enterprise-messaging'
const basic = { authorization: `Basic ${Buffer.from('broker:a-password').toString('base64')}` }
const event = (id: string, data: unknown = { SalesOrder: '1' }) =>
  JSON.stringify({
    specversion: '1.0',
    id,
    source: '/s4',
    type: 'sap.s4.beh.salesorder.v1.SalesOrder.Deleted.v1',
    data,
  })

/** The paths that a CAP app has registered with its broker, beside CAP's own messaging, in a process of its own. */
for (const cors of [false, true]) {
  describe(`messaging paths beside CAP’s own, ${cors ? 'behind a CORS middleware' : 'without CORS'}`, () => {
    let app: GatewayProcess
    let broker: Awaited<ReturnType<typeof serve>>
    let folder: string
    let output = ''
    const asked: string[] = []

    before(async () => {
      folder = mkdtempSync(join(tmpdir(), 'sluice-messaging-'))
      broker = await serve((request, response) => {
        asked.push(`${request.method} ${decodeURIComponent(request.url ?? '')}`)
        request.resume()
        const isToken = request.url?.startsWith('/oauth/token')
        const body = isToken ? { access_token: 't', expires_in: 3_600 } : request.method === 'GET' ? [] : {}
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      })
      const oa2 = { clientid: 'c', clientsecret: 's', tokenendpoint: 'https://broker.example/oauth/token' }
      const api = { oa2, uri: 'https://broker.example' }
      const config = {
        server: { cors },
        app: { id: 'app', name: 'app', url: 'https://app.example' },
        requires: {
          db: false,
          'sluice-db': { kind: 'sqlite', credentials: { url: join(folder, 'sluice.db') } },
          auth: { kind: 'mocked', users: { '*': true } },
          messaging: {
            kind: 'enterprise-messaging-http',
            queue: { name: 'cap/own' },
            webhook: { waitingPeriod: 0 },
            credentials: { management: [api], messaging: [{ ...api, protocol: ['httprest'] }] },
          },
          sluice: {
            sources: {
              s4: { kind: 'event-mesh', queue: 'our/queue', auth: { kind: 'basic', users: { broker: 'a-password' } } },
              hub: { kind: 'event-hub', auth: { kind: 'none' }, webhookPath: '/-/cds/ours/webhook' },
              old: { kind: 'event-mesh', queue: 'old/queue', auth: { kind: 'none' }, retired: true },
            },
            subscriptions: { none: { on: '*', handler: 'test/service/cap-messaging' } },
          },
        },
      }
      app = await gatewayProcess(config, { TEST_BROKER: broker.url }, await freePort(), (text) => {
        output += text
      })
    })
    after(async () => {
      await app?.kill()
      await broker?.close()
      rmSync(folder, { recursive: true, force: true })
    })

    const call = async (method: string, query: string, headers: Record<string, string> = {}, body?: string) => {
      const init = { method, headers: { 'content-type': 'application/cloudevents+json', ...headers } }
      const answer = await fetch(app.url + PATH + query, body === undefined ? init : { ...init, body })
      return { status: answer.status, headers: answer.headers, text: await answer.text() }
    }
    const handshake = (query: string, headers: Record<string, string> = {}) =>
      call('OPTIONS', query, {
        'webhook-request-origin': 'em.example.com',
        origin: 'https://em.example.com',
        ...headers,
      })

    it('takes deliveries for the queue configured here, with ours of everything', async () => {
      for (const [n, query] of ['?q=our/queue', '?q=our%2Fqueue', '/?x=1&q=our/queue'].entries()) {
        const headers = { ...basic, 'x-address': 'topic:a/b' }
        const answer = await call('POST', query, headers, event(`ours-${n}`))
        expect([answer.status, JSON.parse(answer.text).status], query).to.deep.equal([200, 'accepted'])
      }
      expect((await call('POST', '?q=our/queue', {}, event('anonymous'))).status).to.equal(401)
      const large = event('large', 'x'.repeat(200_000))
      expect((await call('POST', '?q=our/queue', basic, large)).status, 'CAP refuses 100 kB').to.equal(200)
      expect((await call('POST', '?q=our/queue', basic, '{')).status, 'and poison').to.equal(200)
    })

    it('answers the handshake for the queue configured here', async () => {
      const answer = await handshake('?q=our/queue', basic)
      expect(answer.status).to.equal(200)
      expect(answer.headers.get('webhook-allowed-origin')).to.equal('em.example.com')
      const anonymous = await handshake('?q=our/queue')
      expect([anonymous.status, anonymous.headers.get('webhook-allowed-origin')]).to.deep.equal([401, null])
    })

    it('answers 410 for a queue that was retired here', async () => {
      expect((await call('POST', '?q=old/queue', {}, event('late'))).status).to.equal(410)
    })

    it('leaves CAP its own queue: its handler gets the event', async () => {
      await until(() => asked.some((request) => request.includes('PUT') && request.includes('queues/cap/own')))
      const answer = await call('POST', '?q=cap/own', { 'x-address': 'topic:cap/own/topic' }, '{"data":{"own":1}}')
      expect([answer.status, answer.text]).to.deep.equal([200, 'OK'])
      await until(() => output.includes('CAP received {"own":1}'))
    })

    it('leaves CAP the handshake of its own queue, which CORS swallows where it is on', async () => {
      const answer = await handshake('?q=cap/own')
      expect(answer.status).to.equal(200)
      expect(answer.headers.get('webhook-allowed-origin')).to.equal(cors ? null : 'em.example.com')
    })

    it('leaves CAP whatever else is on that path', async () => {
      expect((await call('POST', '', basic, event('no-queue'))).status, 'CAP’s answer without q').to.equal(400)
      const twice = await call('POST', '?q=our/queue&q=cap/own', { ...basic, 'x-address': 'topic:x' }, event('two'))
      expect(twice.text, 'not ours').to.equal('OK')
    })

    it('takes the path of Event Hub that is configured here, and leaves CAP the others', async () => {
      const headers = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s4', 'ce-type': 'sap.x.Y.Done.v1' }
      const post = async (path: string) => {
        const init = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: '{}' }
        const answer = await fetch(app.url + path, init)
        return [answer.status, await answer.text()]
      }
      expect(await post('/-/cds/ours/webhook')).to.deep.equal([200, '{"message":"OK"}'])
      expect((await post('/-/cds/event-broker/webhook'))[0]).to.equal(404)
      expect((await post('/-/cds/ours'))[0]).to.equal(404)
    })
  })
}
