import { expect } from 'chai'
import type { Journal } from '#domain/ports'
import { pollBench } from '../helpers/poll-bench.ts'
import { gate, never, turns } from '../helpers/turns.ts'

const DAY_MS = 86_400_000
const LEASE_MS = 15_000

/** A journal on whose leases something happens in between. */
const leasing =
  (between: (take: () => ReturnType<Journal['lease']>) => ReturnType<Journal['lease']>) =>
  (journal: Journal): Journal => ({ ...journal, lease: (...args) => between(() => journal.lease(...args)) })

describe("poller: a poll's leader", () => {
  it('takes over before the next slot where the leader died in its run', async () => {
    const { poller, policy, feed, clock, change, keys } = pollBench()
    const daily = policy({ overlapMs: DAY_MS })
    let isDead = false
    const mortal = leasing((take) => (isDead ? never() : take()))
    const [one, two] = [poller(daily, mortal), poller(daily)]
    change('A')
    feed.hold(never)
    void one.run(daily)
    two.start()
    await turns()
    isDead = true
    feed.hold(async () => {})
    await clock.advance(LEASE_MS)
    expect(keys()).to.deep.equal(['A'])
    await two.stop()
  })

  // Mutations tried: without a renewal, and with one alone, the other instance takes over.
  it('keeps the lead while a page takes longer than the lease', async () => {
    const { poller, policy, feed, clock, change, keys, log } = pollBench()
    const [one, two] = [poller(policy()), poller(policy())]
    const { passed, open } = gate()
    change('A')
    feed.hold(() => passed)
    const run = one.run(policy())
    for (let waited = 0; waited < 4 * LEASE_MS; waited += LEASE_MS / 2) {
      await clock.advance(LEASE_MS / 2)
      expect(await two.run(policy())).to.include({ ran: false, reason: 'not-leader' })
    }
    open()
    expect(await run).to.deep.equal({ ran: true, rows: 1, events: 1, missed: 0 })
    expect(keys()).to.deep.equal(['A'])
    expect(clock.pending).to.equal(0)
    expect(log.messages('warn')).to.deep.equal([])
  })

  it('goes on where the store did not answer for a moment, and gives up the lead it could not keep', async () => {
    const { poller, policy, feed, clock, change, keys, log } = pollBench()
    let failures = 0
    const away = leasing((take) => (failures-- > 0 ? Promise.reject(new Error('gone')) : take()))
    const [one, two] = [poller(policy(), away), poller(policy())]
    const { passed, open } = gate()
    change('A')
    feed.hold(() => passed)
    const run = one.run(policy())
    await turns()
    failures = 1
    await clock.advance(LEASE_MS)
    expect(await two.run(policy())).to.include({ reason: 'not-leader' })
    failures = 4
    await clock.advance(LEASE_MS + LEASE_MS / 3)
    feed.hold(async () => {})
    expect(await two.run(policy())).to.include({ ran: true, events: 1 })
    await clock.advance(2 * LEASE_MS)
    expect(await two.run(policy())).to.include({ reason: 'not-due' })
    open()
    expect(await run).to.include({ reason: 'lost-lead', events: 0 })
    expect(keys()).to.deep.equal(['A'])
    expect(new Set(log.messages('warn'))).to.deep.equal(new Set(['a lead could not be renewed']))
  })

  // Mutation tried: without another look, the poll rests until its next slot, a day later.
  it('is looked at again by an instance that lost its lead, should its successor die as well', async () => {
    const { poller, policy, feed, clock, change, keys } = pollBench()
    const daily = policy({ overlapMs: DAY_MS })
    let isAway = false
    const away = leasing((take) => (isAway ? Promise.reject(new Error('gone')) : take()))
    let takes = 0
    const mortal = leasing((take) => (takes++ > 0 ? never() : take()))
    const [one, two] = [poller(daily, away), poller(daily, mortal)]
    const { passed, open } = gate()
    feed.hold(() => passed)
    one.start()
    await turns()
    isAway = true
    await clock.advance(LEASE_MS)
    feed.hold(never)
    void two.run(daily)
    await turns()
    isAway = false
    feed.hold(async () => {})
    open()
    await turns()
    change('A')
    await clock.advance(2 * LEASE_MS)
    expect(keys()).to.deep.equal(['A'])
    await one.stop()
  })

  // Mutation tried: a release that does not wait leaves the lead with nobody until the lease ends.
  it('is led by nobody once a run has ended, even where a renewal was under way', async () => {
    const { poller, policy, feed, clock, inbox } = pollBench()
    const { passed: renewed, open: renew } = gate()
    let takes = 0
    const slow = leasing(async (take) => {
      if (++takes > 1) await renewed
      return take()
    })
    const { passed, open } = gate()
    feed.hold(() => passed)
    const run = poller(policy(), slow).run(policy())
    await turns()
    await clock.advance(LEASE_MS / 3)
    open()
    await turns()
    renew()
    expect(await run).to.include({ ran: true })
    expect(await inbox.journal.lease('poll:orders', 'another', LEASE_MS)).to.not.equal(undefined)
    expect(clock.pending).to.equal(0)
  })
})
