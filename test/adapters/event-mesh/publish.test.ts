import { expect } from 'chai'
import { type CloudEvent, HTTP } from 'cloudevents'
import type { Publishable, WriteScope } from '#domain/target'
import { connectionOf, eventMeshTarget, meshPull } from '../../../adapters/event-mesh/index.ts'
import { memoryInbox } from '../../../adapters/inbox/memory/index.ts'
import { createGateway, type Handler } from '../../../srv/gateway.ts'
import { type EventMeshBroker, eventMeshBroker } from '../../../testing/index.ts'
import { fakeTarget } from '../../helpers/fake-target.ts'
import { faultOf, thrownBy } from '../../helpers/faults.ts'
import { hmacSource, signed } from '../../helpers/hmac-source.ts'
import { connectionTo } from '../../helpers/mesh.ts'
import { until } from '../../testing/support.ts'

const namespace = 'default/my.app/1'
const signal = new AbortController().signal

/** What one attempt allows, and whether it believes that something was sent. */
function writeScope() {
  const sent = new Set<symbol>()
  let closed = false
  const scope: WriteScope = {
    dispatch: 'd',
    run: 1,
    firstTry: true,
    signal,
    now: () => new Date('2026-01-01T00:00:00Z'),
    requestId: (step) => `request-${step}`,
    guard: () => {
      if (closed) throw new Error('the lease is lost')
    },
    sent: () => {
      const one = Symbol('sent')
      sent.add(one)
      return () => sent.delete(one)
    },
    wrote: () => undefined,
  }
  return { scope, sent, close: () => (closed = true) }
}

describe('Event Mesh as a target', () => {
  let broker: EventMeshBroker
  beforeEach(async () => {
    const rules = { publish: [`${namespace}/*`], subscribe: ['*'], queues: ['*'] }
    broker = await eventMeshBroker({ rules })
    await broker.queue('all', [`${namespace}/*`])
  })
  afterEach(() => broker.stop())

  const target = (more: object = {}) =>
    eventMeshTarget({ connection: connectionTo(broker, { namespace }), timeoutMs: 500, ...more })

  /** Publishes within one attempt. */
  async function publish(event: Publishable, options = {}, more = {}) {
    const mesh = target(more)
    const attempt = writeScope()
    try {
      return { ...(await mesh.session(attempt.scope).publish?.(event, options)), sent: attempt.sent.size }
    } finally {
      await mesh.close?.()
    }
  }
  const arrived = async () => {
    const pull = meshPull(connectionTo(broker), 'all')
    const message = await pull.consume(signal)
    pull.close()
    return message && { ...message, text: Buffer.from(message.body).toString() }
  }
  const refusal = async (event: Publishable, options = {}) => {
    const mesh = target()
    const attempt = writeScope()
    const session = mesh.session(attempt.scope)
    const fault = await faultOf(Promise.resolve(session.publish?.(event, options)))
    await mesh.close?.()
    return { code: fault.code, retry: fault.retry, sent: attempt.sent.size }
  }

  const order: Publishable = {
    key: '0198-key',
    id: 'sender-1',
    type: 'commerce.order.created.v1',
    subject: 'Order/4711',
    time: '2026-01-01T10:00:00.1234567Z',
    datacontenttype: 'application/json',
    partitionkey: 'Order/4711',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    dataText: '{"id":12345678901234567890,"b":1}',
  }

  it('sends CloudEvents that a foreign SDK reads, by CAP’s conventions for topic and source', async () => {
    expect(await publish(order)).to.deep.equal({ id: '0198-key', sent: 1 })
    expect(await broker.calls()).to.include(
      `POST /messagingrest/v1/topics/${encodeURIComponent(`${namespace}/ce/commerce/order/created/v1`)}/messages`,
    )
    const message = await arrived()
    const headers = { 'content-type': message?.headers['content-type']?.[0] ?? '' }
    const event = HTTP.toEvent({ headers, body: message?.text ?? '' }) as CloudEvent<unknown>
    expect(event.validate()).to.equal(true)
    expect(event).to.include({
      id: '0198-key',
      source: `/${namespace}`,
      type: 'commerce.order.created.v1',
      subject: 'Order/4711',
      partitionkey: 'Order/4711',
      traceparent: order.traceparent,
    })
    // Foreign SDKs round; the bytes on the wire do not.
    expect(message?.text).to.include('"data":{"id":12345678901234567890,"b":1}')
    expect(message?.text).to.include('"time":"2026-01-01T10:00:00.1234567Z"')
  })

  it('gives a handler’s own event an id that is the same with every try', async () => {
    const own = { type: 'my.event.v1', data: { a: 1 } }
    expect(await publish(own)).to.include({ id: 'request-publish' })
    expect(await publish(own, { step: 'second' })).to.include({ id: 'request-second' })
    expect(await publish({ ...own, id: 'mine' })).to.include({ id: 'mine' })
    expect(await publish({ ...own, id: 'mine' }, { id: 'given' })).to.include({ id: 'given' })
  })

  it('sends text as text, bytes as base64, and nothing as nothing', async () => {
    await publish({ type: 'a.v1', datacontenttype: 'text/csv', dataText: 'a;"b"' })
    expect(JSON.parse((await arrived())?.text ?? '')).to.include({ datacontenttype: 'text/csv', data: 'a;"b"' })
    await publish({ type: 'a.v1', datacontenttype: 'application/octet-stream', data: Buffer.from([0, 255]) })
    expect(JSON.parse((await arrived())?.text ?? '')).to.include({ data_base64: 'AP8=' })
    await publish({ type: 'a.v1' })
    expect(JSON.parse((await arrived())?.text ?? '')).to.not.have.any.keys('data', 'data_base64')
  })

  it('takes a topic with the namespace in it, and a prefix of its own', async () => {
    await publish(order, { topic: '$namespace/orders' })
    await publish(order, {}, { publishPrefix: `${namespace}/x/`, source: '/mine' })
    const calls = (await broker.calls()).filter((call) => call.includes('/topics/'))
    expect(calls.map((call) => decodeURIComponent(call.split('/topics/')[1] ?? ''))).to.deep.equal([
      `${namespace}/orders/messages`,
      `${namespace}/x/commerce/order/created/v1/messages`,
    ])
    await arrived()
    expect(JSON.parse((await arrived())?.text ?? '').source).to.equal('/mine')
  })

  const permanent: readonly (readonly [string, string, Publishable, object])[] = [
    ['the topic rules forbid', 'mesh-forbidden', order, { topic: 'elsewhere/x' }],
    ['has no topic', 'topic-invalid', order, { topic: 'a//b' }],
    ['would go to a wildcard', 'topic-invalid', order, { topic: 'a/*' }],
    ['goes to too long a topic', 'topic-invalid', { ...order, type: 'x'.repeat(151) }, {}],
    ['has a type with a blank', 'topic-invalid', { ...order, type: 'a b' }, {}],
    ['has no type', 'permanent', { ...order, type: '' }, { topic: '$namespace/x' }],
    ['is too large', 'permanent', { ...order, dataText: `"${'x'.repeat(1_048_576)}"` }, {}],
  ]
  for (const [what, code, event, options] of permanent) {
    it(`gives up at once what ${what}`, async () => {
      expect(await refusal(event, options)).to.deep.equal({ code, retry: 'never', sent: 0 })
    })
  }

  it('tries again what the broker cannot take now', async () => {
    await broker.switch({ faults: [{ match: '/topics/', answer: 429, headers: { 'retry-after': '3' } }] })
    expect(await refusal(order)).to.deep.equal({ code: 'mesh-unavailable', retry: { afterMs: 3_000 }, sent: 0 })
    await broker.switch({ faults: [{ match: '/topics/', answer: 503 }] })
    expect(await refusal(order)).to.deep.equal({ code: 'mesh-unavailable', retry: 'backoff', sent: 0 })
  })

  for (const answer of ['cut', 'hang', 502] as const) {
    it(`does not know what became of an event after ${answer}, and tries again`, async () => {
      await broker.switch({ faults: [{ match: '/topics/', answer }] })
      expect(await refusal(order)).to.deep.include({ retry: 'backoff', sent: 1 })
    })
  }

  it('does not take a page of HTML for an acknowledgement', async () => {
    const html = { answer: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body: '<html>' }
    await broker.switch({ faults: [{ match: '/topics/', ...html }] })
    expect(await refusal(order)).to.deep.include({ code: 'mesh-unavailable' })
  })

  it('sends nothing for an attempt that is over', async () => {
    const mesh = target()
    const attempt = writeScope()
    attempt.close()
    const thrown = await Promise.resolve(mesh.session(attempt.scope).publish?.(order)).then(
      () => undefined,
      (error: Error) => error.message,
    )
    expect(thrown).to.equal('the lease is lost')
    expect(await arrived()).to.equal(undefined)
    await mesh.close?.()
  })

  it('knows what it passed on when it sees it again: by its own source and the inbox’s key', async () => {
    const mesh = target()
    const key = '01a22ce1-6208-7000-a15e-6779886a00fd'
    const { id } = (await mesh.session(writeScope().scope).publish?.({ ...order, key })) ?? {}
    const { source } = JSON.parse((await arrived())?.text ?? '{}')
    expect(id).to.equal(key)
    expect(mesh.sentFrom?.({ source, id: key })).to.equal(key)
    expect(mesh.sentFrom?.({ source: '/default/sap.s4.beh/HQ01CLNT100', id: key })).to.equal(undefined)
    expect(mesh.sentFrom?.({ source, id: 'evt-1' }), 'an id of a handler’s own').to.equal(undefined)
    await mesh.close?.()
  })

  it('has no records', async () => {
    const mesh = target()
    const session = mesh.session(writeScope().scope)
    expect((await faultOf(session.read('A', {}))).code).to.equal('configuration')
    expect((await faultOf(mesh.fetch('A', {}, signal))).code).to.equal('configuration')
    await mesh.close?.()
  })

  it('is refused at start without a source or a namespace', () => {
    const { messaging, management } = connectionTo(broker)
    const connection = { messaging, ...(management ? { management } : {}) }
    expect(thrownBy(() => eventMeshTarget({ connection })).code).to.equal('configuration')
    expect(thrownBy(() => eventMeshTarget({ connection, source: '/a' })).code).to.equal('configuration')
    expect(() => eventMeshTarget({ connection, source: '/a', publishPrefix: 'a/b/' })).to.not.throw()
    expect(connectionOf).to.be.a('function')
  })

  it('repeats an event whose acknowledgement was lost with the same id, so that receivers recognize it', async () => {
    const mesh = target()
    const handler: Handler = (event, { targets }) => targets.mesh?.publish(event)
    const gateway = createGateway({
      inbox: memoryInbox(),
      sources: { shop: hmacSource() },
      targets: { mesh },
      subscriptions: [{ name: 'out', on: ['*'], handler, retry: { scheduleMs: [1] } }],
    })
    await gateway.start()
    try {
      // The broker took it, and the answer never came.
      await broker.switch({ faults: [{ match: '/topics/', answer: 'cut', after: true, times: 1 }] })
      await gateway.receive({ method: 'POST', url: '/webhooks/shop', headers: signed('{}'), body: Buffer.from('{}') })
      await until(async () => ((await broker.state()).queues[0]?.ready ?? 0) === 2)
      const [first, second] = [await arrived(), await arrived()]
      expect(JSON.parse(first?.text ?? '').id).to.be.a('string')
      expect(JSON.parse(second?.text ?? '').id).to.equal(JSON.parse(first?.text ?? '').id)
    } finally {
      await gateway.stop()
    }
  })

  it('says so where a target that is no broker shall publish', async () => {
    const failures: string[] = []
    const handler: Handler = async (event, { targets }) => {
      const fault = await faultOf(Promise.resolve(targets.erp?.publish(event)))
      failures.push(fault.code)
    }
    const gateway = createGateway({
      inbox: memoryInbox(),
      sources: { shop: hmacSource() },
      targets: { erp: fakeTarget().target },
      subscriptions: [{ name: 'out', on: ['*'], handler }],
    })
    await gateway.start()
    try {
      await gateway.receive({ method: 'POST', url: '/webhooks/shop', headers: signed('{}'), body: Buffer.from('{}') })
      await until(() => failures.length === 1)
      expect(failures).to.deep.equal(['configuration'])
    } finally {
      await gateway.stop()
    }
  })
})
