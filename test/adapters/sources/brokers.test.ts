import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import type { AuthSpec, Source } from '#domain/source'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { memoryInbox } from '../../../adapters/inbox/memory/index.ts'
import { advancedEventMesh, eventHub, eventMesh } from '../../../adapters/sources/index.ts'
import { createGateway, type Gateway } from '../../../srv/gateway.ts'
import { type EventMeshBroker, eventMeshBroker } from '../../../testing/event-mesh/index.ts'
import { makeIdentity } from '../../../testing/event-mesh/x509.ts'
import { until } from '../../testing/support.ts'

const identity = makeIdentity({ name: [['CN', 'broker']] })
const mesh = (auth: AuthSpec): Source => eventMesh({ queue: 'q', auth })

/** Every broker of SAP, with every proof, against a simulator in a process of its own. */
describe('brokers of SAP', () => {
  let broker: EventMeshBroker
  let gateway: Gateway | undefined
  let server: Server | undefined

  before(async () => {
    broker = await eventMeshBroker()
  })
  after(() => broker?.stop())
  afterEach(async () => {
    server?.closeAllConnections()
    server?.close()
    await gateway?.stop({ timeoutMs: 1_000 })
    ;[server, gateway] = [undefined, undefined]
  })

  async function open(source: Source): Promise<string> {
    gateway = createGateway({ inbox: memoryInbox(), sources: { s4: source }, authenticate: authenticator() })
    await gateway.start()
    server = createServer(gateway.express()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/s4`
  }

  const event = (id: string) => ({
    specversion: '1.0',
    id,
    source: '/s4',
    type: 'sap.s4.beh.salesorder.v1.SalesOrder.Deleted.v1',
    data: { SalesOrder: '1' },
  })
  const queueOf = async (name: string) => (await broker.state()).queues.find((queue) => queue.name === name)

  const jwt = (): AuthSpec => ({
    kind: 'jwt',
    jwksUrl: broker.jwksUrl,
    audience: [broker.client.audience[0] ?? ''],
    clientId: broker.client.clientId,
  })
  const router: AuthSpec = {
    kind: 'certificate',
    from: 'cloud-foundry',
    proxies: ['127.0.0.0/8', '::1'],
    fingerprints: [identity.certificate.fingerprint256],
  }

  const header = { kind: 'api-key', header: 'X-Key', keys: { em: 'k' } } as const
  const apikey = { type: 'apikey', name: 'x-key', value: 'k' } as const
  const basic = { type: 'basic', user: 'em', password: 'pass' } as const
  const users: AuthSpec = { kind: 'basic', users: { em: 'pass' } }
  const behindRouter = identity.pem.cert
  const oauth2 = () => {
    const { clientId, clientSecret } = broker.client
    const { tokenUrl } = broker
    return {
      securitySchema: { type: 'oauth2', grantType: 'client_credentials', clientId, clientSecret, tokenUrl },
    } as const
  }
  const aem = (auth: AuthSpec): Source => advancedEventMesh({ queue: 'q', auth })

  const cases: readonly [string, () => Source, (queue: string, endpoint: string) => Promise<void>][] = [
    ['mesh, basic', () => mesh(users), (...at) => broker.subscribe(...at, { securitySchema: basic })],
    ['mesh, API key', () => mesh(header), (...at) => broker.subscribe(...at, { securitySchema: apikey })],
    ['mesh, OAuth2', () => mesh(jwt()), (...at) => broker.subscribe(...at)],
    ['hub, token', () => eventHub({ auth: jwt(), tenant: 'consumer-1' }), (...at) => broker.eventHub(...at, oauth2())],
    ['hub, certificate', () => eventHub({ auth: router }), (...at) => broker.eventHub(...at, { behindRouter })],
    ['delivery point, basic', () => aem(users), (...at) => broker.restDeliveryPoint(...at, { securitySchema: basic })],
    [
      'delivery point, header',
      () => aem(header),
      (...at) => broker.restDeliveryPoint(...at, { securitySchema: apikey }),
    ],
    ['delivery point, OAuth2', () => aem(jwt()), (...at) => broker.restDeliveryPoint(...at, oauth2())],
  ]
  for (const [what, make, register] of cases) {
    it(`delivers: ${what}`, async () => {
      const queue = `q/${what.replaceAll(/\W+/g, '-')}`
      await broker.queue(queue, [`${queue}/t`])
      await register(queue, await open(make()))
      for (const id of ['1', '2', '1']) await broker.publish(`${queue}/t`, event(id))
      await until(async () => (await queueOf(queue))?.acked === 3)
      expect(await queueOf(queue)).to.include({ nacked: 0, redelivered: 0 })
    })
  }

  it('refuses a broker whose proof is another’s, and acknowledges nothing', async () => {
    const queue = 'q/refused'
    await broker.queue(queue, [`${queue}/t`])
    const other = makeIdentity({ name: [['CN', 'broker']] })
    await broker.eventHub(queue, await open(eventHub({ auth: router })), { behindRouter: other.pem.cert })
    await broker.publish(`${queue}/t`, event('1'))
    await until(async () => (await queueOf(queue))?.nacked === 1)
    expect(await queueOf(queue)).to.include({ acked: 0 })
  })
})
