import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { memoryInbox } from '../../../adapters/inbox/memory/index.ts'
import { eventMesh } from '../../../adapters/sources/index.ts'
import { createGateway, type Gateway } from '../../../srv/gateway.ts'
import { type EventMeshBroker, eventMeshBroker } from '../../../testing/event-mesh/index.ts'

/** The kind against a broker in a process of its own, over HTTP, with tokens it really signs. */
describe('event-mesh against a broker', () => {
  let broker: EventMeshBroker
  let gateway: Gateway
  let server: Server
  let endpoint: string
  let arrived: string[]
  let notify: () => void

  before(async () => {
    broker = await eventMeshBroker()
    const claims = JSON.parse(Buffer.from((await broker.token()).split('.')[1] ?? '', 'base64url').toString()) as {
      aud: string | string[]
      scope: string[]
    }
    const [audience = ''] = [claims.aud].flat()
    const scope = claims.scope.find((name) => name.endsWith('.emcallback'))
    expect(scope, 'the broker may call back').to.be.a('string')
    const auth = { kind: 'jwt', jwksUrl: broker.jwksUrl, audience, scope: scope ?? '' } as const
    gateway = createGateway({
      inbox: memoryInbox(),
      sources: {
        s4: eventMesh({ queue: 'q/orders', auth, allowedOrigins: [broker.origin] }),
        foreign: eventMesh({ queue: 'q/foreign', auth, allowedOrigins: ['another.example.com'] }),
        narrow: eventMesh({ queue: 'q/narrow', auth: { ...auth, scope: 'another.emcallback' } }),
      },
      authenticate: authenticator(),
    })
    gateway.on('sap.s4.beh.*', { name: 'orders' }, async (event) => {
      arrived.push(`${event.providertype?.split('.').at(-2)} ${event.object?.key}`)
      notify()
    })
    await gateway.start()
    server = createServer(gateway.express()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks`
  })
  after(async () => {
    await gateway.drain()
    server.closeAllConnections()
    server.close()
    await gateway.stop()
    await broker.stop()
  })
  beforeEach(() => {
    arrived = []
    notify = () => undefined
  })

  /** How the handshake of a subscription ended. */
  const handshakeOf = async (name: string): Promise<string | undefined> => {
    for (;;) {
      const { subscriptions } = await broker.state()
      const status = subscriptions.find((subscription) => subscription.name === name)?.handshakeStatus
      if (status !== 'REQUESTED' && status !== 'NOT_INITIATED') return status
    }
  }
  const arrivals = (count: number): Promise<void> =>
    new Promise((resolve) => {
      notify = () => arrived.length >= count && resolve()
      notify()
    })
  const event = (id: string, name: string, key: string) => ({
    specversion: '1.0',
    id,
    source: '/default/sap.s4.beh/1',
    type: `sap.s4.beh.salesorder.v1.SalesOrder.${name}.v1`,
    data: { SalesOrder: key },
  })

  it('completes the handshake, then receives events, each once', async () => {
    await broker.queue('q/orders', ['orders/*'])
    await broker.subscribe('q/orders', `${endpoint}/s4`)
    expect(await handshakeOf('q/orders')).to.equal('COMPLETED')
    await broker.publish('orders/1', event('1', 'Deleted', '4711'))
    await broker.publish('orders/1', event('1', 'Deleted', '4711'))
    const acked = async (count: number) => {
      while ((await broker.state()).queues.find(({ name }) => name === 'q/orders')?.acked !== count);
    }
    await acked(2)
    await broker.publish('orders/1', event('2', 'ApprovalRejected', '4711'))
    await acked(3)
    await arrivals(2)
    expect(arrived).to.deep.equal(['Deleted 4711', 'ApprovalRejected 4711'])
    expect((await broker.state()).queues.find(({ name }) => name === 'q/orders')).to.include({ nacked: 0 })
  })

  it('refuses the handshake of a foreign origin, and of a caller without the scope', async () => {
    for (const name of ['foreign', 'narrow']) {
      await broker.queue(`q/${name}`)
      await broker.subscribe(`q/${name}`, `${endpoint}/${name}`).catch(() => undefined)
      expect(await handshakeOf(`q/${name}`), name).to.equal('FAILED')
    }
  })

  it('refuses the anonymous: 401, in the handshake too', async () => {
    const body = JSON.stringify(event('9', 'Deleted', '1'))
    expect((await fetch(`${endpoint}/s4`, { method: 'POST', body })).status).to.equal(401)
    const headers = { 'webhook-request-origin': broker.origin }
    const greeting = await fetch(`${endpoint}/s4`, { method: 'OPTIONS', headers })
    expect(greeting.status).to.equal(401)
    expect(greeting.headers.get('webhook-allowed-origin')).to.equal(null)
    expect(arrived).to.deep.equal([])
  })
})
