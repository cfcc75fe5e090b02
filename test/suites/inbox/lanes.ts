import { expect } from 'chai'
import { accept, attempt, claim, claimOne, done, drain, idsOf, LEASE_MS, sender, settle } from '../../helpers/inbox.ts'
import type { UseInbox } from '../inbox.suite.ts'

const BLOCK = { name: 'orders', filter: { on: ['*'] }, order: 'block' } as const

export function lanesSuite(use: UseInbox): void {
  describe('lanes', () => {
    it('empties a lane, and fills it again at the end', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([BLOCK])
      const { one } = sender(harness)
      await accept(inbox, one({ id: 'a', lane: '1' }))
      expect(await inbox.work.nextDueAt(['orders'])).to.deep.equal(harness.now())
      expect(await drain(harness, 'orders')).to.deep.equal(['a'])
      expect(await inbox.work.nextDueAt(['orders', 'nobody'])).to.equal(undefined)
      await accept(inbox, one({ id: 'b', lane: '1' }), one({ id: 'c', lane: '1' }))
      expect(await drain(harness, 'orders')).to.deep.equal(['b', 'c'])
    })

    it('rests a lane for as long as its head asks, and nobody overtakes', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([BLOCK])
      const { one } = sender(harness)
      await accept(inbox, one({ id: 'a', lane: '1' }))
      const lane = await claimOne(inbox, 'orders')
      const at = harness.now()
      await settle(inbox, lane, [
        {
          dispatch: lane.dispatches[0]?.id ?? '',
          to: 'waiting',
          delayMs: 5_000,
          reason: 'down',
          attempt: attempt(at, 'failed', true),
        },
      ])
      await accept(inbox, one({ id: 'b', lane: '1' }), one({ id: 'c', lane: '2' }))
      expect((await claim(inbox, 'orders')).map(idsOf)).to.deep.equal([['c']])
      harness.advance(4_999)
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      harness.advance(1)
      const again = await claimOne(inbox, 'orders')
      expect(idsOf(again)).to.deep.equal(['a', 'b'])
      expect(again.recovered).to.equal(false)
      expect(again.dispatches[0]).to.deep.include({
        attempts: 1,
        triedBefore: true,
        lastSentAt: new Date(at.getTime() + 5),
      })
    })

    it('tells when the next of the asked lanes is due', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([BLOCK, { ...BLOCK, name: 'other' }])
      await accept(inbox, sender(harness).one({ lane: '1' }))
      const [mine, others] = [await claimOne(inbox, 'orders'), await claimOne(inbox, 'other')]
      const later = (lane: typeof mine, delayMs: number) =>
        settle(inbox, lane, [{ dispatch: lane.dispatches[0]?.id ?? '', to: 'waiting', delayMs }])
      await later(mine, 7_000)
      await later(others, 3_000)
      const inMs = async (...names: string[]) =>
        ((await inbox.work.nextDueAt(names))?.getTime() ?? 0) - harness.now().getTime()
      expect(await inMs('orders')).to.equal(7_000)
      expect(await inMs('orders', 'other')).to.equal(3_000)
    })

    it('peer defect 6: attempts are exact at every limit, whatever ended them', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([BLOCK])
      await accept(inbox, sender(harness).one({ id: 'a', lane: '1' }))
      for (const outcome of ['failed', 'lost', 'timeout', 'lost', 'ambiguous'] as const) {
        const lane = await claimOne(inbox, 'orders')
        if (outcome === 'lost') harness.advance(LEASE_MS)
        else
          await settle(inbox, lane, [
            { dispatch: lane.dispatches[0]?.id ?? '', to: 'waiting', attempt: attempt(harness.now(), outcome) },
          ])
      }
      const last = await claimOne(inbox, 'orders')
      const id = last.dispatches[0]?.id ?? ''
      expect(last.dispatches[0]).to.deep.include({ attempts: 5, forgiven: 0 })
      await settle(inbox, last, [{ dispatch: id, to: 'skipped', reason: 'absorbed' }])
      const recorded = await peek.attempts(id)
      expect(recorded.map(({ n, outcome }) => [n, outcome])).to.deep.equal([
        [1, 'failed'],
        [2, 'lost'],
        [3, 'timeout'],
        [4, 'lost'],
        [5, 'ambiguous'],
      ])
      expect(await peek.dispatch(id)).to.deep.equal({ status: 'skipped', reason: 'absorbed', attempts: 5 })
    })

    it('stops a blocked lane at its dead head, and only that lane', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([BLOCK])
      const { one } = sender(harness)
      await accept(inbox, one({ id: 'a', lane: '1' }), one({ id: 'b', lane: '1' }), one({ id: 'x', lane: '2' }))
      for (const lane of await claim(inbox, 'orders', { dispatchesPerLane: 1 })) {
        const dispatch = lane.dispatches[0]?.id ?? ''
        if (lane.partitionkey === '1')
          await settle(inbox, lane, [{ dispatch, to: 'dead', reason: 'broken', block: true }])
        else await settle(inbox, lane, [{ dispatch, to: 'done' }])
      }
      await accept(inbox, one({ id: 'c', lane: '1' }), one({ id: 'y', lane: '2' }))
      harness.advance(10 * LEASE_MS)
      expect(await drain(harness, 'orders')).to.deep.equal(['y'])
      expect(await inbox.work.nextDueAt(['orders'])).to.equal(undefined)
    })

    it('parks a dead dispatch without block, and the rest goes on', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([{ ...BLOCK, order: 'park' }])
      const { one } = sender(harness)
      await accept(inbox, ...['a', 'b', 'c'].map((id) => one({ id, lane: '1' })))
      const lane = await claimOne(inbox, 'orders')
      const [a, b] = lane.dispatches
      await settle(inbox, lane, [
        { dispatch: a?.id ?? '', to: 'dead', reason: 'broken', block: false },
        { dispatch: b?.id ?? '', to: 'unsure', reason: 'lost-answer' },
      ])
      expect(await drain(harness, 'orders')).to.deep.equal(['c'])
      expect(await peek.dispatch(b?.id ?? '')).to.deep.include({ status: 'unsure', reason: 'lost-answer' })
    })

    it('orders nothing where no order is wanted: every event is a lane of its own', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([{ ...BLOCK, order: 'none' }])
      const { one } = sender(harness)
      const keys = await accept(inbox, ...['a', 'b', 'c'].map((id) => one({ id, lane: 'same' })))
      const lanes = await claim(inbox, 'orders')
      expect(lanes.map(({ partitionkey }) => partitionkey).sort()).to.deep.equal([...keys].sort())
      const [first] = lanes
      const dead = first?.dispatches[0]?.id ?? ''
      if (first) await settle(inbox, first, [{ dispatch: dead, to: 'dead', reason: 'broken', block: false }])
      for (const lane of lanes.slice(1))
        await settle(
          inbox,
          lane,
          lane.dispatches.map((each) => done(each, harness.now())),
        )
      expect(await inbox.admin.replay(first?.partitionkey ?? '', 'orders', 'ann')).to.deep.include({ ok: true })
      expect(await inbox.admin.retry(dead, 'ann')).to.deep.include({ ok: true })
      const [id] = first ? idsOf(first) : []
      expect(await drain(harness, 'orders')).to.deep.equal([id, id])
    })

    it('keeps a result, and the versions that came into effect with it', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([BLOCK])
      const { one } = sender(harness)
      await accept(inbox, one({ lane: '1' }), one({ lane: '1' }))
      const lane = await claimOne(inbox, 'orders')
      const [a, b] = lane.dispatches
      const ours = { scope: 'target:erp', object: 'Order/1' }
      const theirs = { scope: 'subscription:orders', object: 'Order/1' }
      const effects = [
        { ...theirs, version: { version: '1', contentHash: 'aa' } },
        { ...ours, version: { version: '7' } },
      ]
      await settle(inbox, lane, [{ dispatch: a?.id ?? '', to: 'done', result: '{"order":"4711"}', effects }], false)
      const unknown = { ...ours, object: 'Order/2' }
      expect(await inbox.work.effects([ours, unknown, theirs])).to.deep.equal([
        { version: '7' },
        undefined,
        { version: '1', contentHash: 'aa' },
      ])
      // A handler may write one object twice: the later version is the one in effect.
      const newer = ['2', '3'].map((version) => ({ ...theirs, version: { version } }))
      await settle(inbox, lane, [{ dispatch: b?.id ?? '', to: 'done', effects: newer }])
      expect(await inbox.work.effects([theirs])).to.deep.equal([{ version: '3' }])
      expect(await peek.dispatch(a?.id ?? '')).to.deep.equal({
        status: 'done',
        attempts: 0,
        result: '{"order":"4711"}',
      })
      expect(await inbox.work.effects([])).to.deep.equal([])
    })
  })
}
