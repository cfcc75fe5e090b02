import { expect } from 'chai'
import type { Work } from '#domain/ports'
import { heldLeases } from '../../srv/runtime/held-leases.ts'
import { virtualClock } from '../../testing/virtual-clock.ts'
import { fakeTarget } from '../helpers/fake-target.ts'
import { recordingLog } from '../helpers/recording-log.ts'
import { type Gate, gate, never, turns } from '../helpers/turns.ts'
import { required, workshop } from '../helpers/workshop.ts'

const LEASE_MS = 60_000
const LONG_MS = 3_600_000
const direct = (work: Work) => work

/** A worker that believes for ever that its leases are renewed: as a process that was stopped and continued does. */
const deaf = (work: Work): Work => ({ ...work, renew: async (lanes) => lanes.map(() => true) })

describe('worker: leases', () => {
  // Mutation tried: without `arm()` in heldLeases.hold the second worker takes the lane.
  it('renews the lease at a third of its time while a handler runs', async () => {
    const renewals: number[] = []
    const { worker, another, send, clock, dispatch, attempts, halt } = workshop({
      between: (work) => ({
        ...work,
        renew: (lanes, leaseMs) => {
          renewals.push(clock.now().getTime() - startedAt)
          return work.renew(lanes, leaseMs)
        },
      }),
    })
    const startedAt = clock.now().getTime()
    const finish = gate()
    const one = await worker({ timeoutMs: LONG_MS, handler: () => finish.passed })
    const two = await another(direct, { handler: () => {} })
    const event = await send()
    one.start()
    for (let passed = 0; passed < 3 * LEASE_MS; passed += 10_000) {
      await clock.advance(10_000)
      expect(await two.tick(), `claimed after ${passed} ms`).to.equal(0)
    }
    expect(renewals).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9].map((third) => third * (LEASE_MS / 3)))
    finish.open()
    await turns()
    expect(dispatch(event)).to.include({ status: 'done', attempts: 1 })
    expect(attempts(event).map(({ outcome }) => outcome)).to.deep.equal(['ok'])
    await clock.advance(LONG_MS)
    expect(renewals).to.have.length(9)
    await halt(one)
  })

  // Mutation tried: without `holdsLease()` in the scope's guard both workers write.
  it('refuses the write of a worker whose lease ran out, and voids its result', async () => {
    const erp = fakeTarget()
    const { another, send, clock, dispatch, attempts, halt } = workshop({ targets: { erp: erp.target } })
    const late = gate()
    const refusals: unknown[] = []
    const slow = await another((work) => ({ ...work, renew: () => Promise.reject(new Error('store is away')) }), {
      timeoutMs: LONG_MS,
      concurrency: 1,
      handler: async (_event, { targets }) => {
        await late.passed
        await targets.erp?.create('Orders', {}, { reference: 'r' }).catch((fault) => {
          refusals.push(fault.code)
          throw fault
        })
      },
    })
    const quick = await another(direct, {
      handler: async (_event, { targets }) => {
        await targets.erp?.create('Orders', {}, { reference: 'r' })
        return 'by the second'
      },
    })
    const event = await send()
    slow.start()
    await clock.advance(LEASE_MS)
    expect(await quick.tick()).to.equal(1)
    late.open()
    await turns()
    expect(refusals).to.deep.equal(['lease-lost'])
    expect(erp.writes.map(({ firstTry }) => firstTry)).to.deep.equal([false])
    expect(dispatch(event)).to.include({ status: 'done', attempts: 2, result: '"by the second"' })
    expect(attempts(event).map(({ outcome }) => outcome)).to.deep.equal(['lost', 'ok'])
    await halt(slow)
  })

  it('tells a handler at once that somebody else has its lane', async () => {
    const { worker, another, send, clock, inbox, halt } = workshop()
    const told: unknown[] = []
    const one = await worker({
      timeoutMs: LONG_MS,
      handler: (_event, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            told.push(signal.reason.code)
            reject(signal.reason)
          }),
        ),
    })
    const event = await send()
    one.start()
    await clock.advance(1)
    const lane = required([...inbox.state.lanes.values()][0])
    lane.owner = 'somebody else'
    await clock.advance(LEASE_MS / 3)
    expect(told).to.deep.equal(['lease-lost'])
    expect(inbox.state.attempts.get(`${event}:book:1`)).to.equal(undefined)
    expect(lane.owner).to.equal('somebody else')
    await halt(one)
    const two = await another(direct, { handler: () => {} })
    await clock.advance(LEASE_MS)
    expect(await two.tick()).to.equal(1)
  })

  // Mutation tried: a settle that ignores the owner ends this as 'by the first'.
  it('voids the result of a worker that does not know that it lost its lane, and runs nothing more of it', async () => {
    const { another, send, clock, dispatch, halt } = workshop()
    const finish = new Map<string, Gate>()
    const handled: string[] = []
    const slow = await another(deaf, {
      timeoutMs: LONG_MS,
      concurrency: 1,
      handler: async ({ id }) => {
        handled.push(`slow ${id}`)
        const mine = gate()
        finish.set(id, mine)
        await mine.passed
        return 'by the first'
      },
    })
    const quick = await another(direct, {
      handler: ({ id }) => {
        handled.push(`quick ${id}`)
        return 'by the second'
      },
    })
    const events = [await send({ id: '1', lane: 'A' }), await send({ id: '2', lane: 'A' })]
    slow.start()
    await clock.advance(LEASE_MS)
    await quick.tick()
    required(finish.get('1')).open()
    await turns()
    expect(handled).to.deep.equal(['slow 1', 'quick 1', 'quick 2'])
    expect(events.map((event) => dispatch(event).result)).to.deep.equal(['"by the second"', '"by the second"'])
    await halt(slow)
  })

  it('keeps the result of a slow worker whom nobody replaced meanwhile', async () => {
    let away = true
    const { worker, send, clock, dispatch, attempts, halt } = workshop({
      between: (work) => ({
        ...work,
        renew: (lanes, leaseMs) => (away ? Promise.reject(new Error('store is away')) : work.renew(lanes, leaseMs)),
      }),
    })
    const finish = gate()
    const one = await worker({ timeoutMs: LONG_MS, concurrency: 1, handler: () => finish.passed })
    const event = await send()
    one.start()
    await clock.advance(2 * LEASE_MS)
    away = false
    await clock.advance(LEASE_MS)
    finish.open()
    await turns()
    expect(dispatch(event)).to.include({ status: 'done', attempts: 1 })
    expect(attempts(event)).to.have.length(1)
    await halt(one)
  })

  it('ends a dispatch that kills every worker, and says so (peer defect 5)', async () => {
    const { worker, send, clock, inbox, dispatch, attempts, log } = workshop()
    const one = await worker({ retry: { attempts: 3 }, handler: () => expect.fail('it must not run again') })
    const event = await send({ lane: 'A' })
    const next = await send({ lane: 'A' })
    const request = { subscriptions: [{ name: 'book', lanes: 1 }], dispatchesPerLane: 8, bytes: 1e6, leaseMs: LEASE_MS }
    for (let death = 0; death < 3; death += 1) {
      expect(await inbox.work.claim(request)).to.have.length(1)
      await clock.advance(LEASE_MS)
    }
    await one.tick()
    expect(attempts(event).map(({ outcome }) => outcome)).to.deep.equal(['lost', 'lost', 'lost'])
    expect(dispatch(event)).to.include({ status: 'dead', reason: 'lost', attempts: 3 })
    expect(dispatch(next).status).to.equal('waiting')
    expect(attempts(next), 'its lane stands still').to.deep.equal([])
    expect(log.lines.find(({ level }) => level === 'warn')?.fields).to.include({ code: 'lost', to: 'dead' })
  })

  it('finishes what a dead worker left, and looks first', async () => {
    const erp = fakeTarget()
    const { worker, send, clock, inbox, dispatch } = workshop({ targets: { erp: erp.target } })
    const one = await worker({
      handler: async (_event, { targets }) => targets.erp?.create('Orders', {}, { reference: 'r' }),
    })
    const event = await send()
    await inbox.work.claim({
      subscriptions: [{ name: 'book', lanes: 1 }],
      dispatchesPerLane: 8,
      bytes: 1e6,
      leaseMs: LEASE_MS,
    })
    await clock.advance(LEASE_MS)
    await one.tick()
    expect(dispatch(event)).to.include({ status: 'done', attempts: 2 })
    expect(erp.writes.map(({ firstTry }) => firstTry)).to.deep.equal([false])
  })
})

describe('heldLeases', () => {
  const lane = (name: string) => ({
    lane: name,
    owner: `owner of ${name}`,
    subscription: 'book',
    partitionkey: name,
    leaseUntil: new Date(0),
    dispatches: [],
    recovered: false,
  })

  it('has one timer, however leases come and go while a renewal is under way', async () => {
    const clock = virtualClock()
    let renewals = 0
    let answer = gate()
    const renew: Work['renew'] = async (lanes) => {
      renewals += 1
      await answer.passed
      return lanes.map(() => true)
    }
    const leases = heldLeases({ renew }, clock, recordingLog(), LEASE_MS)
    let held = leases.hold(lane('A'), clock.now().getTime())
    for (let round = 0; round < 5; round += 1) {
      await clock.advance(LEASE_MS / 3)
      held.drop()
      held = leases.hold(lane(`B${round}`), clock.now().getTime())
      answer.open()
      await turns()
      answer = gate()
      expect(clock.pending, `timers in round ${round}`).to.equal(1)
    }
    expect(renewals).to.equal(5)
    held.drop()
    expect(clock.pending).to.equal(0)
  })

  it('renews nothing any more after loseAll, also when a renewal was under way', async () => {
    const clock = virtualClock()
    const answer = gate()
    let renewals = 0
    const renew: Work['renew'] = async (lanes) => {
      renewals += 1
      await answer.passed
      return lanes.map(() => true)
    }
    const leases = heldLeases({ renew }, clock, recordingLog(), LEASE_MS)
    const held = leases.hold(lane('A'), clock.now().getTime())
    await clock.advance(LEASE_MS / 3)
    leases.loseAll()
    answer.open()
    await clock.advance(LONG_MS)
    expect(renewals).to.equal(1)
    expect([held.holds(), held.lost, clock.pending]).to.deep.equal([false, true, 0])
  })

  it('counts its own time from before the claim, and no renewal that hangs prolongs it', async () => {
    const clock = virtualClock()
    const leases = heldLeases({ renew: never }, clock, recordingLog(), LEASE_MS)
    const claimedAt = clock.now().getTime()
    await clock.advance(5_000)
    const held = leases.hold(lane('A'), claimedAt)
    await clock.advance(LEASE_MS - 5_001)
    expect(held.holds()).to.equal(true)
    await clock.advance(1)
    expect([held.holds(), held.lost]).to.deep.equal([false, false])
  })

  // Mutation tried: counted from the answer it lasts ten seconds longer here than in the store.
  it('counts a renewal from before it was asked for', async () => {
    const clock = virtualClock()
    const answer = gate()
    let renewals = 0
    const renew = async () => {
      renewals += 1
      await (renewals === 1 ? answer.passed : never())
      return [true]
    }
    const leases = heldLeases({ renew }, clock, recordingLog(), LEASE_MS)
    const held = leases.hold(lane('A'), clock.now().getTime())
    await clock.advance(LEASE_MS / 3)
    await clock.advance(10_000)
    answer.open()
    await turns()
    await clock.advance(LEASE_MS - 10_001)
    expect(held.holds()).to.equal(true)
    await clock.advance(1)
    expect(held.holds()).to.equal(false)
  })
})
