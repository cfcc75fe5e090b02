import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { SluiceError } from '#domain/errors'
import type { Inbox } from '#domain/ports'
import { meshPull } from '../../../adapters/event-mesh/index.ts'
import { memoryInbox } from '../../../adapters/inbox/memory/index.ts'
import { eventMesh } from '../../../adapters/sources/index.ts'
import { createGateway, type Gateway, type GatewayParts } from '../../../srv/gateway.ts'
import { type EventMeshBroker, eventMeshBroker } from '../../../testing/index.ts'
import { fakeTarget } from '../../helpers/fake-target.ts'
import { connectionTo, S4_TOPIC, s4Event } from '../../helpers/mesh.ts'
import { recordingLog } from '../../helpers/recording-log.ts'
import { until } from '../../testing/support.ts'

const MINUTE_MS = 60_000

/** A gateway that pulls, and in one test is pushed to as well, from a broker in a process of its own. */
describe('pulling from an Event Mesh', () => {
  let broker: EventMeshBroker
  let memory: ReturnType<typeof memoryInbox>
  let log: ReturnType<typeof recordingLog>
  let gateways: Gateway[]
  let server: Server | undefined

  beforeEach(async () => {
    gateways = []
    log = recordingLog()
    broker = await eventMeshBroker()
    await broker.queue('q/one', ['sap/S4HANAOD/hq01/ce/*', 'plain/*'])
    memory = memoryInbox()
  })
  afterEach(async () => {
    server?.closeAllConnections()
    server?.close()
    server = undefined
    await Promise.all(gateways.map((gateway) => gateway.stop({ timeoutMs: 2_000 })))
    await broker.stop()
  })

  const meshSource = (queue: string) => eventMesh({ queue, auth: { kind: 'none' } })
  const consumer = (name: string, queue = 'q/one', consumers = 4) => ({
    name,
    source: meshSource(queue),
    pull: meshPull(connectionTo(broker), queue, { timeoutMs: 2_000 }),
    consumers,
    idleMs: 50,
  })
  async function pulling(parts: Partial<GatewayParts> = {}): Promise<Gateway> {
    const gateway = createGateway({ inbox: memory, log, consumers: [consumer('s4')], ...parts })
    gateways.push(gateway)
    await gateway.start()
    return gateway
  }
  const queue = async (name = 'q/one') => {
    const found = (await broker.state()).queues.find((each) => each.name === name)
    if (!found) throw new Error(`no queue ${name}`)
    return found
  }
  const drained = (count: number, name?: string) => until(async () => (await queue(name)).acked === count)
  const ids = () => [...memory.state.events.values()].map(({ attributes }) => attributes.id).sort()
  const outcomes = () => [...memory.state.deliveries.values()].map(({ outcome }) => outcome)

  it('stores events, acknowledges them, and runs their handlers', async () => {
    const seen: (string | undefined)[] = []
    for (let n = 0; n < 30; n += 1) await broker.publish(S4_TOPIC, s4Event(`evt-${n}`))
    await pulling({
      subscriptions: [{ name: 'orders', on: ['*'], handler: (event) => void seen.push(event.object?.key) }],
    })
    await drained(30)
    await until(() => seen.length === 30)
    expect(ids()).to.have.length(30)
    expect(await queue()).to.include({ ready: 0, unacked: 0 })
    const [delivery] = memory.state.deliveries.values()
    expect(delivery).to.include({ origin: 's4', authlevel: 'token', url: '/pull/s4' })
  })

  it('takes the same event once, however often the queue hands it out', async () => {
    await pulling()
    for (let n = 0; n < 5; n += 1) await broker.publish(S4_TOPIC, s4Event('evt-1'))
    await drained(5)
    expect(ids()).to.deep.equal(['evt-1'])
    expect(outcomes().filter((outcome) => outcome === 'duplicate')).to.have.length(4)
  })

  it('sees a conflict where one id comes with another content, and keeps both bytes', async () => {
    await pulling()
    await broker.publish(S4_TOPIC, s4Event('evt-1', '1'))
    await broker.publish(S4_TOPIC, s4Event('evt-1', '2'))
    await drained(2)
    expect(outcomes()).to.have.members(['accepted', 'conflict'])
  })

  it('counts the same event from two queues as one event of each source', async () => {
    await broker.queue('q/two', ['sap/S4HANAOD/hq01/ce/*'])
    await pulling({ consumers: [consumer('s4'), consumer('s4-two', 'q/two')] })
    await broker.publish(S4_TOPIC, s4Event('evt-1'))
    await Promise.all([drained(1), drained(1, 'q/two')])
    expect([...memory.state.events.values()].map(({ origin }) => origin)).to.have.members(['s4', 's4-two'])
  })

  it('has one effect where the record is fetched, although two queues bring the event', async () => {
    await broker.queue('q/two', ['sap/S4HANAOD/hq01/ce/*'])
    const erp = fakeTarget({ A_SalesOrder: { key: ['SalesOrder'], object: 'SalesOrder' } })
    erp.records.set('4711', { data: { SalesOrder: '4711' }, version: '2026-01-01T10:00:00Z' })
    const seen: string[] = []
    await pulling({
      consumers: [consumer('s4'), consumer('s4-two', 'q/two')],
      targets: { erp: erp.target },
      subscriptions: [
        { name: 'orders', on: ['*'], fetch: { target: 'erp' }, handler: (event) => void seen.push(event.origin) },
      ],
    })
    await broker.publish(S4_TOPIC, s4Event('evt-1', '4711'))
    await until(() => {
      const ended = [...memory.state.dispatches.values()].map(({ status }) => status)
      return ended.length === 2 && !ended.includes('waiting')
    })
    expect(seen).to.have.length(1)
    expect([...memory.state.dispatches.values()].map(({ reason }) => reason)).to.include('absorbed')
  })

  it('is one event when the same source is pushed and pulled at once', async () => {
    const source = meshSource('q/one')
    const gateway = await pulling({ sources: { s4: source } })
    await broker.publish(S4_TOPIC, s4Event('evt-1'))
    const push = () =>
      gateway.receive({
        method: 'POST',
        url: '/webhooks/s4',
        headers: { 'content-type': 'application/cloudevents+json' },
        body: Buffer.from(JSON.stringify(s4Event('evt-1'))),
      })
    const [first, second] = await Promise.all([push(), push()])
    await drained(1)
    expect([first?.status, second?.status]).to.deep.equal([200, 200])
    expect(ids()).to.deep.equal(['evt-1'])
  })

  it('has one effect where it comes by webhook twice, by pull, and from a second queue, all at once', async () => {
    await broker.queue('q/two', ['sap/S4HANAOD/hq01/ce/*'])
    const erp = fakeTarget({ A_SalesOrder: { key: ['SalesOrder'], object: 'SalesOrder' } })
    erp.records.set('4711', { data: { SalesOrder: '4711' }, version: '2026-01-01T10:00:00Z' })
    const seen: string[] = []
    const gateway = await pulling({
      sources: { s4: meshSource('q/one') },
      consumers: [consumer('s4'), consumer('s4-two', 'q/two')],
      targets: { erp: erp.target },
      subscriptions: [
        { name: 'orders', on: ['*'], fetch: { target: 'erp' }, handler: (event) => void seen.push(event.origin) },
      ],
    })
    const push = () =>
      gateway.receive({
        method: 'POST',
        url: '/webhooks/s4',
        headers: { 'content-type': 'application/cloudevents+json' },
        body: Buffer.from(JSON.stringify(s4Event('evt-1', '4711'))),
      })
    const answers = await Promise.all([push(), broker.publish(S4_TOPIC, s4Event('evt-1', '4711')), push()])
    expect(answers.map((answer) => answer?.status)).to.deep.equal([200, undefined, 200])
    await Promise.all([drained(1), drained(1, 'q/two')])
    expect(outcomes().sort()).to.deep.equal(['accepted', 'accepted', 'duplicate', 'duplicate'])
    await until(() => [...memory.state.dispatches.values()].every(({ status }) => /done|skipped/.test(status)))
    expect([...memory.state.events.values()].map(({ origin }) => origin)).to.have.members(['s4', 's4-two'])
    expect(seen).to.have.length(1)
  })

  it('is not reachable from outside without a way to check who delivers', async () => {
    const gateway = await pulling()
    server = createServer(gateway.express()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const body = JSON.stringify(s4Event('forged'))
    for (const path of ['/webhooks/s4', '/pull/s4', '/s4']) {
      const headers = { 'content-type': 'application/cloudevents+json' }
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body })
      expect(answer.status, path).to.equal(404)
    }
    expect(ids()).to.deep.equal([])
  })

  it('keeps poison in quarantine and not in the queue, and goes on', async () => {
    await pulling()
    const poison = ['{"specversion":"1.0"', '\u0000', '[]', '{"specversion":"1.0","type":"t","source":"s"}']
    for (const body of poison) await broker.publish('plain/x', body)
    await broker.publish(S4_TOPIC, s4Event('evt-1'))
    await drained(poison.length + 1)
    expect(await queue()).to.include({ ready: 0, unacked: 0, dead: 0 })
    expect(ids()).to.include('evt-1')
    expect(outcomes().filter((outcome) => outcome === 'quarantined').length).to.be.greaterThan(2)
  })

  it('takes messages of any content type, and what names no topic by its queue', async () => {
    await pulling()
    await broker.publish('plain/x', '<p>4711</p>', 'text/html')
    await broker.publish('plain/x', '{"order":4711}', 'application/json')
    await drained(2)
    const events = [...memory.state.events.values()].map(({ attributes, data }) => [attributes.type, data])
    expect(events).to.have.deep.members([
      ['q.one', '<p>4711</p>'],
      ['q.one', '{"order":4711}'],
    ])
  })

  it('does not acknowledge while the store is down, and loses nothing', async () => {
    let isDown = true
    const inbox: Inbox = {
      ...memory,
      intake: {
        store: async (batch) => {
          if (isDown) throw new SluiceError('store-unavailable', 'The disk is full.')
          return memory.intake.store(batch)
        },
      },
    }
    await pulling({ inbox })
    await broker.publish(S4_TOPIC, s4Event('evt-1'))
    await until(() => log.messages('error').includes('a delivery could not be stored'))
    expect(await queue()).to.include({ acked: 0, unacked: 1 })
    isDown = false
    await drained(1)
    expect(ids()).to.deep.equal(['evt-1'])
  })

  it('gets a message again that was not acknowledged, as a duplicate', async () => {
    await broker.switch({ faults: [{ match: 'acknowledgement', answer: 404, times: 1 }] })
    await pulling()
    await broker.publish(S4_TOPIC, s4Event('evt-1'))
    await until(() => log.messages('warn').some((line) => line.includes('will come again')))
    expect(await queue()).to.include({ acked: 0, unacked: 1 })
    await broker.advance(15 * MINUTE_MS)
    await drained(1)
    expect(ids()).to.deep.equal(['evt-1'])
    expect(outcomes()).to.have.members(['accepted', 'duplicate'])
  })

  it('shares a queue among instances: each message goes to one', async () => {
    for (let n = 0; n < 40; n += 1) await broker.publish(S4_TOPIC, s4Event(`evt-${n}`))
    await Promise.all([pulling(), pulling({ consumers: [consumer('s4')] })])
    await drained(40)
    expect(ids()).to.have.length(40)
    expect(outcomes().every((outcome) => outcome === 'accepted')).to.equal(true)
  })

  it('leaves the queue alone without the role poller', async () => {
    const idle = memoryInbox()
    await pulling({ inbox: idle, roles: ['intake', 'worker'] })
    for (let n = 0; n < 20; n += 1) await broker.publish(S4_TOPIC, s4Event(`evt-${n}`))
    await pulling({ roles: ['poller'] })
    await drained(20)
    expect(ids()).to.have.length(20)
    expect(idle.state.events.size).to.equal(0)
  })

  it('takes up again after an outage of the broker, and says both once', async () => {
    await broker.switch({ faults: [{ match: 'consumption', answer: 503, headers: { 'retry-after': '0' }, times: 3 }] })
    const gateway = await pulling()
    await broker.publish(S4_TOPIC, s4Event('evt-1'))
    await drained(1)
    const told = log.lines.filter(({ message }) => message.includes('queue'))
    expect(told.map(({ message }) => message)).to.deep.equal([
      'the queue cannot be read and will be asked again',
      'the queue answers again',
    ])
    expect((await gateway.health()).risks).to.equal(undefined)
    expect((await gateway.observe()).lastDeliveryAt).to.have.property('s4')
  })

  it('takes back the alarm of an earlier life', async () => {
    await broker.switch({ faults: [{ match: 'consumption', answer: 403 }] })
    const first = await pulling()
    await until(async () => (await first.health()).risks?.[0]?.code === 'refused')
    await first.stop({ timeoutMs: 0 })
    await broker.switch({ faults: [] })
    const second = await pulling()
    await until(async () => (await second.health()).risks === undefined)
  })

  it('stops without losing what was handed out to it', async () => {
    for (let n = 0; n < 50; n += 1) await broker.publish(S4_TOPIC, s4Event(`evt-${n}`))
    const first = await pulling()
    await until(() => memory.state.events.size > 5)
    await first.drain()
    const { acked, unacked, ready } = await queue()
    expect({ acked, unacked, ready }).to.deep.equal({ acked: ids().length, unacked: 0, ready: 50 - ids().length })
  })
})
