import { expect } from 'chai'
import { type EventMeshBroker, eventMeshBroker, type QueueState } from '../../testing/index.ts'
import { type Receiver, receiver, until } from './support.ts'

const minute = 60_000
const topic = 'sap/S4HANAOD/hq01/ce/sap/s4/beh/salesorder/v1/SalesOrder/Created/v1'
const messaging = 'messagingrest/v1'

describe('Event Mesh simulator', () => {
  let broker: EventMeshBroker
  let hook: Receiver
  let answer: () => Promise<number> | number

  beforeEach(async () => {
    broker = await eventMeshBroker()
    answer = () => 200
    hook = await receiver(() => answer())
    await broker.queue('orders', ['+/+/+/ce/*'])
  })
  afterEach(() => Promise.all([broker.stop(), hook.stop()]))

  const queue = async (name = 'orders'): Promise<QueueState> => {
    const found = (await broker.state()).queues.find((each) => each.name === name)
    if (!found) throw new Error(`no queue ${name}`)
    return found
  }
  const subscription = async () => (await broker.state()).subscriptions[0]
  const active = () => until(async () => (await subscription())?.subscriptionStatus === 'ACTIVE')
  const publish = async (count: number) => {
    for (let n = 0; n < count; n++) await broker.publish(topic, { n })
  }
  const call = async (method: string, path: string, headers: Record<string, string> = {}, body?: string) => {
    const authorization = `Bearer ${await broker.token()}`
    return fetch(`${broker.url}/${path}`, { method, headers: { authorization, ...headers }, ...(body && { body }) })
  }

  it('shakes hands with an origin and a token before it delivers', async () => {
    await broker.subscribe('orders', hook.url)
    await publish(1)
    await until(() => hook.deliveries().length === 1)
    const [handshake, delivery] = hook.received
    expect(handshake?.method).to.equal('OPTIONS')
    expect(handshake?.headers['webhook-request-origin']).to.equal(broker.origin)
    expect(handshake?.headers.authorization).to.match(/^Bearer ey/)
    expect(delivery?.headers['x-address']).to.equal(`topic:${topic}`)
    expect(delivery?.headers['content-type']).to.equal('application/cloudevents+json')
    expect(delivery?.headers.authorization).to.match(/^Bearer ey/)
    await until(async () => (await queue()).acked === 1)
  })

  it('stays paused when the handshake fails, and after a later one until it is resumed', async () => {
    const refusing = await receiver(() => 200)
    await refusing.stop()
    await broker.subscribe('orders', refusing.url)
    await until(async () => (await subscription())?.handshakeStatus === 'FAILED')
    await publish(1)
    expect((await subscription())?.subscriptionStatus).to.equal('PAUSED')
    const resume = () => call('PUT', `${messaging}/subscriptions/orders/state`, {}, '{"action":"resume"}')
    expect((await resume()).status).to.equal(400)

    expect((await call('DELETE', `${messaging}/subscriptions/orders`)).status).to.equal(204)
    await broker.subscribe('orders', hook.url)
    await active()
    await call('PUT', `${messaging}/subscriptions/orders/state`, {}, '{"action":"pause"}')
    expect((await call('POST', `${messaging}/subscriptions/orders/handshake`)).status).to.equal(202)
    expect(await subscription()).to.include({ handshakeStatus: 'COMPLETED', subscriptionStatus: 'PAUSED' })
    expect((await resume()).status).to.equal(202)
    await until(() => hook.deliveries().length === 1)
  })

  it('has 18 messages under way and no more until one is acknowledged', async () => {
    const waiting: ((status: number) => void)[] = []
    answer = () => new Promise((resolve) => waiting.push(resolve))
    await broker.subscribe('orders', hook.url)
    await active()
    await publish(25)
    await until(() => waiting.length === 18)
    expect(await queue()).to.include({ ready: 7, unacked: 18 })
    waiting.shift()?.(204)
    await until(() => waiting.length === 18)
    expect(await queue()).to.include({ ready: 6, unacked: 18, acked: 1 })
    answer = () => 200
    for (const resolve of waiting) resolve(200)
    await until(async () => (await queue()).acked === 25)
  })

  it('keeps the place of a message that fails, so that 18 poisoned ones stop the queue', async () => {
    answer = () => 500
    await broker.subscribe('orders', hook.url)
    await active()
    await publish(20)
    await until(async () => (await queue()).nacked === 18)
    expect(await queue()).to.include({ ready: 2, unacked: 18 })
    expect((await subscription())?.slotsUsed).to.equal(18)
  })

  it('comes again after 15 minutes and then ever later, whatever the refusal was', async () => {
    answer = () => 400
    await broker.subscribe('orders', hook.url)
    await active()
    await publish(1)
    let tries = 1
    for (const waitMs of [15, 30, 60, 120].map((minutes) => minutes * minute)) {
      await until(async () => (await queue()).nacked === tries)
      await broker.advance(waitMs - 5000)
      expect((await queue()).redelivered).to.equal(tries - 1)
      await broker.advance(5000)
      tries++
      await until(() => hook.deliveries().length === tries)
    }
    answer = () => 202
    await until(async () => (await queue()).nacked === tries)
    await broker.advance(24 * 60 * minute)
    await until(async () => (await queue()).acked === 1)
  })

  it('gives up after the maximum of redeliveries and moves the message to the dead message queue', async () => {
    answer = () => 503
    await broker.queue('dead')
    await broker.queue('orders', [], { maxRedeliveryCount: 1, deadMsgQueue: 'dead' })
    await broker.subscribe('orders', hook.url)
    await active()
    await publish(1)
    await until(async () => (await queue()).nacked === 1)
    await broker.advance(15 * minute)
    await until(async () => (await queue('dead')).ready === 1)
    expect(await queue()).to.include({ dead: 1, unacked: 0, nacked: 2 })
    expect((await subscription())?.slotsUsed).to.equal(0)
  })

  it('drops what has outlived its time to live, also while paused', async () => {
    await broker.queue('orders', [], { maxTtl: 60 })
    await publish(1)
    await broker.advance(61_000)
    expect(await queue()).to.include({ ready: 0, purged: 1 })
  })

  it('tries once at QoS 0', async () => {
    answer = () => 500
    await broker.subscribe('orders', hook.url, { qos: 0 })
    await active()
    await publish(1)
    await until(async () => (await queue()).unacked === 0)
    await broker.advance(60 * minute)
    expect(hook.deliveries()).to.have.length(1)
  })

  it('takes a connection that breaks for a refusal', async () => {
    await broker.subscribe('orders', hook.url)
    await active()
    await hook.stop()
    await publish(1)
    await until(async () => (await queue()).nacked === 1)
  })

  it('demands x-qos and a token', async () => {
    const path = `${messaging}/topics/${encodeURIComponent(topic)}/messages`
    for (const headers of [{}, { 'x-qos': '2' }]) expect((await call('POST', path, headers, '{}')).status).to.equal(400)
    expect((await call('POST', path, { 'x-qos': '0' }, '{}')).status).to.equal(204)
    const wrong = { 'x-qos': '1', authorization: 'Bearer wrong' }
    expect((await call('POST', path, wrong, '{}')).status).to.equal(401)
  })

  it('lets messages be pulled and acknowledged', async () => {
    await publish(1)
    const qos = { 'x-qos': '1' }
    const pulled = await call('POST', `${messaging}/queues/orders/messages/consumption`, qos)
    expect(pulled.status).to.equal(200)
    expect(await pulled.json()).to.deep.equal({ n: 0 })
    const id = pulled.headers.get('x-message-id')
    expect((await call('POST', `${messaging}/queues/orders/messages/consumption`, qos)).status).to.equal(204)
    expect((await call('POST', `${messaging}/queues/orders/messages/${id}/acknowledgement`, qos)).status).to.equal(204)
    expect((await call('POST', `${messaging}/queues/orders/messages/${id}/acknowledgement`, qos)).status).to.equal(404)
    expect(await queue()).to.include({ acked: 1, unacked: 0 })
  })

  it('matches topics by segment, and forgets what nobody subscribed to', async () => {
    await broker.queue('narrow', ['sap/+/hq01/ce/sap/s4/beh/salesorder/v1/SalesOrder/Changed/v1'])
    await publish(1)
    await broker.publish('sap/S4HANAOD/hq01/ce/sap/s4/beh/salesorder/v1/SalesOrder/Changed/v1', {})
    await broker.publish('elsewhere/x', {})
    expect((await queue('narrow')).enqueued).to.equal(1)
    expect((await queue('orders')).enqueued).to.equal(2)
    expect((await broker.state()).unrouted).to.equal(1)
  })

  it('tells a new queue from an updated one', async () => {
    const path = 'hub/rest/api/v1/management/messaging/queues/a%2Fb'
    expect((await call('PUT', path, {}, '{}')).status).to.equal(201)
    expect((await call('PUT', path, {}, '{"maxRedeliveryCount":3}')).status).to.equal(200)
    expect(await (await call('GET', path)).json()).to.include({ name: 'a/b', maxRedeliveryCount: 3, messageCount: 0 })
    expect((await call('PUT', path, {}, '{"maxTtl":604801}')).status).to.equal(400)
  })
})

describe('Event Mesh simulator: what at-least-once allows', () => {
  /** Which messages came twice tells in which order they were picked: every fifth of them did. */
  const deliveredTwice = async (): Promise<readonly string[]> => {
    const broker = await eventMeshBroker({ shuffleSeed: 7, duplicateEvery: 5 })
    const hook = await receiver(() => 200)
    await broker.queue('q', ['t/*'])
    for (let n = 0; n < 15; n++) await broker.publish('t/x', String(n))
    await broker.subscribe('q', hook.url)
    await until(() => hook.deliveries().length === 18)
    const bodies = hook.deliveries().map(({ body }) => body)
    await Promise.all([broker.stop(), hook.stop()])
    expect(new Set(bodies).size).to.equal(15)
    return bodies.filter((body, n) => bodies.indexOf(body) !== n).sort()
  }

  it('shuffles and duplicates, the same way for the same seed', async () => {
    const [first, second] = [await deliveredTwice(), await deliveredTwice()]
    expect(first).to.have.length(3)
    expect(second).to.deep.equal(first)
    expect(first).to.not.deep.equal(['14', '4', '9'])
  })
})
