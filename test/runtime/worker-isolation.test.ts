import { expect } from 'chai'
import type { Handler } from '../../srv/runtime/handler.ts'
import { fakeTarget } from '../helpers/fake-target.ts'
import { gate, never, turns } from '../helpers/turns.ts'
import { required, workshop } from '../helpers/workshop.ts'

const throwing =
  (thrown: unknown): Handler =>
  () => {
    throw thrown
  }
const unshowable = {
  toString() {
    throw new Error('not even this')
  },
}
const cyclic: Record<string, unknown> = {}
cyclic.self = cyclic

describe('worker: what handlers may do to it', () => {
  for (const [what, handler, code] of [
    ['a TypeError', () => (undefined as unknown as { a: () => void }).a(), 'TypeError'],
    ['a rejection', async () => Promise.reject(new RangeError('no')), 'RangeError'],
    ['a synchronous throw', throwing(new Error('no')), 'Error'],
    ['undefined', throwing(undefined), 'Error'],
    ['null', throwing(null), 'Error'],
    ['a text', throwing('no'), 'Error'],
    ['a frozen object', throwing(Object.freeze({ code: 'x' })), 'Error'],
    ['a frozen error', throwing(Object.freeze(new Error('no'))), 'Error'],
    ['an object that cannot be shown', throwing(unshowable), 'Error'],
    ['an object without prototype', throwing(Object.create(null)), 'Error'],
    [
      'a proxy that refuses everything',
      throwing(
        new Proxy(
          {},
          {
            getPrototypeOf: () => {
              throw new Error('no')
            },
          },
        ),
      ),
      'Error',
    ],
    [
      'a thenable that throws',
      () =>
        Object.defineProperty({}, 'then', {
          get: () => {
            throw new SyntaxError('no')
          },
        }),
      'SyntaxError',
    ],
  ] as const satisfies readonly (readonly [string, Handler, string])[]) {
    it(`survives ${what}: a failed attempt, tried again, and nobody else notices`, async () => {
      const { worker, send, dispatch, attempts } = workshop()
      const other: string[] = []
      const one = await worker(
        { name: 'broken', handler },
        { name: 'healthy', handler: ({ id }) => void other.push(id) },
      )
      const event = await send({ id: 'evt' })
      await one.tick()
      expect(dispatch(event, 'broken')).to.include({ status: 'waiting', attempts: 1 })
      expect(attempts(event, 'broken')[0]).to.include({ outcome: 'failed', code })
      expect(dispatch(event, 'healthy').status).to.equal('done')
      expect(other).to.deep.equal(['evt'])
    })
  }

  for (const [what, value, result] of [
    ['a cycle', cyclic, '{"unserializable":"TypeError"}'],
    ['a big integer', 1n, '{"unserializable":"TypeError"}'],
    [
      'a toJSON that throws',
      {
        toJSON: () => {
          throw new RangeError('no')
        },
      },
      '{"unserializable":"RangeError"}',
    ],
    [
      'a toJSON that throws nothing',
      {
        toJSON: () => {
          throw undefined
        },
      },
      '{"unserializable":"Error"}',
    ],
    ['a function', () => {}, undefined],
    ['a symbol', Symbol('s'), undefined],
    ['nothing', undefined, undefined],
    ['null', null, 'null'],
    ['more than may be kept', 'x'.repeat(100_000), undefined],
    ['a NUL and half a character', '\u0000\ud800', '"\\u0000\\ud800"'],
  ] as const) {
    it(`is done although its handler returned ${what}`, async () => {
      const { worker, send, dispatch } = workshop()
      const one = await worker({ handler: () => value })
      const event = await send()
      await one.tick()
      expect(dispatch(event)).to.include({ status: 'done', result })
    })
  }

  it('ends a handler that never ends by its time-out, and a later try can still succeed', async () => {
    const { worker, send, clock, dispatch, attempts, halt } = workshop()
    const one = await worker({
      timeoutMs: 10_000,
      retry: { scheduleMs: [1_000] },
      handler: (_event, { attempt }) => (attempt === 1 ? never() : undefined),
    })
    const event = await send()
    one.start()
    await clock.advance(9_999)
    expect(attempts(event)).to.deep.equal([])
    await clock.advance(1)
    expect(attempts(event)[0]).to.include({ outcome: 'timeout', code: 'timeout', durationMs: 10_000 })
    await clock.advance(1_000)
    expect(dispatch(event)).to.include({ status: 'done', attempts: 2 })
    await halt(one)
  })

  it('tells a handler that its time is up', async () => {
    const { worker, send, clock, attempts, halt } = workshop()
    const reasons: unknown[] = []
    const one = await worker({
      timeoutMs: 10_000,
      handler: (_event, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason.code)
            reject(new Error('I gave up'))
          })
        }),
    })
    const event = await send()
    one.start()
    await clock.advance(10_000)
    expect(reasons).to.deep.equal(['timeout'])
    expect(attempts(event)[0]?.outcome).to.equal('timeout')
    await halt(one)
  })

  // Mutation tried: without `scope.close('timeout')` in withTimeout the late write reaches the target.
  it('refuses the write of a handler that was given up', async () => {
    const erp = fakeTarget()
    const { worker, send, clock, halt } = workshop({ targets: { erp: erp.target } })
    const late = gate()
    const refusals: unknown[] = []
    const one = await worker({
      timeoutMs: 10_000,
      retry: { attempts: 1 },
      handler: async (_event, { targets }) => {
        await late.passed
        await targets.erp?.create('Orders', {}, { reference: 'r' }).catch((fault) => refusals.push(fault.code))
      },
    })
    await send()
    one.start()
    await clock.advance(10_000)
    late.open()
    await turns()
    expect(erp.writes).to.deep.equal([])
    expect(refusals).to.deep.equal(['timeout'])
    await halt(one)
  })

  it('refuses what a handler left behind does after its attempt', async () => {
    const erp = fakeTarget()
    const { worker, send } = workshop({ targets: { erp: erp.target } })
    const late = gate()
    const refusals: unknown[] = []
    const one = await worker({
      handler: (_event, { targets }) => {
        void late.passed
          .then(() => targets.erp?.create('Orders', {}, { reference: 'r' }))
          .catch((fault) => refusals.push(fault.code))
      },
    })
    await send()
    await one.tick()
    late.open()
    await turns()
    expect(erp.writes).to.deep.equal([])
    expect(refusals).to.deep.equal(['attempt-over'])
  })

  it('counts a time-out after something was sent as ambiguous, and the next try looks first', async () => {
    const erp = fakeTarget()
    const { worker, send, clock, attempts, dispatch, halt } = workshop({ targets: { erp: erp.target } })
    const one = await worker({
      timeoutMs: 10_000,
      retry: { scheduleMs: [1_000] },
      handler: async (_event, { targets }) => targets.erp?.create('Orders', {}, { reference: 'r' }),
    })
    erp.hold(never)
    const event = await send()
    one.start()
    await clock.advance(10_000)
    expect(attempts(event)[0]).to.include({ outcome: 'timeout', sent: true })
    erp.hold(async () => {})
    await clock.advance(1_000)
    expect(dispatch(event).status).to.equal('done')
    expect(erp.scopes.map(({ firstTry, lastSentAt }) => [firstTry, lastSentAt !== undefined])).to.deep.equal([
      [true, false],
      [false, true],
    ])
    const [first, second] = erp.scopes.map((scope) => scope.requestId('x'))
    expect(first).to.equal(second)
    await halt(one)
  })

  it('opens only the targets a handler uses', async () => {
    const erp = fakeTarget()
    const broken = {
      ...erp.target,
      session: () => {
        throw new TypeError('cannot open')
      },
    }
    const { worker, send, dispatch, attempts } = workshop({ targets: { broken, erp: erp.target } })
    const one = await worker(
      { name: 'fine', handler: async (_event, { targets }) => targets.erp?.create('Orders', {}, { reference: 'r' }) },
      { name: 'hit', handler: async (_event, { targets }) => targets.broken?.read('Orders', { ID: '1' }) },
    )
    const event = await send()
    await one.tick()
    expect(dispatch(event, 'fine').status).to.equal('done')
    expect(attempts(event, 'hit')[0]).to.include({ outcome: 'failed', code: 'TypeError' })
    expect(erp.scopes).to.have.length(1)
  })

  it('gives a context that can be copied, whose getters are the same ones for every attempt', async () => {
    const { worker, send } = workshop({ targets: { erp: fakeTarget().target } })
    const seen: Parameters<Handler>[1][] = []
    const one = await worker({ handler: (_event, context) => void seen.push(context) })
    await send()
    await send()
    await one.tick()
    const [first, second] = [required(seen[0]), required(seen[1])]
    expect({ ...first }.signal).to.equal(first.signal)
    expect(first.signal).to.not.equal(second.signal)
    expect(Object.keys(first.targets)).to.deep.equal(['erp'])
    expect(first.targets.erp).to.equal(first.targets.erp).and.not.equal(second.targets.erp)
    // A getter of its own would make each of them a shape of its own, which lives until the next full collection.
    const gettersOf = (of: object) => Object.values(Object.getOwnPropertyDescriptors(of)).map(({ get }) => get)
    expect(gettersOf(first)).to.deep.equal(gettersOf(second))
    expect(gettersOf(first.targets)).to.deep.equal(gettersOf(second.targets))
  })

  it('gives targets a scope that whoever wraps them may copy', async () => {
    const erp = fakeTarget()
    const wrapped: typeof erp.target = { ...erp.target, session: (scope) => erp.target.session({ ...scope }) }
    const { worker, send, dispatch } = workshop({ targets: { erp: wrapped } })
    const handler: Handler = async (_event, { targets }) => targets.erp?.create('Orders', {}, { reference: 'r' })
    const one = await worker({ handler })
    const event = await send()
    await one.tick()
    expect(dispatch(event).status).to.equal('done')
    const [scope] = erp.scopes.map(({ signal, guard, sent, now, requestId, wrote }) => [
      signal instanceof AbortSignal,
      [guard, sent, now, requestId, wrote].every((each) => typeof each === 'function'),
    ])
    expect(scope).to.deep.equal([true, true])
  })

  it('keeps payloads and secrets that errors quote out of the log', async () => {
    const { worker, send, log, attempts } = workshop()
    const one = await worker({
      retry: { attempts: 1 },
      handler: ({ data }) => JSON.parse(`${(data as { iban: string }).iban}`),
    })
    const event = await send({ data: '{"iban":"DE02120300000000202051"}' })
    await one.tick()
    expect(required(attempts(event)[0]).message).to.include('DE02')
    expect(log.text()).to.not.include('DE02')
    expect(log.messages('warn')).to.deep.equal(['a dispatch needs an operator'])
  })
})

describe('worker: nobody waits for somebody else (peer defect 13)', () => {
  it('a slow subscription holds no other', async () => {
    const { worker, send, settle, dispatch, halt } = workshop()
    const one = await worker({ name: 'slow', concurrency: 2, handler: never }, { name: 'quick', handler: () => {} })
    const events: string[] = []
    for (let n = 0; n < 50; n += 1) events.push(await send())
    one.start()
    await settle()
    expect(events.map((event) => dispatch(event, 'quick').status)).to.deep.equal(events.map(() => 'done'))
    expect(events.map((event) => dispatch(event, 'slow').status)).to.deep.equal(events.map(() => 'waiting'))
    await halt(one)
  })

  it('a slow lane holds no other lane of its subscription', async () => {
    const { worker, send, settle, dispatch, halt } = workshop()
    const one = await worker({
      concurrency: 2,
      handler: ({ partitionkey }) => (partitionkey === 'slow' ? never() : {}),
    })
    const slow = [await send({ lane: 'slow' }), await send({ lane: 'slow' })]
    const quick: string[] = []
    for (let n = 0; n < 20; n += 1) quick.push(await send({ lane: `${n}` }))
    one.start()
    await settle()
    expect(quick.map((event) => dispatch(event).status)).to.deep.equal(quick.map(() => 'done'))
    expect(slow.map((event) => dispatch(event).status)).to.deep.equal(['waiting', 'waiting'])
    await halt(one)
  })

  it('a slow target holds nobody who writes to another one', async () => {
    const [slow, quick] = [fakeTarget(), fakeTarget()]
    slow.hold(never)
    const { worker, send, settle, dispatch, halt } = workshop({ targets: { slow: slow.target, quick: quick.target } })
    const writing =
      (target: string): Handler =>
      async (_event, { targets }) =>
        targets[target]?.create('Orders', {}, { reference: 'r' })
    const one = await worker(
      { name: 'slow', concurrency: 4, handler: writing('slow') },
      { name: 'quick', concurrency: 4, handler: writing('quick') },
    )
    const events: string[] = []
    for (let n = 0; n < 20; n += 1) events.push(await send())
    one.start()
    await settle()
    expect(quick.writes).to.have.length(20)
    expect(events.every((event) => dispatch(event, 'slow').status === 'waiting')).to.equal(true)
    await halt(one)
  })

  it('a dead lane holds no other', async () => {
    const { worker, send, settle, dispatch, halt } = workshop()
    const one = await worker({
      retry: { attempts: 1 },
      handler: ({ partitionkey }) => {
        if (partitionkey === 'poison') throw new Error('no')
      },
    })
    const poison = [await send({ lane: 'poison' }), await send({ lane: 'poison' })]
    const fine = await send({ lane: 'fine' })
    one.start()
    await settle()
    expect([...poison, fine].map((event) => dispatch(event).status)).to.deep.equal(['dead', 'waiting', 'done'])
    await halt(one)
  })

  it('does not ask the store again and again while a subscription is busy with due work left', async () => {
    let asked = 0
    const { worker, send, clock, halt } = workshop({
      between: (work) => ({
        ...work,
        claim: (request) => {
          asked += 1
          return work.claim(request)
        },
        nextDueAt: (names) => {
          asked += 1
          return work.nextDueAt(names)
        },
      }),
    })
    const one = await worker(
      { name: 'busy', concurrency: 1, timeoutMs: 50_000, handler: never },
      { name: 'idle', on: ['other'] },
    )
    for (let n = 0; n < 5; n += 1) await send()
    one.start()
    await clock.advance(40_000)
    expect(asked).to.be.below(10)
    await halt(one)
  })
})
