import { expect } from 'chai'
import fc from 'fast-check'
import { PermanentError } from '#domain/errors'
import type { StoredEvent } from '#domain/event'
import { byteBudget } from '../../srv/runtime/byte-budget.ts'
import { correlationOf } from '../../srv/runtime/correlation.ts'
import { faultFields } from '../../srv/runtime/fault-fields.ts'
import { toHandlerEvent } from '../../srv/runtime/handler.ts'
import { newKey, requestId, sha256 } from '../../srv/runtime/ids.ts'
import { checkReply, problem, refusalProblem, retryLater } from '../../srv/runtime/problem.ts'
import { safeHeaders } from '../../srv/runtime/safe-headers.ts'
import { systemClock } from '../../srv/runtime/system-clock.ts'
import { ttlCache } from '../../srv/runtime/ttl-cache.ts'
import { orTimeout, withinTime } from '../../srv/runtime/within-time.ts'
import { virtualClock } from '../../testing/virtual-clock.ts'
import { faultOf } from '../helpers/faults.ts'
import { never } from '../helpers/turns.ts'

describe('byteBudget', () => {
  it('never lets more through than it has, and is whole again when all is given back', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60), { maxLength: 50 }), (wishes) => {
        const budget = byteBudget(100)
        const taken = wishes.filter((bytes) => budget.take(bytes) && budget.used <= 100)
        for (const bytes of taken) budget.give(bytes)
        return budget.used === 0
      }),
    )
  })

  it('gives to the last byte and not one more', () => {
    const budget = byteBudget(10)
    expect([budget.take(10), budget.take(1), budget.take(0)]).to.deep.equal([true, false, true])
    budget.give(10)
    expect(budget.take(10)).to.equal(true)
  })
})

describe('ttlCache', () => {
  it('forgets at the end of the time, not before', async () => {
    const clock = virtualClock()
    const cache = ttlCache(clock)
    cache.set('a', 1, 1_000)
    await clock.advance(999)
    expect(cache.get('a')).to.equal(1)
    await clock.advance(1)
    expect(cache.get('a')).to.equal(undefined)
  })

  it('takes a value anew with its new time', async () => {
    const clock = virtualClock()
    const cache = ttlCache(clock)
    cache.set('a', 1, 1_000)
    cache.set('a', 2, 5_000)
    await clock.advance(4_999)
    expect(cache.get('a')).to.equal(2)
  })

  it('holds a bounded number of entries, whoever fills it, and drops the oldest', () => {
    const cache = ttlCache(virtualClock())
    for (let n = 0; n <= 10_000; n += 1) cache.set(`k${n}`, n, 1_000)
    expect([cache.get('k0'), cache.get('k1'), cache.get('k10000')]).to.deep.equal([undefined, 1, 10_000])
  })

  it('keeps nothing without a time', () => {
    const cache = ttlCache(virtualClock())
    for (const ttlMs of [0, -1, Number.NaN]) {
      cache.set('a', 1, ttlMs)
      expect(cache.get('a')).to.equal(undefined)
    }
  })
})

describe('safeHeaders', () => {
  it('keeps a closed list and nothing that may hold a secret', () => {
    const kept = safeHeaders({
      'content-type': ['application/json'],
      'ce-id': ['1'],
      'ce-authtoken': ['secret'],
      'x-github-delivery': ['guid'],
      'x-shopify-hmac-sha256': ['secret'],
      'x-shopify-topic': ['orders/create'],
      'x-hub-signature-256': ['secret'],
      'stripe-signature': ['secret'],
      authorization: ['secret'],
      cookie: ['secret'],
      'x-api-key': ['secret'],
      'x-anything-new': ['secret'],
      'x-correlation-id': ['one', 'two'],
    })
    expect(JSON.parse(kept)).to.deep.equal({
      'content-type': 'application/json',
      'ce-id': '1',
      'x-github-delivery': 'guid',
      'x-shopify-topic': 'orders/create',
      'x-correlation-id': 'one, two',
    })
  })

  it('bounds every value', () => {
    expect(JSON.parse(safeHeaders({ 'user-agent': ['x'.repeat(5_000)] }))['user-agent']).to.have.length(1_024)
  })

  it('keeps nothing of headers it does not know, whatever their names and values', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^x-own-[a-z]{0,8}$/), fc.array(fc.string())),
        (headers) => safeHeaders(headers) === '{}',
      ),
    )
  })
})

describe('correlationOf', () => {
  it("is the caller's own id, cut at what a log line and an answer may hold", () => {
    expect(correlationOf({ 'x-correlation-id': ['x'.repeat(101)] })).to.equal('x'.repeat(100))
    expect(correlationOf({ 'x-request-id': ['other'], 'x-correlation-id': ['own', 'second'] })).to.equal('own')
    expect(correlationOf({ 'x-correlation-id': [''], 'x-vcap-request-id': ['router'] })).to.equal('router')
  })

  it('is a new one where the caller has none', () => {
    expect(correlationOf({})).to.match(/^[\da-f-]{36}$/)
    expect(correlationOf({})).to.not.equal(correlationOf({}))
  })
})

describe('problem', () => {
  it('is RFC 9457 with a stable type', () => {
    const { status, headers, body = '' } = problem('unknown-source')
    expect([status, headers?.['content-type']]).to.deep.equal([404, 'application/problem+json'])
    expect(JSON.parse(body)).to.deep.equal({
      type: 'urn:sluice:problem:unknown-source',
      title: 'No source is configured at this path.',
      status: 404,
    })
  })

  for (const [afterMs, seconds] of [
    [0, '1'],
    [1, '1'],
    [1_001, '2'],
    [-5, '1'],
    [Number.NaN, '1'],
  ] as const) {
    it(`asks to come again after ${seconds} s for ${afterMs} ms`, () => {
      expect(retryLater('overloaded', afterMs).headers?.['retry-after']).to.equal(seconds)
    })
  }

  it('tells a caller nothing of why it was refused', () => {
    const seen = [undefined, 401, 403].map((status) =>
      refusalProblem({ ok: false, reason: 'token-invalid', ...(status ? { status: status as 401 } : {}) }),
    )
    expect(seen.map(({ status }) => status)).to.deep.equal([401, 401, 403])
  })

  for (const [what, reply] of [
    ['no status', {}],
    ['a status in words', { status: '200' }],
    ['a status that is no answer', { status: 101 }],
    ['a body that is no text', { status: 200, body: {} }],
    ['a header with a line break', { status: 200, headers: { 'x-a': 'a\r\nb: c' } }],
    ['a header without a name', { status: 200, headers: { '': 'a' } }],
  ] as const) {
    it(`finds a reply with ${what}`, () => {
      expect(() => checkReply(reply as never)).to.throw()
    })
  }
})

describe('faultFields', () => {
  it('tells our own message, which is free of secrets', () => {
    const fields = faultFields(new PermanentError('The order is closed.', { httpStatus: 409 }))
    expect(fields).to.deep.equal({ code: 'permanent', message: 'The order is closed.', httpStatus: 409 })
  })

  it('tells name and place of everything else, because its message may quote what nobody may read', () => {
    const fields = parserFault('{"iban": DE02')
    expect(fields.code).to.equal('SyntaxError')
    expect(JSON.stringify(fields)).to.not.include('DE02')
    expect(fields.at).to.match(/^(JSON|parserFault|.*small-parts)/)
  })

  it('takes anything', () => {
    const hostile = Object.defineProperty(new Error('x'), 'stack', {
      get: () => {
        throw new Error('y')
      },
    })
    for (const thrown of [undefined, null, 'secret', hostile, new Proxy({}, refusesAll)]) {
      expect(JSON.stringify(faultFields(thrown))).to.equal('{"code":"Error"}')
    }
  })
})

const refusesAll: ProxyHandler<object> = {
  getPrototypeOf: () => {
    throw new Error('no')
  },
}

function parserFault(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    return faultFields(thrown)
  }
}

describe('ids', () => {
  it('are time-ordered, so that inserts append', () => {
    const keys = Array.from({ length: 1_000 }, newKey)
    expect(keys).to.deep.equal([...keys].sort())
    expect(new Set(keys).size).to.equal(1_000)
  })

  it('are the same for every try of one write, and different for all others', () => {
    const one = requestId('event:book', 1, 'header')
    expect(one).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-/)
    expect(requestId('event:book', 1, 'header')).to.equal(one)
    const others = [
      requestId('event:book', 2, 'header'),
      requestId('event:book', 1, 'item'),
      requestId('event:other', 1, 'header'),
      requestId('event:book","1', 1, 'header'),
    ]
    expect(new Set([one, ...others]).size).to.equal(5)
  })

  it('hash bytes, not what text makes of them', () => {
    expect(sha256(Buffer.from([0xff]))).to.not.equal(sha256('\ufffd'))
  })
})

describe('toHandlerEvent', () => {
  const stored = (more: Partial<StoredEvent> = {}): StoredEvent => ({
    key: 'k',
    origin: 'shop',
    delivery: 'd',
    nature: 'fact',
    attributes: { specversion: '1.0', id: '1', source: '/s', type: 't' },
    ...more,
  })
  const typed = (datacontenttype: string, data: string) =>
    toHandlerEvent(stored({ data, attributes: { ...stored().attributes, datacontenttype } }))

  it('parses JSON once, when it is asked for', () => {
    const event = toHandlerEvent(stored({ data: '{"a":1}' }))
    expect(event.data).to.deep.equal({ a: 1 })
    expect(event.data).to.equal(event.data)
  })

  for (const [type, data, parsed] of [
    ['application/json', '[1]', [1]],
    ['application/json; charset=utf-8', '[1]', [1]],
    ['application/cloudevents+json', '[1]', [1]],
    ['text/plain', '[1]', '[1]'],
    ['application/xml', '<a/>', '<a/>'],
    ['application/jsonlines', '[1]', '[1]'],
  ] as const) {
    it(`gives ${type} as ${typeof parsed}`, () => {
      expect(typed(type, data).data).to.deep.equal(parsed)
    })
  }

  it('gives bytes where there is no text, and nothing where there is nothing', () => {
    expect(toHandlerEvent(stored({ dataBase64: '/wA=' })).data).to.deep.equal(Buffer.from([255, 0]))
    expect(toHandlerEvent(stored()).data).to.equal(undefined)
  })

  it('costs a handler nothing that does not look: malformed JSON is found on use', () => {
    const event = typed('application/json', '{')
    expect(event.dataText).to.equal('{')
    expect(() => event.data).to.throw(SyntaxError)
  })
})

describe('waiting', () => {
  it('withinTime says whether something ended in time, and leaves no timer', async () => {
    const clock = virtualClock()
    expect(await withinTime(clock, 1_000, Promise.resolve())).to.equal(true)
    const late = withinTime(clock, 1_000, never())
    await clock.advance(1_000)
    expect(await late).to.equal(false)
    expect(clock.pending).to.equal(0)
  })

  it('orTimeout is the work itself, or a named fault', async () => {
    const clock = virtualClock()
    expect(await orTimeout(clock, 1_000, 'It', Promise.resolve(7))).to.equal(7)
    const late = faultOf(orTimeout(clock, 1_000, 'It', never()))
    await clock.advance(1_000)
    expect(await late).to.include({ code: 'timeout', message: 'It did not end within 1000 ms.' })
    expect(clock.pending).to.equal(0)
  })

  it("waits on the system's clock no longer than Node can, and can be called off", () => {
    const cancel = systemClock.after(10 ** 12, () => expect.fail('it must not run'))
    cancel()
    expect(systemClock.now()).to.be.instanceOf(Date)
  })
})
