import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node'
import { PermanentError } from 'cap-sluice'
import { expect } from 'chai'
import type { Item } from '#domain/source'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { openTelemetry } from '../../adapters/telemetry/opentelemetry.ts'
import { createGateway } from '../../srv/gateway.ts'
import { virtualClock } from '../../testing/virtual-clock.ts'
import { fakeTarget } from '../helpers/fake-target.ts'
import { type FrontDoor, frontDoor } from '../helpers/front-door.ts'
import { hmacSource, SECRET, sign, signed } from '../helpers/hmac-source.ts'
import { pollBench } from '../helpers/poll-bench.ts'
import { recordedSpans, traceparentOf } from '../helpers/recorded-spans.ts'
import { untilSo } from '../helpers/turns.ts'

const SENDER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const body = '{"iban":"DE02120300000000202051"}'
const item = (attributes: object): readonly Item[] => [
  {
    ok: true,
    draft: {
      identity: { id: '1' },
      attributes: { id: '1', source: '/shop', type: 'order.created', ...attributes },
      nature: 'state',
      object: { type: 'Order', key: '4711', version: '1' },
      data: body,
    },
  },
]

const only = (found: readonly ReadableSpan[]): ReadableSpan => {
  const [span] = found
  if (!span || found.length !== 1) throw new Error(`${found.length} spans`)
  return span
}

describe('OpenTelemetry', () => {
  let spans: ReturnType<typeof recordedSpans>
  let door: FrontDoor | undefined
  beforeEach(() => {
    spans = recordedSpans()
  })
  afterEach(async () => {
    await door?.close()
    door = undefined
    await spans.close()
  })

  /** One gateway takes deliveries and another one works: all they share is the store. */
  async function twoGateways(
    attributes: object = {},
    handler: (targets: Record<string, { create: (...parts: never[]) => unknown }>) => unknown = () => undefined,
  ) {
    const clock = virtualClock()
    const inbox = memoryInbox({ now: clock.now })
    const erp = fakeTarget()
    erp.records.set('4711', { data: { ID: '4711' }, version: '1' })
    door = await frontDoor({
      clock,
      inbox,
      roles: ['intake'],
      tracer: openTelemetry(),
      sources: { shop: hmacSource({ normalize: () => item(attributes) }) },
    })
    const worker = createGateway({
      clock,
      inbox,
      roles: ['worker'],
      tracer: openTelemetry(),
      targets: { erp: erp.target },
      subscriptions: [
        {
          name: 'book',
          on: ['*'],
          fetch: { target: 'erp' },
          retry: { attempts: 2, baseMs: 1_000 },
          handler: (_event, { targets }) => handler(targets as never),
        },
      ],
    })
    await worker.start()
    const isSettled = () =>
      [...inbox.state.dispatches.values()].length > 0 &&
      [...inbox.state.dispatches.values()].every(({ status }) => status !== 'waiting')
    return {
      clock,
      inbox,
      erp,
      async deliver(headers: Record<string, string> = {}) {
        const answer = await door?.send({ path: '/webhooks/shop?token=hidden', body, headers: signed(body, headers) })
        expect(answer?.status).to.equal(200)
      },
      async worked() {
        for (let second = 0; second < 10 && !isSettled(); second += 1) await clock.advance(1_000)
        await untilSo(isSettled)
        await worker.stop()
      },
    }
  }

  it('traces an event from its sender through the store to the write in the ERP', async () => {
    const { deliver, worked, inbox } = await twoGateways({}, ({ erp }) =>
      erp?.create(...(['Orders', { ID: '1' }, { reference: 'r-1' }] as never[])),
    )
    await deliver({ traceparent: SENDER })
    await worked()
    const [delivery, store, attempt, fetched, written] = [
      'POST shop',
      'store shop',
      'process book',
      'fetch erp/Orders',
      'create erp/Orders',
    ].map((name) => only(spans.named(name))) as [ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan]
    expect(spans.all()).to.have.length(5)
    const ways = [delivery, store, attempt, fetched, written].map((span) => [
      span.spanContext().traceId,
      span.parentSpanContext?.spanId,
      span.kind,
    ])
    const traceId = SENDER.slice(3, 35)
    expect(ways).to.deep.equal([
      [traceId, SENDER.slice(36, 52), SpanKind.SERVER],
      [traceId, delivery.spanContext().spanId, SpanKind.PRODUCER],
      [traceId, store.spanContext().spanId, SpanKind.CONSUMER],
      [traceId, attempt.spanContext().spanId, SpanKind.CLIENT],
      [traceId, attempt.spanContext().spanId, SpanKind.CLIENT],
    ])
    expect(attempt.links.map(({ context }) => context.spanId)).to.deep.equal([store.spanContext().spanId])
    const [event] = inbox.state.events.values()
    expect(event?.attributes.traceparent).to.equal(traceparentOf(store))
    expect(delivery.attributes).to.deep.equal({
      'sluice.source': 'shop',
      'http.request.method': 'POST',
      'url.path': '/webhooks/shop',
      'http.response.status_code': 200,
    })
    expect(store.attributes).to.deep.equal({
      'messaging.system': 'sluice',
      'messaging.operation.type': 'send',
      'messaging.operation.name': 'store',
      'messaging.destination.name': 'shop',
      'sluice.delivery.id': event?.delivery,
      'sluice.delivery.outcome': 'accepted',
    })
    expect(attempt.attributes).to.deep.equal({
      'messaging.system': 'sluice',
      'messaging.operation.type': 'process',
      'messaging.operation.name': 'process',
      'messaging.destination.name': 'shop',
      'messaging.destination.subscription.name': 'book',
      'messaging.message.id': event?.key,
      'cloudevents.event_id': '1',
      'cloudevents.event_type': 'order.created',
      'sluice.delivery.id': event?.delivery,
      'sluice.dispatch.run': 1,
      'sluice.dispatch.attempt': 1,
      'sluice.attempt.outcome': 'ok',
    })
    expect(written.attributes).to.deep.equal({
      'sluice.target.name': 'erp',
      'sluice.target.kind': 'fake',
      'sluice.target.entity': 'Orders',
      'sluice.write.outcome': 'created',
    })
  })

  it('keeps the trace that a sender has begun with the event itself, and refers to it', async () => {
    const { deliver, worked, inbox } = await twoGateways({ traceparent: SENDER, tracestate: 'shop=1' })
    await deliver()
    await worked()
    const [event] = inbox.state.events.values()
    expect(event?.attributes).to.include({ traceparent: SENDER, tracestate: 'shop=1' })
    const store = only(spans.named('store shop'))
    expect(store.links.map(({ context }) => context.spanId)).to.deep.equal([SENDER.slice(36, 52)])
    const attempt = only(spans.named('process book'))
    expect(attempt.spanContext().traceId).to.equal(SENDER.slice(3, 35))
    expect(attempt.links[0]?.context.traceState?.serialize()).to.equal('shop=1')
  })

  it('takes what is no trace for none', async () => {
    const { deliver, worked } = await twoGateways({ traceparent: '00-not-a-trace' })
    await deliver({ traceparent: '00-00000000000000000000000000000000-0000000000000000-01' })
    await worked()
    const attempt = only(spans.named('process book'))
    expect([attempt.parentSpanContext, attempt.links]).to.deep.equal([undefined, []])
    expect(only(spans.named('POST shop')).parentSpanContext).to.equal(undefined)
  })

  it('shows each try in the event’s trace, with the code of what went wrong and none of its words', async () => {
    let tries = 0
    const { deliver, worked } = await twoGateways({}, () => {
      tries += 1
      throw tries === 1 ? new Error(body) : new PermanentError(body)
    })
    await deliver()
    await worked()
    const attempts = spans.named('process book')
    const store = only(spans.named('store shop'))
    expect(attempts.map(({ status, attributes }) => [status, attributes['sluice.dispatch.attempt']])).to.deep.equal([
      [{ code: SpanStatusCode.ERROR }, 1],
      [{ code: SpanStatusCode.ERROR }, 2],
    ])
    expect(attempts.map(({ parentSpanContext }) => parentSpanContext?.spanId)).to.deep.equal(
      attempts.map(() => store.spanContext().spanId),
    )
    expect(attempts.every(({ attributes }) => typeof attributes['error.type'] === 'string')).to.equal(true)
    expect(attempts.flatMap(({ events }) => events)).to.deep.equal([])
  })

  it('lets no payload, no query string and no secret into a span', async () => {
    const { deliver, worked } = await twoGateways({}, ({ erp }) =>
      erp?.create(...(['Orders', { IBAN: body }, { reference: 'r-1' }] as never[])),
    )
    await deliver({ authorization: 'Bearer hidden' })
    await worked()
    const told = JSON.stringify(
      spans.all().map(({ name, attributes, events, status, links }) => ({ name, attributes, events, status, links })),
    )
    expect(told).to.include('create erp/Orders')
    for (const secret of ['DE02', 'hidden', SECRET, sign(body), 'r-1', '4711']) expect(told).not.to.include(secret)
  })

  it('is a step of the host’s own span where that has one', async () => {
    const { deliver } = await twoGateways()
    const host = trace.getTracer('host').startSpan('POST /webhooks/shop', { kind: SpanKind.SERVER }, ROOT_CONTEXT)
    const { gateway } = door as FrontDoor
    const answer = await trace
      .getTracer('host')
      .startActiveSpan('request', {}, trace.setSpan(ROOT_CONTEXT, host), async (active) => {
        const reply = await gateway.receive({
          method: 'POST',
          url: '/webhooks/shop',
          headers: signed(body, { traceparent: SENDER }),
          body: Buffer.from(body),
        })
        active.end()
        return reply
      })
    host.end()
    expect(answer.status).to.equal(200)
    const delivery = only(spans.named('receive shop'))
    expect(delivery.kind).to.equal(SpanKind.INTERNAL)
    expect(delivery.parentSpanContext?.spanId).to.equal(only(spans.named('request')).spanContext().spanId)
    await deliver()
    expect(spans.named('POST shop')).to.have.length(1)
  })

  it('traces what a poll finds from its pages on', async () => {
    const { clock, inbox, feed, policy, change } = pollBench()
    const gateway = createGateway({
      clock,
      inbox,
      targets: { erp: feed.target },
      polls: [policy({ startFrom: 'beginning' })],
      tracer: openTelemetry(),
    })
    change('4711')
    await gateway.start()
    await untilSo(() => spans.named('poll orders').length > 0)
    await gateway.stop()
    const poll = only(spans.named('poll orders'))
    const [event] = inbox.state.events.values()
    expect(event?.attributes.traceparent).to.equal(traceparentOf(poll))
    expect(poll.attributes).to.include({ 'messaging.destination.name': 'orders', 'messaging.batch.message_count': 1 })
    expect(only(spans.named('changes erp/Orders')).parentSpanContext?.spanId).to.equal(poll.spanContext().spanId)
  })

  it('does not draw the worker’s own rounds into the trace of whoever woke it', async () => {
    const clock = virtualClock()
    const inbox = memoryInbox({ now: clock.now })
    const claimedIn: unknown[] = []
    const work = {
      ...inbox.work,
      claim: (...request: Parameters<typeof inbox.work.claim>) => {
        claimedIn.push(trace.getActiveSpan())
        return inbox.work.claim(...request)
      },
    }
    door = await frontDoor({
      clock,
      inbox: { ...inbox, work },
      tracer: openTelemetry(),
      subscriptions: [{ name: 'book', on: ['*'], handler: () => undefined }],
    })
    await untilSo(() => claimedIn.length > 0)
    await door.send({ body, headers: signed(body) })
    await untilSo(() => spans.named('process book').length > 0)
    expect(claimedIn.length).to.be.above(1)
    expect(claimedIn.every((span) => span === undefined)).to.equal(true)
  })

  it('costs and keeps nothing where no SDK is registered', async () => {
    await spans.close()
    const tracer = openTelemetry()
    const { target } = fakeTarget()
    const session = {}
    const scope = {} as never
    expect(tracer.target('erp', { ...target, session: () => session as never }).session(scope)).to.equal(session)
    expect(await tracer.store('shop', async (span) => ({ outcome: String(span), delivery: '' }))).to.include({
      outcome: 'undefined',
    })
    const { deliver, worked, inbox } = await twoGateways()
    await deliver()
    await worked()
    const [event] = inbox.state.events.values()
    expect(event?.attributes).not.to.have.property('traceparent')
    expect(spans.all()).to.deep.equal([])
  })
})
