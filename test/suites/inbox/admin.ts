import { expect } from 'chai'
import { accept, attempt, claim, claimOne, done, drain, idsOf, LEASE_MS, sender, settle } from '../../helpers/inbox.ts'
import type { UseInbox } from '../inbox.suite.ts'

const ORDERS = { name: 'orders', filter: { on: ['*'] }, order: 'block' } as const
const NOT_FOUND = { ok: false, reason: 'not-found' }
const CONFLICT = { ok: false, reason: 'conflict' }

export function adminSuite(use: UseInbox): void {
  /** Stores events of one lane and lets the head end as given. */
  async function endHead(to: 'dead' | 'unsure', block: boolean, ...ids: string[]): Promise<string[]> {
    const { inbox } = use()
    await inbox.admin.register([ORDERS])
    const keys = await accept(inbox, ...ids.map((id) => sender(use()).one({ id, lane: '1' })))
    const lane = await claimOne(inbox, 'orders')
    await settle(inbox, lane, [{ dispatch: lane.dispatches[0]?.id ?? '', to, reason: 'broken', block }])
    return keys.map((key) => `${key}:orders:1`)
  }

  describe('operators', () => {
    it('peer defect 1: two replays of one event make two runs, and neither is swallowed', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const [event = ''] = await accept(inbox, sender(harness).one({ id: 'a', lane: '1' }))
      expect(await drain(harness, 'orders')).to.deep.equal(['a'])
      const results = await Promise.all([
        inbox.admin.replay(event, 'orders', 'ann'),
        inbox.admin.replay(event, 'orders', 'ann'),
      ])
      expect(results.flatMap((one) => (one.ok ? one.dispatches : [])).sort()).to.deep.equal([
        `${event}:orders:2`,
        `${event}:orders:3`,
      ])
      const lane = await claimOne(inbox, 'orders')
      expect(
        lane.dispatches.map(({ id, run, attempts, triedBefore }) => [id, run, attempts, triedBefore]),
      ).to.deep.equal([
        [`${event}:orders:2`, 2, 0, true],
        [`${event}:orders:3`, 3, 0, true],
      ])
    })

    it('replays for one or all subscriptions of an event, at the tail of its lane', async () => {
      const harness = use()
      const { inbox } = harness
      const other = { ...ORDERS, name: 'audit' }
      await inbox.admin.register([ORDERS, other])
      const { one } = sender(harness)
      const [a = ''] = await accept(inbox, one({ id: 'a', lane: '1' }))
      await drain(harness, 'orders')
      await drain(harness, 'audit')
      await accept(inbox, one({ id: 'b', lane: '1' }))
      const all = await inbox.admin.replay(a, undefined, 'ann')
      expect(all.ok && [...all.dispatches].sort()).to.deep.equal([`${a}:audit:2`, `${a}:orders:2`])
      expect(await inbox.admin.replay(a, 'audit', 'ann')).to.deep.equal({ ok: true, dispatches: [`${a}:audit:3`] })
      expect(await drain(harness, 'orders')).to.deep.equal(['b', 'a'])
      expect(await drain(harness, 'audit')).to.deep.equal(['b', 'a', 'a'])
      expect(await inbox.admin.replay(a, 'nobody', 'ann')).to.deep.equal(NOT_FOUND)
      expect(await inbox.admin.replay('0190a000-0000-7000-8000-000000000000', undefined, 'ann')).to.deep.equal(
        NOT_FOUND,
      )
    })

    it('replays an event that nobody wanted for who wants it now, each replay as one more run', async () => {
      const harness = use()
      const { inbox, peek } = harness
      const [a = ''] = await accept(inbox, sender(harness).one({ id: 'a', lane: '1' }))
      expect(await peek.event(a)).to.deep.equal({ unrouted: true })
      expect(await inbox.admin.replay(a, undefined, 'ann')).to.deep.equal(NOT_FOUND)
      await inbox.admin.register([ORDERS])
      const results = await Promise.all([
        inbox.admin.replay(a, undefined, 'ann'),
        inbox.admin.replay(a, 'orders', 'ann'),
      ])
      expect(results.flatMap((one) => (one.ok ? one.dispatches : [])).sort()).to.deep.equal([
        `${a}:orders:1`,
        `${a}:orders:2`,
      ])
      expect(await peek.event(a)).to.deep.equal({ unrouted: false })
      const lane = await claimOne(inbox, 'orders')
      expect(lane.dispatches.map(({ run, triedBefore }) => [run, triedBefore])).to.deep.equal([
        [1, false],
        [2, false],
      ])
    })

    it('replays for a named subscription that came later, and for it alone', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const [a = ''] = await accept(inbox, sender(harness).one({ id: 'a', lane: '1' }))
      await drain(harness, 'orders')
      await inbox.admin.register([{ ...ORDERS, name: 'audit', order: 'none' }])
      expect(await inbox.admin.replay(a, 'audit', 'ann')).to.deep.equal({ ok: true, dispatches: [`${a}:audit:1`] })
      expect(await drain(harness, 'orders')).to.deep.equal([])
      expect(await drain(harness, 'audit')).to.deep.equal(['a'])
      const all = await inbox.admin.replay(a, undefined, 'ann')
      expect(all.ok && [...all.dispatches].sort()).to.deep.equal([`${a}:audit:2`, `${a}:orders:2`])
    })

    it('replays for nobody whose filter does not want the event, or who has been removed', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([
        ORDERS,
        { name: 'types', filter: { on: ['order.*'] } },
        { name: 'other-type', filter: { on: ['invoice.*'] } },
        { name: 'other-source', filter: { on: ['*'], sources: ['elsewhere'] } },
        { name: 'other-subject', filter: { on: ['*'], subject: 'x' } },
        { ...ORDERS, name: 'removed' },
      ])
      const [a = ''] = await accept(inbox, sender(harness).one({ id: 'a' }))
      await inbox.admin.unregister('removed', 'ann')
      for (const name of ['other-type', 'other-source', 'other-subject', 'removed']) {
        expect(await inbox.admin.replay(a, name, 'ann'), name).to.deep.equal(NOT_FOUND)
      }
      await inbox.admin.register([{ name: 'types', filter: { on: ['invoice.*'] } }])
      expect(await inbox.admin.replay(a, undefined, 'ann')).to.deep.equal({ ok: true, dispatches: [`${a}:orders:2`] })
    })

    it('knows that a replay of an untried dispatch is a first try', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const [event] = await accept(inbox, sender(harness).one({ id: 'a', lane: '1' }))
      await inbox.admin.discard(`${event}:orders:1`, 'ann')
      await inbox.admin.replay(event ?? '', 'orders', 'ann')
      const lane = await claimOne(inbox, 'orders')
      expect(lane.dispatches[0]).to.deep.include({ run: 2, triedBefore: false })
    })

    for (const to of ['dead', 'unsure'] as const) {
      it(`tries a ${to} head again at the head, with new attempts`, async () => {
        const harness = use()
        const { inbox } = harness
        await inbox.admin.register([ORDERS])
        const { one } = sender(harness)
        const keys = await accept(inbox, one({ id: 'a', lane: '1' }), one({ id: 'b', lane: '1' }))
        const first = await claimOne(inbox, 'orders')
        const [head] = first.dispatches
        const broken = { ...done(head ?? { id: '' }, harness.now()), to, reason: 'broken', block: true }
        await settle(inbox, first, [broken])
        expect(await claim(inbox, 'orders')).to.deep.equal([])
        const id = `${keys[0]}:orders:1`
        expect(await inbox.admin.retry(id, 'ann')).to.deep.equal({ ok: true, dispatches: [id] })
        const lane = await claimOne(inbox, 'orders')
        expect(idsOf(lane)).to.deep.equal(['a', 'b'])
        expect(lane.dispatches[0]).to.deep.include({ attempts: 1, forgiven: 1, triedBefore: true, run: 1 })
      })
    }

    it('moves a parked dispatch that is tried again to the tail', async () => {
      const [a = ''] = await endHead('dead', false, 'a', 'b')
      const { inbox, now } = use()
      expect(await inbox.admin.retry(a, 'ann')).to.deep.include({ ok: true })
      expect(await drain({ inbox, now }, 'orders')).to.deep.equal(['b', 'a'])
    })

    // Mutation: remove the lane with its last waiting dispatch, and a dead letter can never be tried again (tried).
    for (const order of ['none', 'park'] as const) {
      it(`tries a dead or unsure event without a lane of others again: ${order}`, async () => {
        const harness = use()
        const { inbox } = harness
        await inbox.admin.register([{ ...ORDERS, order }])
        await accept(inbox, ...['a', 'b'].map((id) => sender(harness).one({ id })))
        const ids: string[] = []
        for (const lane of await claim(inbox, 'orders')) {
          const dispatch = lane.dispatches[0]?.id ?? ''
          ids.push(dispatch)
          const to = ids.length === 1 ? 'dead' : 'unsure'
          await settle(inbox, lane, [{ dispatch, to, reason: 'lost', attempt: attempt(harness.now(), 'failed') }])
        }
        expect(await claim(inbox, 'orders')).to.deep.equal([])
        for (const id of ids) {
          expect(await inbox.admin.retry(id, 'ann')).to.deep.equal({ ok: true, dispatches: [id] })
        }
        expect((await drain(harness, 'orders')).sort()).to.deep.equal(['a', 'b'])
      })
    }

    it('keeps a lane blocked when another dispatch of it is tried again', async () => {
      const harness = use()
      const { inbox } = harness
      const [a = ''] = await endHead('dead', false, 'a')
      await accept(inbox, sender(harness).one({ id: 'b', lane: '1' }))
      const lane = await claimOne(inbox, 'orders')
      const b = lane.dispatches[0]?.id ?? ''
      await settle(inbox, lane, [{ dispatch: b, to: 'dead', block: true }])
      await inbox.admin.retry(a, 'ann')
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      await inbox.admin.retry(b, 'ann')
      expect(await drain(harness, 'orders')).to.deep.equal(['b', 'a'])
    })

    it('tries a dead head again at the head, also where one before it was discarded or its subscription was removed', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      const block = async () => {
        const lane = await claimOne(inbox, 'orders', { dispatchesPerLane: 1 })
        const dispatch = lane.dispatches[0]?.id ?? ''
        await settle(inbox, lane, [{ dispatch, to: 'dead', block: true }])
        return dispatch
      }
      const [a] = await accept(
        inbox,
        one({ id: 'a', lane: '1' }),
        one({ id: 'b', lane: '1' }),
        one({ id: 'c', lane: '1' }),
      )
      await inbox.admin.discard(`${a}:orders:1`, 'ann')
      expect(await inbox.admin.retry(await block(), 'ann')).to.deep.include({ ok: true })
      expect(idsOf(await claimOne(inbox, 'orders'))).to.deep.equal(['b', 'c'])
      await inbox.admin.unregister('orders', 'ann')
      await inbox.admin.register([ORDERS])
      await accept(inbox, one({ id: 'd', lane: '1' }), one({ id: 'e', lane: '1' }))
      expect(await inbox.admin.retry(await block(), 'ann')).to.deep.include({ ok: true })
      expect(await drain(harness, 'orders')).to.deep.equal(['d', 'e'])
    })

    it('refuses to try again what is waiting, done or unknown', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const [event] = await accept(inbox, sender(harness).one())
      const id = `${event}:orders:1`
      expect(await inbox.admin.retry(id, 'ann')).to.deep.equal(CONFLICT)
      await drain(harness, 'orders')
      expect(await inbox.admin.retry(id, 'ann')).to.deep.equal(CONFLICT)
      expect(await inbox.admin.discard(id, 'ann')).to.deep.equal(CONFLICT)
      expect(await inbox.admin.retry('nothing', 'ann')).to.deep.equal(NOT_FOUND)
      expect(await inbox.admin.discard('nothing', 'ann')).to.deep.equal(NOT_FOUND)
    })

    it('discards what waits, but not what a worker holds', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      const keys = await accept(inbox, ...['a', 'b', 'c'].map((id) => one({ id, lane: '1' })))
      const [a = '', b = '', c = ''] = keys.map((key) => `${key}:orders:1`)
      const lane = await claimOne(inbox, 'orders')
      expect(await inbox.admin.discard(a, 'ann')).to.deep.equal(CONFLICT)
      await inbox.work.release([lane])
      expect(await inbox.admin.discard(b, 'ann')).to.deep.equal({ ok: true, dispatches: [b] })
      expect(await peek.dispatch(b)).to.deep.equal({ status: 'skipped', reason: 'discarded', attempts: 0 })
      expect(await drain(harness, 'orders')).to.deep.equal(['a', 'c'])
      expect(await inbox.admin.discard(c, 'ann')).to.deep.equal(CONFLICT)
    })

    it('counts the lost attempt of a head, where what waits behind it is discarded', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      const keys = await accept(inbox, ...['a', 'b'].map((id) => one({ id, lane: '1' })))
      const [a = '', b = ''] = keys.map((key) => `${key}:orders:1`)
      const { owner } = await claimOne(inbox, 'orders')
      harness.advance(LEASE_MS)
      expect(await inbox.admin.discard(b, 'ann')).to.deep.equal({ ok: true, dispatches: [b] })
      expect(await peek.attempts(a)).to.deep.equal([{ n: 1, outcome: 'lost', fence: owner }])
      const again = await claimOne(inbox, 'orders')
      expect(again.dispatches.map(({ id, attempts }) => [id, attempts])).to.deep.equal([[a, 1]])
    })

    it('empties a lane whose last dispatch is discarded, and goes on with the next', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      const [a] = await accept(inbox, one({ id: 'a', lane: '1' }))
      await inbox.admin.discard(`${a}:orders:1`, 'ann')
      expect(await inbox.work.nextDueAt(['orders'])).to.equal(undefined)
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      await accept(inbox, one({ id: 'b', lane: '1' }))
      expect(await drain(harness, 'orders')).to.deep.equal(['b'])
    })

    it('lets the next one run at once when a resting head is discarded', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      await accept(inbox, one({ id: 'a', lane: '1' }), one({ id: 'b', lane: '1' }))
      const lane = await claimOne(inbox, 'orders')
      const head = lane.dispatches[0]?.id ?? ''
      await settle(inbox, lane, [{ dispatch: head, to: 'waiting', delayMs: 3_600_000 }])
      await inbox.admin.discard(head, 'ann')
      expect(await drain(harness, 'orders')).to.deep.equal(['b'])
    })

    it('frees a lane whose dead head is discarded; discarding behind it does not', async () => {
      const [a = '', b = ''] = await endHead('dead', true, 'a', 'b', 'c')
      const harness = use()
      const { inbox } = harness
      expect(await inbox.admin.discard(b, 'ann')).to.deep.include({ ok: true })
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      expect(await inbox.admin.discard(a, 'ann')).to.deep.include({ ok: true })
      expect(await drain(harness, 'orders')).to.deep.equal(['c'])
    })

    it('leaves a lease alone when a parked dispatch of its lane is discarded or tried again', async () => {
      const [a = ''] = await endHead('dead', false, 'a', 'b')
      const harness = use()
      const { inbox } = harness
      const { one } = sender(harness)
      const lane = await claimOne(inbox, 'orders')
      await inbox.admin.retry(a, 'ann')
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      expect(
        await settle(
          inbox,
          lane,
          lane.dispatches.map((each) => ({ dispatch: each.id, to: 'dead' as const })),
        ),
      ).to.equal(true)
      await accept(inbox, one({ id: 'c', lane: '1' }))
      const again = await claimOne(inbox, 'orders')
      expect(await inbox.admin.discard(lane.dispatches[0]?.id ?? '', 'ann')).to.deep.include({ ok: true })
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      expect(await inbox.work.renew([again], LEASE_MS)).to.deep.equal([true])
    })

    it('discards what a vanished worker held', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      const [key] = await accept(inbox, one({ id: 'a', lane: '1' }), one({ id: 'b', lane: '1' }))
      const stale = await claimOne(inbox, 'orders')
      harness.advance(LEASE_MS)
      const id = `${key}:orders:1`
      expect(await inbox.admin.discard(id, 'ann')).to.deep.include({ ok: true })
      expect(
        await settle(
          inbox,
          stale,
          stale.dispatches.map((each) => done(each, harness.now())),
        ),
      ).to.equal(false)
      expect((await peek.attempts(id)).map(({ outcome }) => outcome)).to.deep.equal(['lost'])
      expect(await drain(harness, 'orders')).to.deep.equal(['b'])
    })

    it('records every action with its actor, and no refused one', async () => {
      const [a = '', b = ''] = await endHead('dead', true, 'a', 'b')
      const { inbox, peek } = use()
      const event = a.slice(0, 36)
      await inbox.admin.retry(a, 'ann')
      await inbox.admin.retry(a, 'refused')
      await inbox.admin.discard(b, 'bob')
      await inbox.admin.discard('nothing', 'refused')
      await inbox.admin.replay(event, 'orders', 'cid')
      await inbox.admin.replay('nothing', undefined, 'refused')
      await inbox.admin.pause('orders', 'dan')
      await inbox.admin.resume('orders', 'eve')
      await inbox.admin.unregister('orders', 'fay')
      const actions = (await peek.audit()).map(({ actor, action, object }) => [actor, action, object])
      expect(actions.sort()).to.deep.equal([
        ['ann', 'retry', a],
        ['bob', 'discard', b],
        ['cid', 'replay', event],
        ['dan', 'pause', 'orders'],
        ['eve', 'resume', 'orders'],
        ['fay', 'unregister', 'orders'],
      ])
    })

    it('is healthy while it is open', async () => {
      const { inbox } = use()
      const health = await inbox.health()
      expect(health.ok).to.equal(true)
      expect(Math.abs(health.clockOffsetMs ?? 0)).to.be.below(60_000)
    })
  })
}
