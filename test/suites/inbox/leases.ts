import { expect } from 'chai'
import { accept, attempt, claim, claimOne, done, drain, idsOf, LEASE_MS, sender, settle } from '../../helpers/inbox.ts'
import type { UseInbox } from '../inbox.suite.ts'

const ORDERS = { name: 'orders', filter: { on: ['*'] }, order: 'block' } as const
const effect = { scope: 'subscription:orders', object: 'Order/1', version: { version: '2' } }

export function leasesSuite(use: UseInbox): void {
  describe('leases', () => {
    it('gives a lane to one of many claimers', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      await accept(inbox, ...Array.from({ length: 40 }, (_, n) => one({ lane: `${n % 20}` })))
      const other = await harness.another()
      const claims = await Promise.all(
        Array.from({ length: 8 }, (_, n) => claim(n % 2 ? inbox : other, 'orders', { lanes: 5 })),
      )
      const lanes = claims.flat()
      expect(new Set(lanes.map(({ lane }) => lane)).size).to.equal(lanes.length)
      expect(new Set(lanes.map(({ owner }) => owner)).size, 'a fence is unique per lease').to.equal(lanes.length)
      const rest = await claim(inbox, 'orders')
      expect(lanes.length + rest.length).to.equal(20)
    })

    it('bounds lanes, dispatches and bytes of a claim, and loads one dispatch all the same', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      const large = 'x'.repeat(10_000)
      await accept(inbox, ...Array.from({ length: 5 }, (_, n) => one({ id: `a${n}`, lane: 'a', data: large })))
      const lane = await claimOne(inbox, 'orders', { bytes: 25_000 })
      expect(idsOf(lane)).to.deep.equal(['a0', 'a1'])
      await inbox.work.release([lane])
      const [first] = await claim(inbox, 'orders', { bytes: 1 })
      expect(first && idsOf(first)).to.deep.equal(['a0'])
      await inbox.work.release(first ? [first] : [])
      const three = await claimOne(inbox, 'orders', { dispatchesPerLane: 3 })
      expect(idsOf(three)).to.deep.equal(['a0', 'a1', 'a2'])
      await accept(inbox, one({ lane: 'b' }), one({ lane: 'c' }))
      expect(await claim(inbox, 'orders', { lanes: 1 })).to.have.length(1)
    })

    it('gives every subscription its lanes, whatever the backlog of another', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([
        { name: 'busy', filter: { on: ['busy'] } },
        { name: 'quiet', filter: { on: ['quiet'] } },
      ])
      const { one } = sender(harness)
      await accept(inbox, ...Array.from({ length: 50 }, (_, n) => one({ type: 'busy', lane: `${n}` })))
      harness.advance(1)
      await accept(inbox, one({ type: 'quiet' }))
      const lanes = await inbox.work.claim({
        subscriptions: ['busy', 'quiet'].map((name) => ({ name, lanes: 4 })),
        dispatchesPerLane: 1,
        bytes: 10_000,
        leaseMs: LEASE_MS,
      })
      const names = lanes.map(({ subscription }) => subscription).sort()
      expect(names).to.deep.equal(['busy', 'busy', 'busy', 'busy', 'quiet'])
    })

    it('takes a lane whose lease ran out, and records the lost attempt of its head first', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      await accept(inbox, one({ id: 'a', lane: '1' }), one({ id: 'b', lane: '1' }))
      const first = await claimOne(inbox, 'orders')
      expect(first).to.deep.include({ recovered: false, partitionkey: '1', subscription: 'orders' })
      expect(first.leaseUntil.getTime()).to.equal(harness.now().getTime() + LEASE_MS)
      expect(first.dispatches[0]).to.deep.include({ attempts: 0, forgiven: 0, run: 1, triedBefore: false })
      expect(first.dispatches[0]).to.not.have.property('lastSentAt')
      harness.advance(LEASE_MS - 1)
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      harness.advance(1)
      const second = await claimOne(inbox, 'orders')
      expect(second.recovered).to.equal(true)
      expect(second.owner).to.not.equal(first.owner)
      const [head, next] = second.dispatches
      expect(head).to.deep.include({ attempts: 1, triedBefore: true, lastSentAt: first.leaseUntil })
      expect(next).to.deep.include({ attempts: 0, triedBefore: false })
      expect(await peek.attempts(head?.id ?? '')).to.deep.equal([{ n: 1, outcome: 'lost', fence: first.owner }])
    })

    // Mutations: an attempt that sent nothing, or an operator's retry, clears the moment: a lost create is then sent again
    // without a look, and the ERP has it twice (tried on every store).
    it('remembers when something was last sent, whatever comes after it', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      await accept(inbox, sender(harness).one({ id: 'a', lane: '1' }))
      const tried = async (sent: boolean, to: 'waiting' | 'dead' = 'waiting') => {
        const lane = await claimOne(inbox, 'orders')
        const [head] = lane.dispatches
        const record = attempt(harness.now(), 'ambiguous', sent)
        await settle(inbox, lane, [
          { dispatch: head?.id ?? '', to, attempt: record, ...(to === 'dead' && { block: true }) },
        ])
        harness.advance(1_000)
        return { ...head, endedAt: new Date(record.at.getTime() + record.durationMs) }
      }
      expect((await tried(false)).lastSentAt).to.equal(undefined)
      const { lastSentAt: unsent, endedAt: first } = await tried(true)
      expect(unsent).to.equal(undefined)
      expect((await tried(false)).lastSentAt).to.deep.equal(first)
      const { id = '', lastSentAt, endedAt: second } = await tried(true, 'dead')
      expect(lastSentAt).to.deep.equal(first)
      await inbox.admin.retry(id, 'ann')
      expect((await tried(false)).lastSentAt).to.deep.equal(second)
      expect((await claimOne(inbox, 'orders')).dispatches[0]?.lastSentAt).to.deep.equal(second)
    })

    it('voids a stale owner: settle, renew and release change nothing', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      await accept(inbox, sender(harness).one({ id: 'a', lane: '1' }))
      const stale = await claimOne(inbox, 'orders')
      harness.advance(LEASE_MS)
      const current = await claimOne(inbox, 'orders')
      const settled = stale.dispatches.map((one) => ({ ...done(one, harness.now()), effects: [effect] }))
      expect(await settle(inbox, stale, settled)).to.equal(false)
      expect(await inbox.work.renew([stale, current], 2 * LEASE_MS)).to.deep.equal([false, true])
      await inbox.work.release([stale])
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      const [id] = current.dispatches.map((one) => one.id)
      expect(await peek.dispatch(id ?? '')).to.deep.include({ status: 'waiting', attempts: 1 })
      expect(await inbox.work.effects([effect])).to.deep.equal([undefined])
      expect(await settle(inbox, current, settled)).to.equal(true)
      expect(await inbox.work.effects([effect])).to.deep.equal([{ version: '2' }])
      expect((await peek.attempts(id ?? '')).map(({ outcome }) => outcome)).to.deep.equal(['lost', 'ok'])
    })

    it('settles the lanes whose fence holds beside one whose fence does not', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      await accept(inbox, one({ id: 'a', lane: '1' }), one({ id: 'b', lane: '2' }))
      const lanes = await claim(inbox, 'orders')
      const settlements = lanes.map(({ lane, owner, dispatches }, index) => ({
        lane,
        owner: index === 0 ? 'somebody-else' : owner,
        settled: dispatches.map((one) => done(one, harness.now())),
        release: true,
      }))
      expect(await inbox.work.settle(settlements)).to.deep.equal([false, true])
      expect(await inbox.work.settle([])).to.deep.equal([])
    })

    it('prolongs a lease for as long as it is renewed', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      await accept(inbox, sender(harness).one())
      const lane = await claimOne(inbox, 'orders')
      for (let renewed = 0; renewed < 5; renewed += 1) {
        harness.advance(LEASE_MS / 3)
        expect(await inbox.work.renew([lane], LEASE_MS)).to.deep.equal([true])
      }
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      harness.advance(LEASE_MS)
      expect((await claimOne(inbox, 'orders')).recovered).to.equal(true)
    })

    it('takes back what was claimed but not started, and counts nothing', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      await accept(inbox, sender(harness).one({ id: 'a' }))
      const lane = await claimOne(inbox, 'orders')
      await inbox.work.release([lane])
      const again = await claimOne(inbox, 'orders')
      expect(again).to.deep.include({ recovered: false })
      expect(again.dispatches[0]).to.deep.include({ attempts: 0 })
      expect(await peek.attempts(again.dispatches[0]?.id ?? '')).to.deep.equal([])
    })

    it('keeps the lease while dispatches of the lane are settled one by one', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      await accept(inbox, ...['a', 'b', 'c'].map((id) => one({ id, lane: '1' })))
      const lane = await claimOne(inbox, 'orders')
      const [a, b] = lane.dispatches.map((each) => done(each, harness.now()))
      expect(await settle(inbox, lane, a ? [a] : [], false)).to.equal(true)
      expect(await settle(inbox, lane, a ? [a] : [], false), 'the same once more').to.equal(true)
      expect(await peek.attempts(a?.dispatch ?? '')).to.have.length(1)
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      await accept(inbox, one({ id: 'd', lane: '1' }))
      expect(await settle(inbox, lane, b ? [b] : [], false)).to.equal(true)
      harness.advance(LEASE_MS)
      const recovered = await claimOne(inbox, 'orders')
      expect(idsOf(recovered)).to.deep.equal(['c', 'd'])
      expect(recovered.dispatches.map(({ attempts }) => attempts)).to.deep.equal([1, 0])
    })

    it('ignores results of what is settled already, and of other lanes', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      await accept(inbox, one({ id: 'a', lane: '1' }), one({ id: 'b', lane: '1' }), one({ id: 'c', lane: '2' }))
      const lanes = await claim(inbox, 'orders')
      const [lane, other] = [2, 1].map((count) => lanes.find(({ dispatches }) => dispatches.length === count))
      if (!lane || !other) return expect.fail()
      const [a, c] = [lane, other].flatMap(({ dispatches: [head] }) => (head ? [done(head, harness.now())] : []))
      if (!a || !c) return expect.fail()
      await settle(inbox, lane, [a], false)
      const late = [{ ...a, to: 'dead' as const, block: true }, c, { ...c, to: 'waiting' as const, delayMs: 1_000 }]
      expect(await settle(inbox, lane, late)).to.equal(true)
      expect(await peek.dispatch(a.dispatch)).to.deep.include({ status: 'done', attempts: 1 })
      expect(await peek.dispatch(c.dispatch)).to.deep.include({ status: 'waiting', attempts: 0 })
      expect(idsOf(await claimOne(inbox, 'orders')), 'neither blocked nor resting').to.deep.equal(['b'])
    })

    it('peer defect 5: what a vanished worker held, at whatever step, is finished by another', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      const steps = ['claimed', 'renewed', 'half', 'resting', 'released'] as const
      await accept(
        inbox,
        ...steps.flatMap((step) => [one({ id: `${step}-1`, lane: step }), one({ id: `${step}-2`, lane: step })]),
      )
      for (const lane of await claim(inbox, 'orders')) {
        const [head] = lane.dispatches
        if (!head) throw new Error('an empty lane')
        if (lane.partitionkey === 'renewed') await inbox.work.renew([lane], LEASE_MS)
        if (lane.partitionkey === 'half') await settle(inbox, lane, [done(head, harness.now())], false)
        if (lane.partitionkey === 'released') await inbox.work.release([lane])
        if (lane.partitionkey === 'resting') {
          const failed = {
            dispatch: head.id,
            to: 'waiting',
            delayMs: 30_000,
            attempt: attempt(harness.now(), 'failed'),
          } as const
          await settle(inbox, lane, [failed])
        }
      }
      harness.advance(LEASE_MS)
      const successor = await harness.another()
      const worked = await drain({ inbox: successor, now: harness.now }, 'orders')
      const expected = steps.flatMap((step) => [`${step}-1`, `${step}-2`]).filter((id) => id !== 'half-1')
      expect([...worked].sort()).to.deep.equal(expected.sort())
      expect(await inbox.work.nextDueAt(['orders'])).to.equal(undefined)
      expect((await peek.audit()).length).to.equal(0)
    })
  })
}
