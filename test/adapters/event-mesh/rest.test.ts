import { expect } from 'chai'
import { toFault } from '#domain/errors'
import {
  connectionOf,
  connectionOfService,
  type MeshAddress,
  manageMesh,
  meshPull,
} from '../../../adapters/event-mesh/index.ts'
import { createRest, type MeshRest } from '../../../adapters/event-mesh/rest.ts'
import { type EventMeshBroker, eventMeshBroker, type Fault } from '../../../testing/index.ts'
import { faultOf, thrownBy } from '../../helpers/faults.ts'
import { connectionTo } from '../../helpers/mesh.ts'

const signal = new AbortController().signal
const list = { method: 'GET', path: '/subscriptions', what: 'the webhooks' } as const

describe('Event Mesh REST: tokens', () => {
  let broker: EventMeshBroker
  let rest: MeshRest
  let now: Date

  beforeEach(async () => {
    broker = await eventMeshBroker({ tokenLifetimeSeconds: 1_000 })
    now = new Date()
    rest = createRest(connectionTo(broker), { now: () => now })
  })
  afterEach(async () => {
    rest.close()
    await broker.stop()
  })

  const issued = async () => (await broker.state()).tokensIssued

  it('asks for one token however many calls wait for it', async () => {
    await Promise.all(Array.from({ length: 20 }, () => rest.messaging(list)))
    expect(await issued()).to.equal(1)
  })

  it('keeps it until 300 s before its end, and not longer', async () => {
    await rest.messaging(list)
    now = new Date(now.getTime() + 699_000)
    await rest.messaging(list)
    expect(await issued()).to.equal(1)
    now = new Date(now.getTime() + 2_000)
    await rest.messaging(list)
    expect(await issued()).to.equal(2)
  })

  it('drops a token that is refused, and tries once with a new one', async () => {
    await rest.messaging(list)
    await broker.revokeTokens()
    expect((await rest.messaging(list)).status).to.equal(200)
    expect(await issued()).to.equal(2)
  })

  it('does not ask for ever where every token is refused', async () => {
    await broker.switch({ faults: [{ match: '/subscriptions', answer: 401 }] })
    const fault = await faultOf(rest.messaging(list))
    expect(fault.code).to.equal('mesh-unauthorized')
    expect(fault.retry).to.deep.equal({ afterMs: 60_000 })
    expect(await issued()).to.equal(2)
  })

  it('says that the credentials are wrong, and never what they are', async () => {
    const wrong = { ...connectionTo(broker).messaging.client, clientSecret: 'not-the-secret' }
    const refused = createRest({ messaging: { url: broker.url, client: wrong } })
    const fault = await faultOf(refused.messaging(list))
    expect(fault.code).to.equal('mesh-unauthorized')
    expect(JSON.stringify([fault.message, fault.stack, toFault(fault)])).to.not.include('not-the-secret')
    refused.close()
  })

  it('asks again after the token server was down', async () => {
    await broker.switch({ tokensDown: true })
    expect((await faultOf(rest.messaging(list))).retry).to.equal('backoff')
    await broker.switch({ tokensDown: false })
    expect((await rest.messaging(list)).status).to.equal(200)
  })

  it('does not take a page of HTML for a token', async () => {
    await broker.switch({ faults: [{ match: '/oauth/token', answer: 200, body: '<html>log in</html>' }] })
    expect((await faultOf(rest.messaging(list))).code).to.equal('mesh-unauthorized')
  })
})

describe('Event Mesh REST: a broker that answers oddly', () => {
  let broker: EventMeshBroker
  before(async () => {
    broker = await eventMeshBroker()
    await broker.queue('q')
  })
  after(() => broker.stop())

  const consume = async (fault: Omit<Fault, 'match'>) => {
    await broker.switch({ faults: [{ match: 'consumption', ...fault }] })
    const pull = meshPull(connectionTo(broker), 'q', { timeoutMs: 300 })
    try {
      return await faultOf(pull.consume(signal))
    } finally {
      pull.close()
    }
  }

  const permanent: readonly (readonly [number, string])[] = [
    [400, 'mesh-bad-request'],
    [403, 'mesh-forbidden'],
    [404, 'mesh-not-found'],
    [409, 'mesh-conflict'],
    [413, 'mesh-too-large'],
  ]
  for (const [status, code] of permanent) {
    it(`takes ${status} for permanent`, async () => {
      const fault = await consume({ answer: status })
      expect(fault).to.include({ code, retry: 'never', httpStatus: status })
    })
  }

  for (const status of [301, 408, 429, 500, 502, 503, 504]) {
    it(`takes ${status} for something that passes`, async () => {
      expect(await consume({ answer: status })).to.include({ code: 'mesh-unavailable', retry: 'backoff' })
    })
  }

  it('waits as long as it is asked to, but no longer than a day', async () => {
    const asked = await consume({ answer: 429, headers: { 'retry-after': '7' } })
    expect(asked.retry).to.deep.equal({ afterMs: 7_000 })
    const forever = await consume({ answer: 503, headers: { 'retry-after': '99999999' } })
    expect(forever.retry).to.deep.equal({ afterMs: 86_400_000 })
    expect((await consume({ answer: 503, headers: { 'retry-after': 'soon' } })).retry).to.equal('backoff')
  })

  it('does not take a page of HTML for a message', async () => {
    const headers = { 'content-type': 'text/html' }
    expect((await consume({ answer: 200, headers, body: '<html>' })).code).to.equal('mesh-unavailable')
  })

  it('hands on what a publisher calls compressed as it came', async () => {
    const headers = { 'content-encoding': 'gzip', 'x-message-id': '1' }
    await broker.switch({ faults: [{ match: 'consumption', answer: 200, headers, body: 'no gzip' }] })
    const pull = meshPull(connectionTo(broker), 'q')
    const message = await pull.consume(signal)
    pull.close()
    expect(Buffer.from(message?.body ?? []).toString()).to.equal('no gzip')
    expect(message?.headers['content-encoding']).to.deep.equal(['gzip'])
  })

  it('does not take a page of HTML for a change, or for an acknowledgement', async () => {
    const html = { answer: 200, headers: { 'content-type': 'text/html' }, body: '<html>' } as const
    await broker.switch({ faults: [{ match: 'acknowledgement|PUT', ...html }] })
    const pull = meshPull(connectionTo(broker), 'q')
    expect((await faultOf(pull.acknowledge('1', signal))).code).to.equal('mesh-unavailable')
    pull.close()
    const manager = manageMesh({ queue: 'q', connection: connectionTo(broker), subscribe: { topics: ['a'] } })
    const added = manager.carryOut({ step: 'add-topic', queue: 'q', topic: 'a' })
    expect((await faultOf(added)).code).to.equal('mesh-unavailable')
    manager.close()
  })

  it('does not take a message that it could not acknowledge', async () => {
    expect((await consume({ answer: 200, body: '{"a":1}' })).code).to.equal('mesh-unavailable')
  })

  it('gives up waiting for a broker that says nothing', async () => {
    expect((await consume({ answer: 'hang' })).code).to.equal('mesh-timeout')
  })

  it('takes a cut connection for something that passes, and shows nothing of the request', async () => {
    const fault = await consume({ answer: 'cut' })
    expect(fault).to.include({ code: 'mesh-unreachable', retry: 'backoff' })
    expect(JSON.stringify([fault.message, fault.cause ?? null])).to.not.match(/Bearer|ey[A-Z]/)
  })

  it('does not take HTML for the state of a queue', async () => {
    const html = { answer: 200, headers: { 'content-type': 'text/html' }, body: '<html>' } as const
    await broker.switch({ faults: [{ match: 'GET .*/queues/q', ...html }] })
    const manager = manageMesh({ queue: 'q', connection: connectionTo(broker), subscribe: { topics: [] } })
    expect((await faultOf(manager.look())).code).to.equal('mesh-unavailable')
    manager.close()
  })
})

describe('Event Mesh REST: credentials', () => {
  const address: MeshAddress = {
    url: 'https://mesh.example',
    tokenUrl: 'https://uaa.example/oauth/token',
    clientId: 'client',
    clientSecret: 'secret',
  }
  const oa2 = { clientid: 'client', clientsecret: 'secret', tokenendpoint: 'https://uaa.example/oauth/token' }
  const binding = {
    namespace: 'default/my.app/1',
    messaging: [
      { protocol: ['amqp10ws'], uri: 'wss://mesh.example/protocols/amqp10ws', oa2 },
      { protocol: ['httprest'], uri: 'https://mesh.example/', broker: { type: 'saprestmgw' }, oa2 },
    ],
    management: [{ uri: 'https://hub.example', oa2 }],
  }

  it('come from a binding as both products write it', () => {
    const connection = connectionOfService('messaging', { credentials: binding })
    expect(connection.messaging.url).to.equal('https://mesh.example')
    expect(connection.management).to.include({ basePath: '/hub/rest/api/v1/management/messaging' })
    expect(connection.namespace).to.equal('default/my.app/1')
    const suite = { credentials: binding, managementBasePath: '/sap-event-mesh/rest/api/v1' }
    expect(connectionOfService('messaging', suite).management?.basePath).to.equal('/sap-event-mesh/rest/api/v1')
  })

  it('may be a certificate', () => {
    const uaa = { certificate: 'CERT', key: 'KEY', certurl: 'https://cert.uaa.example' }
    const { client } = connectionOfService('messaging', { credentials: { ...binding, uaa } }).messaging
    expect(client).to.deep.equal({
      tokenUrl: 'https://cert.uaa.example/oauth/token',
      clientId: 'client',
      certificate: 'CERT',
      key: 'KEY',
    })
  })

  it('prove a client by its certificate over TLS', async () => {
    const tls = await eventMeshBroker({ tls: true })
    const mine = await tls.certificate('sb-mesh')
    const client = { clientId: 'sb-mesh', clientSecret: '', certificate: mine.certificate, scopes: [], audience: ['x'] }
    const broker = await eventMeshBroker({ tls: true, clients: [client] })
    const { url, tokenUrl, ca = '' } = broker
    const right = createRest(connectionOf({ url, tokenUrl, clientId: 'sb-mesh', ...mine, ca }))
    const another = await tls.certificate('sb-mesh')
    const wrong = createRest(connectionOf({ url, tokenUrl, clientId: 'sb-mesh', ...another, ca }))
    try {
      expect((await right.messaging(list)).status).to.equal(200)
      expect((await faultOf(wrong.messaging(list))).code).to.equal('mesh-unauthorized')
    } finally {
      right.close()
      wrong.close()
      await Promise.all([tls.stop(), broker.stop()])
    }
  })

  it('reach only a server that an authority vouches for', async () => {
    const broker = await eventMeshBroker({ tls: true })
    const { ca, ...untrusted } = connectionTo(broker)
    const rest = createRest(untrusted)
    expect((await faultOf(rest.messaging(list))).code).to.equal('mesh-unreachable')
    rest.close()
    await broker.stop()
    expect(ca).to.be.a('string')
  })

  const broken: readonly (readonly [string, () => unknown])[] = [
    ['no binding', () => connectionOfService('messaging', undefined)],
    ['no REST messaging', () => connectionOfService('m', { credentials: { messaging: [binding.messaging[0]] } })],
    ['an empty secret', () => connectionOf({ ...address, clientSecret: '' })],
    ['an empty client id', () => connectionOf({ ...address, clientId: '' })],
    ['no address', () => connectionOf({ ...address, url: 'mesh.example' })],
    ['credentials in the address', () => connectionOf({ ...address, url: 'https://a:b@mesh.example' })],
    ['an unknown dialect', () => connectionOf({ ...address, dialect: 'solace' as never })],
    ['an unknown setting', () => connectionOf({ ...address, secret: 'x' } as never)],
  ]
  for (const [what, make] of broken) {
    it(`are refused at start: ${what}`, () => {
      const fault = thrownBy(make)
      expect(fault).to.include({ code: 'configuration', retry: 'never' })
      expect(fault.remedy).to.be.a('string')
    })
  }

  it('without management are refused where the queue shall be managed', () => {
    const { management, ...rest } = binding
    const connection = connectionOfService('messaging', { credentials: rest })
    expect(thrownBy(() => manageMesh({ queue: 'q', connection, subscribe: { topics: [] } })).message).to.match(
      /management/,
    )
    expect(management).to.have.length(1)
  })

  for (const topic of ['a//b', 'a/*/b', 'a/b*', '/a', 'x'.repeat(151), Array(21).fill('a').join('/')]) {
    it(`refuses the topic ${topic.slice(0, 20)}`, () => {
      const connection = connectionOf(address)
      expect(thrownBy(() => manageMesh({ queue: 'q', connection, subscribe: { topics: [topic] } })).code).to.equal(
        'configuration',
      )
    })
  }
})
