import { expect } from 'chai'
import { SluiceError } from '#domain/errors'
import type { Work } from '#domain/ports'
import { fakeTarget } from '../helpers/fake-target.ts'
import { type Gate, gate, never, turns } from '../helpers/turns.ts'
import { type Between, workshop } from '../helpers/workshop.ts'

const LEASE_MS = 60_000
const direct = (work: Work) => work
const settlingAfter =
  (opened: Gate): Between =>
  (work) => ({
    ...work,
    settle: async (lanes) => {
      await opened.passed
      return work.settle(lanes)
    },
  })
const away = () => Promise.reject(new SluiceError('store-unavailable', 'The store is away.'))

describe('worker: stop', () => {
  it('ends at once where nothing runs, and claims nothing any more', async () => {
    const { worker, send, settle, dispatch, clock } = workshop()
    const one = await worker({})
    one.start()
    await settle()
    expect(await one.stop(10_000)).to.deep.equal({ unfinished: 0 })
    const event = await send()
    one.wake()
    await clock.advance(86_400_000)
    expect(dispatch(event)).to.include({ status: 'waiting', attempts: 0 })
  })

  it('lets what runs finish, and gives the rest of the lane back with no attempt counted', async () => {
    const { worker, another, send, settle, dispatch } = workshop()
    const finish = gate()
    const one = await worker({ handler: () => finish.passed })
    const [first, second] = [await send({ lane: 'A' }), await send({ lane: 'A' })]
    one.start()
    await settle()
    const stopping = one.stop(10_000)
    await turns()
    finish.open()
    expect(await stopping).to.deep.equal({ unfinished: 0 })
    expect(dispatch(first)).to.include({ status: 'done', attempts: 1 })
    expect(dispatch(second)).to.include({ status: 'waiting', attempts: 0 })
    const two = await another(direct, { handler: () => {} })
    expect(await two.tick()).to.equal(1)
    expect(dispatch(second)).to.include({ status: 'done', attempts: 1 })
  })

  it('gives back what a claim under way still brings, with no attempt counted', async () => {
    const claimed = gate()
    const { worker, another, send, settle, dispatch, attempts } = workshop({
      between: (work) => ({
        ...work,
        claim: async (request) => {
          const lanes = await work.claim(request)
          await claimed.passed
          return lanes
        },
      }),
    })
    const one = await worker({ handler: () => expect.fail('it must not start') })
    const event = await send()
    one.start()
    await settle()
    const stopping = one.stop(10_000)
    claimed.open()
    expect(await stopping).to.deep.equal({ unfinished: 0 })
    expect(attempts(event)).to.deep.equal([])
    const two = await another(direct, { handler: () => {} })
    expect(await two.tick()).to.equal(1)
    expect(dispatch(event)).to.include({ status: 'done', attempts: 1 })
  })

  it('does not wait longer than its limit: an endless handler is unfinished, refused, and tried elsewhere', async () => {
    const erp = fakeTarget()
    let renewals = 0
    const { worker, another, send, clock, dispatch, attempts } = workshop({
      targets: { erp: erp.target },
      between: (work) => ({
        ...work,
        renew: (lanes, leaseMs) => {
          renewals += 1
          return work.renew(lanes, leaseMs)
        },
      }),
    })
    const late = gate()
    const refusals: unknown[] = []
    const one = await worker({
      timeoutMs: 3_600_000,
      handler: async (_event, { targets }) => {
        await late.passed
        await targets.erp?.create('Orders', {}, { reference: 'r' }).catch((fault) => refusals.push(fault.code))
      },
    })
    const event = await send()
    one.start()
    await clock.advance(1_000)
    let stopped: unknown
    void one.stop(5_000).then((result) => {
      stopped = result
    })
    await clock.advance(4_999)
    expect(stopped).to.equal(undefined)
    await clock.advance(1)
    expect(stopped).to.deep.equal({ unfinished: 1 })

    late.open()
    await clock.advance(LEASE_MS)
    expect(refusals).to.deep.equal(['lease-lost'])
    expect(erp.writes).to.deep.equal([])
    expect(renewals).to.equal(0)
    expect(attempts(event)).to.deep.equal([])
    const two = await another(direct, { handler: () => {} })
    await two.tick()
    expect(dispatch(event).status).to.equal('done')
    expect(attempts(event).map(({ outcome }) => outcome)).to.deep.equal(['lost', 'ok'])
  })

  it('keeps its limit where the store does not answer a claim', async () => {
    const { worker, settle, halt } = workshop({ between: (work) => ({ ...work, claim: never }) })
    const one = await worker({})
    one.start()
    await settle()
    expect(await halt(one, 5_000)).to.deep.equal({ unfinished: 0 })
  })
})

describe('worker: wake and rest', () => {
  it('notices what another instance stored when its rest is over, and what it is told of at once', async () => {
    const { worker, send, clock, settle, dispatch, halt } = workshop({ options: { idleMs: 500 } })
    const one = await worker({})
    one.start()
    await clock.advance(100)
    const unnoticed = await send()
    await clock.advance(399)
    expect(dispatch(unnoticed).status).to.equal('waiting')
    await clock.advance(1)
    expect(dispatch(unnoticed).status).to.equal('done')
    const told = await send()
    one.wake()
    await settle()
    expect(dispatch(told).status).to.equal('done')
    await halt(one)
  })

  it('makes one claim of many wakes', async () => {
    let claims = 0
    const { worker, settle, halt } = workshop({
      between: (work) => ({
        ...work,
        claim: (request) => {
          claims += 1
          return work.claim(request)
        },
      }),
    })
    const one = await worker({})
    one.start()
    for (let n = 0; n < 1_000; n += 1) one.wake()
    await settle()
    expect(claims).to.equal(2)
    await halt(one)
  })

  it('claims no more lanes than a subscription may run at once', async () => {
    const asked: number[] = []
    const { worker, send, settle, halt } = workshop({
      between: (work) => ({
        ...work,
        claim: (request) => {
          asked.push(...request.subscriptions.map(({ lanes }) => lanes))
          return work.claim(request)
        },
      }),
    })
    let running = 0
    let most = 0
    const one = await worker({
      concurrency: 3,
      handler: async () => {
        running += 1
        most = Math.max(most, running)
        await turns(3)
        running -= 1
      },
    })
    for (let n = 0; n < 20; n += 1) await send()
    one.start()
    while (most === 0 || running > 0) await settle()
    expect(most).to.equal(3)
    expect(Math.max(...asked)).to.equal(3)
    await halt(one)
  })

  it('leaves a slot when the last handler of its lane has ended, and not only when its result is settled', async () => {
    const settled = gate()
    const { worker, send, settle, dispatch, halt } = workshop({ between: settlingAfter(settled) })
    const handled: string[] = []
    const one = await worker({
      concurrency: 1,
      handler: ({ id }) => {
        handled.push(id)
      },
    })
    const first = await send({ id: 'first' })
    await send({ id: 'second' })
    one.start()
    await settle()
    expect(handled).to.deep.equal(['first', 'second'])
    expect(dispatch(first)).to.include({ status: 'waiting', attempts: 0 })
    settled.open()
    await settle()
    expect(dispatch(first)).to.include({ status: 'done', attempts: 1 })
    await halt(one)
  })

  it('keeps the slot while the lane goes on', async () => {
    const settled = gate()
    const { worker, send, settle, halt } = workshop({ between: settlingAfter(settled) })
    const handled: string[] = []
    const one = await worker({
      concurrency: 1,
      handler: ({ id }) => {
        handled.push(id)
      },
    })
    await send({ id: 'A1', lane: 'A' })
    await send({ id: 'A2', lane: 'A' })
    await send({ id: 'B1', lane: 'B' })
    one.start()
    await settle()
    expect(handled).to.deep.equal(['A1'])
    settled.open()
    await settle()
    expect(handled).to.deep.equal(['A1', 'A2', 'B1'])
    await halt(one)
  })

  it('has no more than two lanes per slot in hand, while the store takes no results', async () => {
    const { worker, send, settle, halt } = workshop({ between: (work) => ({ ...work, settle: never }) })
    let handled = 0
    const one = await worker({
      concurrency: 3,
      handler: () => {
        handled += 1
      },
    })
    for (let n = 0; n < 20; n += 1) await send()
    one.start()
    await settle()
    expect(handled).to.equal(6)
    expect(one.busy()).to.deep.equal({ book: { lanes: 0, limit: 3 } })
    await halt(one)
  })

  it('fills all slots that come free in one turn of the loop by one claim', async () => {
    const asked: number[] = []
    const { worker, send, settle, halt } = workshop({
      between: (work) => ({
        ...work,
        claim: (request) => {
          asked.push(...request.subscriptions.map(({ lanes }) => lanes))
          return work.claim(request)
        },
      }),
    })
    const one = await worker({ concurrency: 4 })
    for (let n = 0; n < 12; n += 1) await send()
    one.start()
    await settle()
    expect(asked.slice(0, 3)).to.deep.equal([4, 4, 4])
    await halt(one)
  })

  it('rests when the next due moment cannot be asked for', async () => {
    const { worker, send, clock, dispatch, halt } = workshop({
      options: { idleMs: 500 },
      between: (work) => ({ ...work, nextDueAt: away }),
    })
    const one = await worker({})
    one.start()
    await clock.advance(100)
    const event = await send()
    await clock.advance(400)
    expect(dispatch(event).status).to.equal('done')
    await halt(one)
  })

  it('works only for subscriptions it has handlers for', async () => {
    const { worker, another, send, dispatch } = workshop()
    await another(direct, { name: 'newer' })
    const one = await worker({ name: 'book' })
    const event = await send()
    await one.tick()
    expect(dispatch(event, 'book').status).to.equal('done')
    expect(dispatch(event, 'newer').status).to.equal('waiting')
  })
})

describe('worker: a store that fails', () => {
  it('goes on claiming once the store is back', async () => {
    let gone = true
    const { worker, send, clock, dispatch, log, halt } = workshop({
      options: { idleMs: 500 },
      between: (work) => ({ ...work, claim: (request) => (gone ? away() : work.claim(request)) }),
    })
    const one = await worker({})
    const event = await send()
    one.start()
    await clock.advance(2_000)
    expect(dispatch(event)).to.include({ status: 'waiting', attempts: 0 })
    expect(log.messages('error')).to.deep.equal(Array(5).fill('claiming failed and will be repeated'))
    gone = false
    await clock.advance(500)
    expect(dispatch(event).status).to.equal('done')
    await halt(one)
  })

  // Mutation tried: with a single settle the handler runs a second time after the lease has run out.
  it('offers a result again until the store takes it, and does the work once', async () => {
    let failures = 5
    let handled = 0
    const { worker, send, clock, dispatch, attempts, halt } = workshop({
      between: (work) => ({
        ...work,
        settle: (lanes) => {
          failures -= 1
          return failures >= 0 ? away() : work.settle(lanes)
        },
      }),
    })
    const one = await worker({
      handler: () => {
        handled += 1
      },
    })
    const event = await send()
    one.start()
    await clock.advance(5_000)
    expect(dispatch(event)).to.include({ status: 'done', attempts: 1 })
    expect(attempts(event).map(({ outcome }) => outcome)).to.deep.equal(['ok'])
    await clock.advance(10 * LEASE_MS)
    expect(handled).to.equal(1)
    await halt(one)
  })

  it('takes an answer that was lost for what it is: the result stands once', async () => {
    let lostAnswers = 1
    let handled = 0
    const { worker, send, clock, dispatch, attempts, halt } = workshop({
      between: (work) => ({
        ...work,
        settle: async (lanes) => {
          const held = await work.settle(lanes)
          lostAnswers -= 1
          return lostAnswers >= 0 ? away() : held
        },
      }),
    })
    const one = await worker({
      handler: () => {
        handled += 1
      },
    })
    const event = await send()
    one.start()
    await clock.advance(10 * LEASE_MS)
    expect(handled).to.equal(1)
    expect(dispatch(event)).to.include({ status: 'done', attempts: 1 })
    expect(attempts(event)).to.have.length(1)
    await halt(one)
  })

  it('lets a lane go whose result it cannot bring home within the lease, and finishes it later', async () => {
    let gone = true
    const { worker, send, clock, dispatch, attempts, log, halt } = workshop({
      options: { idleMs: 500 },
      between: (work) => ({
        ...work,
        settle: (lanes) => (gone ? away() : work.settle(lanes)),
        renew: (lanes, leaseMs) => (gone ? away() : work.renew(lanes, leaseMs)),
      }),
    })
    const one = await worker({ retry: { scheduleMs: [1_000] } })
    const event = await send()
    one.start()
    await clock.advance(LEASE_MS + 1_000)
    expect(log.messages('error')).to.include('a lane could not be settled')
    gone = false
    await clock.advance(2 * LEASE_MS)
    expect(dispatch(event).status).to.equal('done')
    expect(attempts(event).map(({ outcome }) => outcome)).to.include('lost')
    await halt(one)
  })

  it('fails the attempt, and only that, where versions cannot be read', async () => {
    let gone = true
    const { worker, send, clock, dispatch, attempts, halt } = workshop({
      between: (work) => ({ ...work, effects: (keys) => (gone ? away() : work.effects(keys)) }),
    })
    const one = await worker({ retry: { scheduleMs: [1_000] } })
    const event = await send({ nature: 'state', object: { type: 'Order', key: '1', version: '1' } })
    one.start()
    await clock.advance(1)
    expect(attempts(event)[0]).to.include({ outcome: 'failed', code: 'store-unavailable' })
    gone = false
    await clock.advance(1_000)
    expect(dispatch(event).status).to.equal('done')
    await halt(one)
  })
})
