import { expect } from 'chai'
import { SluiceError } from '#domain/errors'
import type { Journal } from '#domain/ports'
import { MINUTE_MS, pollBench, SLOT_MS } from '../helpers/poll-bench.ts'
import { gate, never, turns } from '../helpers/turns.ts'
import { required } from '../helpers/workshop.ts'

const DAY_MS = 86_400_000
const PAGE_WITHIN_MS = 120_000
const FAILED_AGAIN_MS = 120_000

describe('poller: when', () => {
  it('looks at once where it never did, and begins with what changes from now on', async () => {
    const { poller, policy, feed, clock, ids, checkpoint } = pollBench()
    feed.rows.push({ key: 'old', version: '2025-12-31T00:00:00Z' })
    const one = poller(policy())
    expect(await one.run(policy())).to.deep.equal({ ran: true, rows: 0, events: 0, missed: 0 })
    expect(ids()).to.deep.equal([])
    expect((await checkpoint()).state).to.deep.equal({
      watermark: clock.now().toISOString(),
      slotAt: clock.now().toISOString(),
      completedAt: clock.now().toISOString(),
    })
  })

  for (const [startFrom, expected] of [
    ['beginning', ['old', 'older']],
    ['2025-12-30T12:00:00Z', ['old']],
  ] as const) {
    it(`begins where it is told: ${startFrom}`, async () => {
      const { poller, policy, feed, keys } = pollBench()
      feed.rows.push({ key: 'older', version: '2025-12-30T00:00:00Z' }, { key: 'old', version: '2025-12-31T00:00:00Z' })
      await poller(policy()).run(policy({ startFrom }))
      expect(keys()).to.deep.equal(expected)
    })
  }

  it('is due at its slots and not in between', async () => {
    const { poller, policy, clock, feed } = pollBench()
    const one = poller(policy())
    await one.run(policy())
    await clock.advance(SLOT_MS - 1)
    expect(await one.run(policy())).to.include({ ran: false, reason: 'not-due' })
    await clock.advance(1)
    expect(await one.run(policy())).to.include({ ran: true, missed: 0 })
    expect(await one.run(policy())).to.include({ ran: false, reason: 'not-due' })
    expect(feed.requests).to.have.length(2)
  })

  it('runs by itself: at once, then at every slot, until it is stopped', async () => {
    const { poller, policy, clock, feed, change, keys } = pollBench()
    const one = poller(policy())
    one.start()
    await turns()
    expect(feed.requests).to.have.length(1)
    change('A')
    await clock.advance(SLOT_MS)
    await clock.advance(SLOT_MS)
    expect(feed.requests).to.have.length(3)
    expect(keys()).to.deep.equal(['A'])
    await one.stop()
    await clock.advance(DAY_MS)
    expect(feed.requests).to.have.length(3)
    expect(clock.pending).to.equal(0)
  })

  for (const [downMs, missed] of [
    [3 * SLOT_MS, 2],
    [60 * DAY_MS, 999],
  ] as const) {
    it(`catches up with one run after ${downMs / DAY_MS} days down, and says so (peer defect 7)`, async () => {
      const { poller, policy, clock, feed, change, keys, log } = pollBench()
      const before = poller(policy())
      before.start()
      await turns()
      await before.stop()
      change('A')
      await clock.advance(downMs)
      const after = poller(policy())
      after.start()
      await turns()
      expect(feed.requests).to.have.length(2)
      expect(keys()).to.deep.equal(['A'])
      expect(log.lines.find(({ level }) => level === 'warn')?.fields).to.deep.equal({ poll: 'orders', missed })
      await clock.advance(SLOT_MS)
      expect(feed.requests).to.have.length(3)
      await after.stop()
    })
  }

  it('is not silenced by a slot written under a wrong clock (peer defect 7)', async () => {
    const { poller, policy, inbox, change, clock, keys } = pollBench()
    const watermark = clock.now().toISOString()
    inbox.state.checkpoints.set('orders', {
      state: { watermark, slotAt: '2030-01-01T00:00:00.000Z', completedAt: watermark },
      revision: 7,
    })
    change('A')
    expect(await poller(policy()).run(policy())).to.include({ ran: true })
    expect(keys()).to.deep.equal(['A'])
  })

  it('joins a run that is under way', async () => {
    const { poller, policy, feed } = pollBench()
    const answer = gate()
    feed.hold(() => answer.passed)
    const one = poller(policy())
    const poll = policy()
    const both = Promise.all([one.run(poll), one.run(poll)])
    await turns()
    answer.open()
    const [first, second] = await both
    expect(first).to.equal(second)
    expect(feed.requests).to.have.length(1)
  })
})

describe('poller: one leader', () => {
  it('reads once over two instances, at the same time and after each other', async () => {
    const { poller, policy, feed } = pollBench()
    const answer = gate()
    feed.hold(() => answer.passed)
    const [one, two] = [poller(policy()), poller(policy())]
    const first = one.run(policy())
    await turns()
    expect(await two.run(policy())).to.include({ ran: false, reason: 'not-leader' })
    answer.open()
    expect(await first).to.include({ ran: true })
    expect(await two.run(policy())).to.include({ ran: false, reason: 'not-due' })
    expect(feed.requests).to.have.length(1)
  })

  // Mutation tried: an advance that ignores the lease stores the page of a leader who has none.
  it('writes nothing once the lead is lost', async () => {
    const { poller, policy, feed, inbox, change, ids, checkpoint } = pollBench()
    for (const key of ['A', 'B', 'C']) change(key)
    const one = poller(policy())
    const poll = policy({ pageSize: 1 })
    feed.hold(async ({ after }) => {
      if (after === undefined) return
      const lease = required(inbox.state.leases.get('poll:orders'))
      inbox.state.leases.set('poll:orders', { ...lease, owner: 'somebody else', fence: lease.fence + 1 })
    })
    expect(await one.run(poll)).to.deep.equal({ ran: true, reason: 'lost-lead', rows: 1, events: 1, missed: 0 })
    expect(ids()).to.have.length(1)
    expect((await checkpoint()).state).to.include({ slotAt: null, completedAt: null })
  })

  it('writes nothing where the checkpoint moved meanwhile', async () => {
    const { poller, policy, feed, inbox, change, ids } = pollBench()
    change('A')
    feed.hold(async () => {
      inbox.state.checkpoints.set('orders', {
        state: { watermark: null, slotAt: null, completedAt: null },
        revision: 9,
      })
    })
    expect(await poller(policy()).run(policy())).to.include({ reason: 'lost-lead', events: 0 })
    expect(ids()).to.deep.equal([])
  })
})

describe('poller: pages', () => {
  it('walks by the position after the last row, and commits each page with the checkpoint', async () => {
    const { poller, policy, feed, change, checkpoint, keys, stored, clock } = pollBench()
    const all = Array.from({ length: 25 }, (_, n) => String(n).padStart(2, '0'))
    for (const key of all) change(key)
    const marks: unknown[] = []
    feed.hold(async () => {
      const { state, revision } = await checkpoint()
      marks.push([revision, state.watermark, state.slotAt])
    })
    const run = await poller(policy()).run(policy({ pageSize: 10 }))
    expect(run).to.deep.equal({ ran: true, rows: 25, events: 25, missed: 0 })
    expect(keys()).to.deep.equal(all)
    expect(feed.requests.map(({ after }) => after?.slice(-2))).to.deep.equal([undefined, '09', '19'])
    const start = clock.now().toISOString()
    // Where to begin is fixed before the first page; how far it got only by the last.
    expect(marks).to.deep.equal([
      [1, start, null],
      [2, start, null],
      [3, start, null],
    ])
    expect((await checkpoint()).revision).to.equal(4)
    expect(stored()).to.equal(3)
  })

  it('commits a page and its checkpoint together or not at all, and reads again what it lost', async () => {
    const { poller, policy, change, ids, checkpoint, clock, log, inbox } = pollBench()
    for (const key of ['A', 'B', 'C']) change(key)
    const poll = policy({ pageSize: 1 })
    let advances = 0
    const failing = (journal: Journal): Journal => ({
      ...journal,
      advance: (step) => {
        if (step.deliveries.length > 0) advances += 1
        return advances === 2
          ? Promise.reject(new SluiceError('store-unavailable', 'The store is away.'))
          : journal.advance(step)
      },
    })
    const one = poller(poll, failing)
    expect(await one.run(poll)).to.include({ ran: false, reason: 'failed' })
    expect(ids()).to.have.length(1)
    expect((await checkpoint()).revision).to.equal(2)
    expect(log.messages('warn')).to.deep.equal(['a poll failed and will be repeated'])
    await clock.advance(1)
    expect(await one.run(poll)).to.include({ ran: true, rows: 3, events: 2 })
    expect(ids()).to.have.length(3)
    expect([...inbox.state.dispatches.values()]).to.deep.equal([])
  })

  it('reads the overlap again and makes no event twice', async () => {
    const { poller, policy, feed, change, clock, ids } = pollBench()
    const one = poller(policy())
    const poll = policy({ overlapMs: DAY_MS })
    change('A')
    for (let slot = 0; slot < 5; slot += 1) {
      await one.run(poll)
      await clock.advance(SLOT_MS)
    }
    expect(feed.requests).to.have.length(5)
    expect(ids()).to.have.length(1)
  })

  it('brings both of two contents within one second (peer defect 10)', async () => {
    const { poller, policy, feed, clock, inbox } = pollBench()
    const one = poller(policy())
    const version = clock.now().toISOString()
    feed.rows.push({ key: 'A', version, data: '{"n":1}' })
    await one.run(policy())
    feed.rows.splice(0, 1, { key: 'A', version, data: '{"n":2}' })
    await clock.advance(SLOT_MS)
    await one.run(policy())
    expect([...inbox.state.events.values()].map(({ data }) => data)).to.deep.equal(['{"n":1}', '{"n":2}'])
  })

  it('makes events as pushed ones are: a state of the object, in its lane', async () => {
    const { poller, policy, change, inbox, clock } = pollBench()
    change('4711/10')
    await poller(policy()).run(policy())
    const version = clock.now().toISOString()
    const [event] = [...inbox.state.events.values()]
    expect(event).to.deep.include({
      origin: 'orders',
      nature: 'state',
      object: { type: 'Order', key: '4711/10', version },
    })
    expect(event?.attributes).to.include({ partitionkey: 'Order/4711/10', type: 'order.changed', authlevel: 'token' })
    expect(inbox.state.deliveries.get(event?.delivery ?? '')).to.include({ channel: 'poll', method: 'GET' })
  })

  it('puts a row that no store would take into quarantine, and goes on', async () => {
    const { poller, policy, change, inbox, keys, checkpoint } = pollBench()
    change('A')
    change('x'.repeat(300))
    change('nul', '{"a":"\u0000"}')
    change('B')
    expect(await poller(policy()).run(policy())).to.include({ ran: true, rows: 4, events: 2 })
    expect(keys()).to.deep.equal(['A', 'B'])
    expect([...inbox.state.deliveries.values()].map(({ outcome }) => outcome)).to.deep.equal(['quarantined'])
    expect((await checkpoint()).state.completedAt).to.not.equal(null)
  })

  it('does not let one row from the year 9999 end the poll for ever', async () => {
    const { poller, policy, feed, change, clock, keys } = pollBench()
    const one = poller(policy())
    feed.rows.push({ key: 'future', version: '9999-12-31T23:59:59Z' })
    await one.run(policy())
    await clock.advance(SLOT_MS - 1_000)
    change('A')
    await clock.advance(1_000)
    await one.run(policy())
    expect(keys()).to.deep.equal(['A', 'future'])
  })
})

describe('poller: what goes wrong', () => {
  it('leaves the checkpoint, and looks again before the next slot, with one timer however long it lasts', async () => {
    const { poller, policy, feed, clock, change, keys, log, checkpoint } = pollBench()
    const one = poller(policy())
    feed.hold(() => Promise.reject(new Error('{"customer":"secret"}')))
    change('A')
    one.start()
    await clock.advance(100 * SLOT_MS)
    expect((await checkpoint()).revision).to.equal(1)
    expect(clock.pending).to.be.at.most(2)
    expect(new Set(log.messages('warn'))).to.deep.equal(new Set(['a poll failed and will be repeated']))
    expect(log.text()).to.not.include('secret')
    feed.hold(async () => {})
    await clock.advance(FAILED_AGAIN_MS)
    expect(keys()).to.deep.equal(['A'])
    const reads = feed.requests.length
    await clock.advance(SLOT_MS - FAILED_AGAIN_MS - 1)
    expect(feed.requests).to.have.length(reads)
    await one.stop()
  })

  it('gives up a page that never comes, tells the target, and reads at the next slot', async () => {
    const { poller, policy, feed, clock, change, keys } = pollBench()
    const one = poller(policy())
    change('A')
    feed.hold(never)
    const first = one.run(policy())
    await turns()
    feed.hold(async () => {})
    await clock.advance(PAGE_WITHIN_MS)
    expect(await first).to.include({ ran: false, reason: 'failed' })
    expect(feed.requests[0]?.signal.aborted).to.equal(true)
    expect(await one.run(policy())).to.include({ ran: true })
    expect(keys()).to.deep.equal(['A'])
  })

  it('stops without noise: the target is told, and what it says then is no fault', async () => {
    const { poller, policy, feed, log } = pollBench()
    feed.hold(
      ({ signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    )
    const one = poller(policy())
    const run = one.run(policy())
    await turns()
    await one.stop()
    expect(await run).to.include({ ran: false, reason: 'stopping' })
    expect(await one.run(policy())).to.include({ ran: false, reason: 'stopping' })
    expect(log.messages('warn')).to.deep.equal([])
  })

  it('says what to do where a target cannot be polled', async () => {
    const { poller, policy, log } = pollBench()
    const elsewhere = policy({ target: 'nowhere' })
    expect(await poller(elsewhere).run(elsewhere)).to.include({ reason: 'failed' })
    expect(log.lines[0]?.fields).to.include({ code: 'configuration', message: 'Target nowhere cannot be polled.' })
  })
})

describe('poller: when push goes quiet', () => {
  const stale = { when: 'stale', backs: 's4', staleAfterMs: 15 * MINUTE_MS } as const

  it('stands back, takes over after staleAfterMs, and steps back with the next delivery', async () => {
    const { poller, policy, feed, clock, inbox, log, change, keys } = pollBench()
    const poll = policy(stale)
    const push = () => inbox.state.lastDeliveryAt.set('s4', clock.now())
    push()
    const one = poller(poll)
    one.start()
    await clock.advance(3 * SLOT_MS)
    expect(feed.requests).to.have.length(0)
    change('lost by push')
    await clock.advance(SLOT_MS)
    expect(feed.requests).to.have.length(1)
    expect(keys()).to.deep.equal(['lost by push'])
    await clock.advance(2 * SLOT_MS)
    expect(feed.requests).to.have.length(3)
    push()
    await clock.advance(3 * SLOT_MS)
    expect(feed.requests, 'once more, for what changed before push was back').to.have.length(4)
    await clock.advance(SLOT_MS)
    expect(feed.requests).to.have.length(5)
    const said = log.lines.map(({ message }) => message)
    expect(said).to.deep.equal([
      'push is silent; polling takes over',
      'push is back; polling steps back',
      'push is silent; polling takes over',
    ])
    await one.stop()
  })

  // Mutation tried: without the first look's checkpoint the take-over begins too late and misses the change.
  it('finds what push lost from the first look on, also what changed long before it took over', async () => {
    const { poller, policy, clock, inbox, change, keys } = pollBench()
    const poll = policy({ ...stale, overlapMs: 0 })
    inbox.state.lastDeliveryAt.set('s4', clock.now())
    const one = poller(poll)
    expect(await one.run(poll)).to.include({ ran: false, reason: 'push-is-alive' })
    await clock.advance(MINUTE_MS)
    change('lost by push')
    await clock.advance(20 * MINUTE_MS)
    expect(await one.run(poll)).to.include({ ran: true, events: 1 })
    expect(keys()).to.deep.equal(['lost by push'])
  })

  // Mutation tried: where only this process remembers the take-over, or nobody, the change is found by neither.
  it('finds what push lost after the last read of a take-over, also where another instance leads by then', async () => {
    const { poller, policy, clock, inbox, change, keys } = pollBench()
    const poll = policy({ ...stale, overlapMs: 0 })
    const [one, other] = [poller(poll), poller(poll)]
    const push = () => inbox.state.lastDeliveryAt.set('s4', clock.now())
    push()
    expect(await one.run(poll)).to.include({ reason: 'push-is-alive' })
    await clock.advance(4 * SLOT_MS)
    expect(await one.run(poll)).to.include({ ran: true, events: 0 })
    await clock.advance(MINUTE_MS)
    change('between the last read and the return')
    await clock.advance(MINUTE_MS)
    push()
    await clock.advance(3 * MINUTE_MS)
    expect(await other.run(poll)).to.include({ ran: true, events: 1 })
    expect(keys()).to.deep.equal(['between the last read and the return'])
    await clock.advance(SLOT_MS)
    expect(await one.run(poll)).to.include({ ran: false, reason: 'push-is-alive' })
  })

  it('steps back only once that read has come to its end', async () => {
    const { poller, policy, clock, inbox, feed, change, keys } = pollBench()
    const poll = policy(stale)
    const one = poller(poll)
    const push = () => inbox.state.lastDeliveryAt.set('s4', clock.now())
    await one.run(poll)
    await clock.advance(4 * SLOT_MS)
    expect(await one.run(poll)).to.include({ ran: true })
    change('lost by push')
    push()
    await clock.advance(SLOT_MS)
    feed.hold(async () => {
      throw new SluiceError('target-unreachable', 'down')
    })
    expect(await one.run(poll)).to.include({ reason: 'failed' })
    feed.hold(async () => {})
    expect(await one.run(poll)).to.include({ ran: true, events: 1 })
    expect(keys()).to.deep.equal(['lost by push'])
  })

  it('leaves that read to who leads by then, where it has lost the lead in it', async () => {
    const { poller, policy, clock, inbox, change, keys } = pollBench()
    const poll = policy(stale)
    let lost = false
    const losing = (journal: Journal): Journal => ({
      ...journal,
      advance: async (step) => (lost && step.deliveries.length > 0 ? undefined : journal.advance(step)),
    })
    const [one, other] = [poller(poll, losing), poller(poll)]
    await one.run(poll)
    await clock.advance(4 * SLOT_MS)
    await one.run(poll)
    change('lost by push')
    inbox.state.lastDeliveryAt.set('s4', clock.now())
    await clock.advance(SLOT_MS)
    lost = true
    expect(await one.run(poll)).to.include({ reason: 'lost-lead' })
    expect(await other.run(poll)).to.include({ ran: true, events: 1 })
    expect(keys()).to.deep.equal(['lost by push'])
  })

  it('takes over where push never came, also if the process restarts more often than staleAfterMs', async () => {
    const { poller, policy, clock, feed } = pollBench()
    const poll = policy(stale)
    for (let restart = 0; restart < 4; restart += 1) {
      const one = poller(poll)
      one.start()
      await clock.advance(SLOT_MS)
      await one.stop()
    }
    expect(feed.requests).to.have.length(1)
  })
})
