import { expect } from 'chai'
import { SluiceError } from '#domain/errors'
import type { Inbox } from '#domain/ports'
import type { Source } from '#domain/source'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { NO_METER } from '../../srv/runtime/untold.ts'
import { virtualClock } from '../../testing/virtual-clock.ts'
import { frontDoor } from '../helpers/front-door.ts'
import { hmacSource, signed } from '../helpers/hmac-source.ts'
import { never, untilSo } from '../helpers/turns.ts'
import { required } from '../helpers/workshop.ts'

const body = '{"amount":1}'
const typeError = () => {
  throw new TypeError('undefined is not a function')
}

/** A memory inbox whose intake does what a test says, until it is mended. */
function breakable(store: Inbox['intake']['store']) {
  const memory = memoryInbox()
  let broken = true
  const inbox: Inbox = {
    ...memory,
    intake: { store: (batch) => (broken ? store(batch) : memory.intake.store(batch)) },
  }
  return {
    inbox,
    memory,
    mend: () => {
      broken = false
    },
  }
}

describe('gateway: the store fails (peer defect 3)', () => {
  for (const [what, store] of [
    ['is gone', () => Promise.reject(new SluiceError('store-unavailable', 'The store is away.'))],
    ['throws what nobody expected', () => Promise.reject(new TypeError('x is undefined'))],
    ['throws before it is a promise', typeError],
    ['rejects with nothing', () => Promise.reject(undefined)],
    ['gives no outcome', async () => []],
  ] as const satisfies readonly (readonly [string, Inbox['intake']['store']])[]) {
    it(`${what}: 503 with Retry-After, never 4xx, never 2xx, and 200 as soon as it is back`, async () => {
      const { inbox, memory, mend } = breakable(store)
      const door = await frontDoor({ inbox })
      for (let n = 0; n < 3; n += 1) {
        const answer = await door.send({ headers: signed(body, { 'x-correlation-id': `try-${n}` }), body })
        expect([answer.status, answer.headers['retry-after']]).to.deep.equal([503, '5'])
        expect(JSON.parse(answer.text)).to.deep.equal({
          type: 'urn:sluice:problem:store-unavailable',
          title: 'The inbox is not available.',
          status: 503,
        })
      }
      expect(memory.state.deliveries.size).to.equal(0)
      const told = door.log.lines.filter(({ level }) => level === 'error').map(({ fields }) => fields.correlationId)
      expect(told).to.deep.equal(['try-0'])
      mend()
      expect((await door.send({ headers: signed(body), body })).status).to.equal(200)
      expect(memory.state.events.size).to.equal(1)
      await door.close()
    })
  }

  it('gives no outcome: the log names what happened, and nothing of the delivery', async () => {
    const commits: boolean[] = []
    const meter = { ...NO_METER, committing: () => (stored: boolean) => void commits.push(stored) }
    const door = await frontDoor({ inbox: breakable(async () => []).inbox, meter })
    await door.send({ headers: signed(body, { 'x-correlation-id': 'c-1' }), body })
    expect(door.log.lines.filter(({ level }) => level === 'error').map(({ fields }) => fields)).to.deep.equal([
      {
        source: 'shop',
        correlationId: 'c-1',
        code: 'outcome-missing',
        message: 'The inbox resolved without an outcome for the delivery.',
        refused: 1,
      },
    ])
    expect(commits).to.deep.equal([false])
    await door.close()
  })

  it('is told at once, then once in ten seconds with the number of refusals, and once when it is over', async () => {
    const clock = virtualClock()
    const { inbox, mend } = breakable(() => Promise.reject(new SluiceError('store-unavailable', 'The disk is full.')))
    const door = await frontDoor({ inbox, clock })
    const deliver = async (times: number) => {
      for (let n = 0; n < times; n += 1) {
        await door.gateway.receive({ method: 'POST', url: '/shop', headers: signed(body), body })
      }
    }
    await deliver(1_000)
    await clock.advance(10_000)
    mend()
    await deliver(1)
    await clock.advance(10_000)
    await deliver(1)
    const told = door.log.lines.filter(({ message }) => message.includes('stored'))
    expect(told.map(({ level, message, fields }) => [level, message, fields.refused])).to.deep.equal([
      ['error', 'a delivery could not be stored', 1],
      ['error', 'a delivery could not be stored', 999],
      ['info', 'deliveries are stored again', 0],
    ])
    await door.close()
  })

  it('does not count as a refusal of the sender', async () => {
    const { inbox, memory } = breakable(() => Promise.reject(new Error('no')))
    const door = await frontDoor({ inbox })
    await door.send({ headers: signed(body), body })
    await door.close()
    expect(memory.state.rejections.size).to.equal(0)
  })

  it('is 503 too where a source needs what the store keeps for it', async () => {
    const memory = memoryInbox()
    const journal = {
      ...memory.journal,
      sourceState: () => Promise.reject(new SluiceError('store-unavailable', 'The store is away.')),
    }
    const source = hmacSource({ handshake: async (_delivery, { state }) => void (await state.get('grant')) })
    const door = await frontDoor({ inbox: { ...memory, journal }, sources: { shop: source } })
    for (let n = 0; n < 3; n += 1) {
      const answer = await door.send({ headers: signed(body), body })
      expect([answer.status, JSON.parse(answer.text).type]).to.deep.equal([503, 'urn:sluice:problem:store-unavailable'])
    }
    expect(door.log.messages('error')).to.deep.equal(['a delivery could not be verified'])
    await door.close()
  })
})

describe('gateway: a source is broken', () => {
  for (const name of ['handshake', 'verify', 'control'] as const) {
    for (const [how, broken] of [
      ['throws', typeError],
      ['rejects', async () => typeError()],
      ['rejects with nothing', () => Promise.reject(undefined)],
      ['never ends', never],
    ] as const) {
      it(`${name} ${how}: 503, because it is not the sender's fault, and the process lives`, async () => {
        const source = hmacSource()
        const door = await frontDoor({
          sources: { broken: { ...source, [name]: broken }, shop: source },
          limits: { verifyTimeoutMs: 20 },
        })
        const answer = await door.send({ path: '/webhooks/broken', headers: signed(body), body })
        expect([answer.status, answer.headers['retry-after']]).to.deep.equal([503, '5'])
        expect(JSON.parse(answer.text).type).to.equal('urn:sluice:problem:verifier-unavailable')
        expect(door.deliveries()).to.deep.equal([])
        expect(door.log.messages('error')).to.deep.equal(['a delivery could not be verified'])
        expect((await door.send({ headers: signed(body), body })).status).to.equal(200)
        await door.close()
      })
    }
  }

  it('aborts what a source waits for when its time is up', async () => {
    const source = hmacSource({
      verify: (_delivery, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    })
    const door = await frontDoor({ sources: { shop: source }, limits: { verifyTimeoutMs: 20 } })
    expect((await door.send({ headers: signed(body), body })).status).to.equal(503)
    await door.close()
  })

  for (const [what, verify] of [
    ['cannot say yet', () => ({ ok: 'unknown', retryAfterMs: 1_500 })],
    ['cannot say when', () => ({ ok: 'unknown', retryAfterMs: Number.NaN })],
  ] as const satisfies readonly (readonly [string, Source['verify']])[]) {
    it(`${what}: 503 with its wish, never 4xx`, async () => {
      const door = await frontDoor({ sources: { shop: hmacSource({ verify }) } })
      const answer = await door.send({ headers: signed(body), body })
      expect(answer.status).to.equal(503)
      expect(answer.headers['retry-after']).to.match(/^[12]$/)
      await door.close()
    })
  }

  for (const [what, verification] of [
    ['nothing', undefined],
    ['a yes in words', { ok: 'yes' }],
    ['a one', { ok: 1 }],
    ['an empty object', {}],
  ] as const) {
    it(`verify says ${what}: that is no yes`, async () => {
      const verify = () => verification as never
      const door = await frontDoor({ sources: { shop: hmacSource({ verify }) } })
      const { status } = await door.send({ headers: signed(body), body })
      expect([401, 503]).to.include(status)
      expect(door.deliveries()).to.deep.equal([])
      await door.close()
    })
  }

  it('sees 403 answered where a caller is known and may not', async () => {
    const verify = () => ({ ok: false, reason: 'scope-missing', status: 403 }) as const
    const door = await frontDoor({ sources: { shop: hmacSource({ verify }) } })
    const answer = await door.send({ body })
    expect([answer.status, JSON.parse(answer.text).type]).to.deep.equal([403, 'urn:sluice:problem:forbidden'])
    await door.close()
  })

  for (const [what, normalize] of [
    ['throws', typeError],
    ['returns nothing', () => undefined],
    ['throws later', async () => typeError()],
    ['promises nothing', async () => undefined],
    ['returns an item that is none', () => [undefined]],
    ['returns an item without a draft', () => [{ ok: true }]],
  ] as const) {
    it(`normalize ${what}: stored, quarantined, 200: to send it again would not help`, async () => {
      const door = await frontDoor({ sources: { shop: hmacSource({ normalize: normalize as never }) } })
      const answer = await door.send({ headers: signed(body), body })
      expect(answer.status).to.equal(200)
      expect(JSON.parse(answer.text).status).to.equal('quarantined')
      const delivery = required(door.deliveries()[0])
      expect(delivery).to.deep.include({
        outcome: 'quarantined',
        items: [{ kind: 'bad', reason: 'normalizer-failed' }],
      })
      expect(Buffer.from(required(delivery.payload)).toString()).to.equal(body)
      expect(door.log.messages('error')).to.deep.equal(['a source failed to normalize a verified delivery'])
      await door.close()
    })
  }

  it('normalize never ends: quarantined after a minute, so that the sender is answered', async () => {
    const clock = virtualClock()
    let normalizing = false
    const normalize = () => {
      normalizing = true
      return never()
    }
    const door = await frontDoor({ clock, sources: { shop: hmacSource({ normalize }) } })
    const answering = door.send({ headers: signed(body), body })
    await untilSo(() => normalizing)
    await clock.advance(60_000)
    const answer = await answering
    expect([answer.status, JSON.parse(answer.text).status]).to.deep.equal([200, 'quarantined'])
    await door.close()
  })

  it('quarantines only the item that is bad, and wakes the worker for the others', async () => {
    const good = hmacSource()
    const handled: string[] = []
    const door = await frontDoor({
      sources: {
        shop: hmacSource({
          normalize: async (...parts) => [
            { ok: false, reason: 'attribute-missing', detail: 'x'.repeat(1_000) },
            ...(await good.normalize(...parts)),
            { ignored: 'a test ping' },
          ],
        }),
      },
      subscriptions: [{ name: 'book', on: ['*'], handler: ({ id }) => void handled.push(id) }],
      worker: { idleMs: 86_400_000 },
    })
    const answer = await door.send({ headers: signed(body, { 'x-id': 'evt-1' }), body })
    expect(JSON.parse(answer.text).status).to.equal('quarantined')
    expect(door.deliveries()[0]?.items.map(({ kind }) => kind)).to.deep.equal(['bad', 'event', 'ignored'])
    while (handled.length === 0) await new Promise((resolve) => setImmediate(resolve))
    expect(handled).to.deep.equal(['evt-1'])
    await door.close()
  })

  // Mutation tried: without the catch around `reply` the sender hears 503 for ever, although its delivery is stored.
  for (const [what, reply] of [
    ['throws', typeError],
    ['returns a promise', async () => ({ status: 200 })],
    ['returns no status', () => ({})],
    ['returns a status nobody knows', () => ({ status: 9_999 })],
    ['returns a header with a line break', () => ({ status: 200, headers: { 'x-a': 'a\r\nb: c' } })],
    ['returns a body that is no text', () => ({ status: 200, body: { ok: true } })],
  ] as const) {
    it(`reply ${what}: 200 all the same, because the delivery is stored`, async () => {
      const door = await frontDoor({ sources: { shop: hmacSource({ reply: reply as never }) } })
      const answer = await door.send({ headers: signed(body), body })
      expect(answer.status).to.equal(200)
      expect(JSON.parse(answer.text)).to.deep.equal({ status: 'accepted', delivery: door.deliveries()[0]?.key })
      expect(door.events()).to.have.length(1)
      expect(door.log.messages('error')).to.deep.equal(['a source failed to answer a stored delivery'])
      await door.close()
    })
  }

  it('is asked for its own answer, which is sent as it is', async () => {
    const reply: Source['reply'] = ({ outcome }) => ({
      status: 202,
      headers: { 'x-outcome': outcome },
      body: '[accepted]',
    })
    const door = await frontDoor({ sources: { shop: hmacSource({ reply }) } })
    const [first, second] = [
      await door.send({ headers: signed(body), body }),
      await door.send({ headers: signed(body), body }),
    ]
    expect([first.status, first.headers['x-outcome'], first.text]).to.deep.equal([202, 'accepted', '[accepted]'])
    expect(second.headers['x-outcome']).to.equal('duplicate')
    await door.close()
  })

  it('says a conflict where one id comes with two contents, and keeps both deliveries', async () => {
    const door = await frontDoor()
    const outcomes: string[] = []
    for (const content of ['{"a":1}', '{"a":1}', '{"a":2}']) {
      const answer = await door.send({ headers: signed(content, { 'x-id': 'evt-1' }), body: content })
      outcomes.push(JSON.parse(answer.text).status)
    }
    expect(outcomes).to.deep.equal(['accepted', 'duplicate', 'conflict'])
    expect(door.events()).to.have.length(1)
    expect(door.deliveries()).to.have.length(3)
    await door.close()
  })
})

describe('gateway: sources whose content is never refused', () => {
  const always = (more: Partial<Source> = {}) => hmacSource({ acknowledge: 'always-ok', ...more })
  /** Knows the caller by a token, not by the body, as Event Mesh sources do. */
  const byToken: Partial<Source> = { verify: () => ({ ok: true, authlevel: 'token' }) }

  for (const [what, sending] of [
    ['a declared length', { body: Buffer.alloc(3_000, 'x') }],
    ['chunks', { body: [Buffer.alloc(2_000, 'x'), Buffer.alloc(1_000, 'x')] }],
  ] as const) {
    it(`keeps what fits of a body that is too large by ${what}, quarantined, 200`, async () => {
      const source = always({ ...byToken, normalize: () => expect.fail('a part is not to be parsed') })
      const door = await frontDoor({ sources: { shop: source }, limits: { maxBytes: 1_000 } })
      const answer = await door.send(sending)
      expect([answer.status, JSON.parse(answer.text).status]).to.deep.equal([200, 'quarantined'])
      const delivery = required(door.deliveries()[0])
      expect(delivery.items).to.deep.equal([{ kind: 'bad', reason: 'too-large' }])
      expect(delivery.payload).to.have.length(1_000)
      await door.close()
    })
  }

  it('answers 200 to poison, after it is stored', async () => {
    const door = await frontDoor({ sources: { shop: always({ ...byToken, normalize: typeError }) } })
    expect((await door.send({ body: Buffer.from([0xff, 0xfe, 0]) })).status).to.equal(200)
    expect(door.deliveries()[0]?.outcome).to.equal('quarantined')
    await door.close()
  })

  it('still refuses a caller it does not know, and still says 503 where the store is gone', async () => {
    const { inbox } = breakable(() => Promise.reject(new Error('no')))
    const door = await frontDoor({ inbox, sources: { shop: always() } })
    expect((await door.send({ body })).status).to.equal(401)
    expect((await door.send({ headers: signed(body), body })).status).to.equal(503)
    await door.close()
  })
})
