import { createServer } from 'node:http'
import { expect } from 'chai'
import {
  cloudevents,
  eventMesh,
  github,
  hmac,
  shopify,
  standardWebhooks,
  stripe,
} from '../../adapters/sources/index.ts'
import { PermanentError, RetryAfterError } from '../../srv/gateway.ts'
import { closeServer, listen } from '../../testing/http.ts'
import {
  fakeTarget,
  type Simulation,
  type SimulationOptions,
  signed,
  simulate,
  simulatedSource,
} from '../../testing/index.ts'
import { faultOf } from '../helpers/faults.ts'
import { never } from '../helpers/turns.ts'

const HOUR_MS = 3_600_000
const AUTH = { kind: 'jwt', jwksUrl: 'https://issuer.example/keys', audience: 'sluice' } as const
const SECRET = 'a-secret-of-the-test'
const WHSEC = `whsec_${Buffer.from('0123456789abcdef01234567').toString('base64')}`

describe('testing: simulate', () => {
  let app: Simulation<'erp'>
  const open = (options: SimulationOptions<'erp'> = {}) => {
    app = simulate(options)
    return app
  }
  afterEach(() => app?.stop())

  describe('signed deliveries', () => {
    for (const [kind, source, delivery, type] of [
      [
        'github',
        github({ secrets: [SECRET] }),
        signed.github({ secret: SECRET, event: 'push', body: { ref: 'x' } }),
        'code.repository.pushed.v1',
      ],
      [
        'stripe',
        stripe({ secrets: [SECRET] }),
        signed.stripe({ secret: SECRET, type: 'payment_intent.succeeded' }),
        'payment.succeeded.v1',
      ],
      [
        'shopify',
        shopify({ secrets: [SECRET] }),
        signed.shopify({ secret: SECRET, topic: 'orders/create', body: { id: 1 } }),
        'commerce.order.created.v1',
      ],
      [
        'standard-webhooks',
        standardWebhooks({ secrets: [WHSEC] }),
        signed.standardWebhooks({ secret: WHSEC, body: { type: 'paid' } }),
        'standard-webhooks.paid',
      ],
      [
        'hmac',
        hmac({ secrets: [SECRET], header: 'X-Sign', id: '/id', type: '/t', provider: 'acme' }),
        signed.hmac({ secret: SECRET, header: 'X-Sign', body: { id: '1', t: 'made' } }),
        'acme.made',
      ],
      ['cloudevents', cloudevents({ auth: AUTH }), signed.cloudevents({ type: 'a.b' }), 'a.b'],
      [
        'event-mesh',
        eventMesh({ queue: 'q', auth: AUTH }),
        signed.eventMesh({ type: 'sap.s4.x', data: {} }),
        'sap.s4.x',
      ],
    ] as const) {
      it(`are taken by kind ${kind} on any day, are one event however often they come, and not from strangers`, async () => {
        const seen: string[] = []
        open({ sources: { shop: source }, startAt: '2031-05-05T05:05:05Z' })
        app.gateway.on('*', { name: 'book' }, (event) => void seen.push(event.type))
        const first = await app.deliver('shop', delivery)
        expect([Math.floor(first.status / 100), first.events.length]).to.deep.equal([2, 1])
        await app.advance(HOUR_MS)
        const second = await app.deliver('shop', delivery)
        expect([Math.floor(second.status / 100), second.events.length]).to.deep.equal([2, 0])
        expect([undefined, 'duplicate']).to.include((second.json as { status?: string } | undefined)?.status)
        await app.settle()
        expect(seen).to.deep.equal([type])
        const { headers, body } = delivery(app.clock.now())
        const forged = Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [
            name,
            /sign|hmac|auth/.test(name) ? `${value.slice(0, -2)}${value.endsWith('00') ? '11' : '00'}` : value,
          ]),
        )
        expect((await app.deliver('shop', { headers: forged, body })).status).to.equal(401)
      })
    }
  })

  it('runs handlers, and keeps what they return and write', async () => {
    const erp = fakeTarget({ entities: { Orders: { key: ['ID'], reference: 'Reference' } } })
    open({ targets: { erp } })
    app.gateway.on<{ total: string }>('order.created', { name: 'book' }, async (event, { targets }) => {
      const { key } = await targets.erp.create('Orders', { Total: event.data.total }, { reference: event.id })
      return { booked: key }
    })
    const { events } = await app.send({ type: 'order.created', id: 'o-1', data: { total: '19.99' } })
    const [dispatch] = await app.settle()
    expect(dispatch).to.deep.include({
      event: events[0],
      eventId: 'o-1',
      subscription: 'book',
      status: 'done',
      attempts: 1,
      result: { booked: { ID: '1' } },
    })
    expect(erp.writes).to.have.length(1)
    expect(erp.writes[0]).to.deep.include({
      action: 'create',
      entity: 'Orders',
      reference: 'o-1',
      data: { Total: '19.99' },
    })
    expect(erp.rows('Orders')).to.deep.equal([{ ID: '1', Total: '19.99', Reference: 'o-1' }])
  })

  it('tries again when virtual time has come, and not before', async () => {
    const erp = fakeTarget()
    open({ targets: { erp } })
    const retry = { scheduleMs: [60_000], attempts: 3 }
    app.gateway.on('*', { name: 'book', retry }, (event, { targets }) =>
      targets.erp.create('Orders', {}, { reference: event.id }),
    )
    erp.refuseNext()
    await app.send({ type: 'a' })
    const [waiting] = await app.settle()
    expect(waiting).to.deep.include({ status: 'waiting', reason: 'target-busy', attempts: 1 })
    expect(waiting?.error).to.deep.include({ code: 'target-busy' })
    expect(waiting?.retryAt?.getTime()).to.equal(app.clock.now().getTime() + 60_000)
    expect((await app.advance(59_999))[0]?.attempts).to.equal(1)
    expect((await app.advance(1))[0]).to.deep.include({ status: 'done', attempts: 2 })
    expect(erp.writes).to.have.length(1)
  })

  it('makes one record of a create whose answer was lost', async () => {
    const erp = fakeTarget()
    open({ targets: { erp } })
    app.gateway.on('*', { name: 'book' }, (event, { targets }) =>
      targets.erp.create('Orders', {}, { reference: event.id }),
    )
    erp.loseNext()
    await app.send({ type: 'a' })
    await app.settle()
    const [dispatch] = await app.advance(HOUR_MS)
    expect(dispatch).to.deep.include({ status: 'done' })
    expect(dispatch?.attempts).to.be.above(1)
    expect(erp.writes).to.have.length(1)
  })

  it('knows dead, retry and replay', async () => {
    let broken = true
    open()
    app.gateway.on('*', { name: 'book' }, () => {
      if (broken) throw new PermanentError('no such customer')
    })
    const { events } = await app.send({ type: 'a' })
    const [dead] = await app.settle()
    expect(dead).to.deep.include({ status: 'dead', reason: 'permanent' })
    expect(dead?.error?.message).to.equal('no such customer')
    broken = false
    await app.gateway.admin.retry(dead?.id ?? '', 'test')
    expect((await app.settle())[0]?.status).to.equal('done')
    await app.gateway.admin.replay(events[0] ?? '', 'book', 'test')
    expect((await app.settle()).map(({ run, status }) => [run, status])).to.deep.equal([
      [1, 'done'],
      [2, 'done'],
    ])
  })

  it('keeps the order of a lane, and the wish of a handler to be asked later', async () => {
    const seen: string[] = []
    let busy = true
    open()
    app.gateway.on('*', { name: 'book' }, ({ id }) => {
      if (busy) throw new RetryAfterError(5_000, 'later')
      seen.push(id)
    })
    for (const id of ['1', '2', '3']) await app.send({ type: 'a', id, object: { type: 'Order', key: '7' } })
    await app.settle()
    busy = false
    await app.advance(60_000)
    expect(seen).to.deep.equal(['1', '2', '3'])
  })

  it('lets a handler run out of virtual time', async () => {
    open({ patienceMs: 50 })
    let aborted = false
    app.gateway.on('*', { name: 'book', timeoutMs: 20_000, retry: { attempts: 1 } }, (_event, { signal }) => {
      signal.addEventListener('abort', () => {
        aborted = true
      })
      return never()
    })
    await app.send({ type: 'a' })
    const fault = await faultOf(app.settle())
    expect(fault).to.include({ code: 'still-running' })
    expect(fault.message).to.match(/^book did not end .* advance\(ms\)/)
    expect((await app.advance(20_000))[0]).to.deep.include({ status: 'dead', reason: 'timeout' })
    expect(aborted).to.equal(true)
  })

  // Mutation: let `advance` be the clock's own: the handler is then taken for one that ran out of time (tried).
  it('waits for what really takes time while virtual time stands still', async () => {
    const server = createServer((_request, response) => void setTimeout(() => response.end('slow'), 20))
    const port = await listen(server, 0)
    try {
      open({ patienceMs: 5_000 })
      let broken = true
      app.gateway.on('*', { name: 'book', timeoutMs: 1, retry: { scheduleMs: [10] } }, async () => {
        const text = await (await fetch(`http://127.0.0.1:${port}`)).text()
        if (broken) throw new Error('once')
        return text
      })
      await app.send({ type: 'a' })
      await app.settle()
      broken = false
      expect((await app.advance(HOUR_MS))[0]).to.deep.include({ status: 'done', attempts: 2, result: 'slow' })
    } finally {
      await closeServer(server)
    }
  })

  it('names the source of an event where a filter asks for it', async () => {
    const seen: string[] = []
    open({ sources: { s4: simulatedSource() } })
    app.gateway.on('*', { name: 'book', sources: ['s4'] }, ({ origin, data }) => void seen.push(`${origin} ${data}`))
    await app.send({ type: 'a', data: 1 })
    await app.send({ type: 'a', data: 2 }, 's4')
    await app.settle()
    expect(seen).to.deep.equal(['s4 2'])
  })

  it('keeps data as it was written, and logs what a test may look at', async () => {
    const texts: unknown[] = []
    open()
    app.gateway.on('*', { name: 'book' }, ({ dataText }, { log }) => {
      texts.push(dataText)
      log.info('booked', { total: 1 })
    })
    await app.send({ type: 'a', dataText: '{"id":9007199254740993}' })
    await app.settle()
    expect(texts).to.deep.equal(['{"id":9007199254740993}'])
    expect(app.log.find(({ message }) => message === 'booked')?.fields).to.deep.equal({ total: 1 })
  })

  it('refuses handlers after the first delivery, as a gateway does', async () => {
    open()
    await app.send({ type: 'a' })
    expect(() => app.gateway.on('*', { name: 'late' }, () => {})).to.throw('before start()')
  })
})
