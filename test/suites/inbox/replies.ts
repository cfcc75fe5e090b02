import { expect } from 'chai'
import { accept, attempt, claimOne, sender, settle } from '../../helpers/inbox.ts'
import type { UseInbox } from '../inbox.suite.ts'

const subscription = (name: string) => ({ name, filter: { on: ['*'] }, order: 'block' as const })

/** What callers that wait for a handler ask the store. */
export function repliesSuite(use: UseInbox): void {
  describe('ends', () => {
    it('tells every dispatch of an event, of every run, with its result, and of no other event', async () => {
      const harness = use()
      const { inbox, now } = harness
      await inbox.admin.register([subscription('audit'), subscription('orders')])
      const { one } = sender(harness)
      const [event = '', other = ''] = await accept(inbox, one({ id: 'a', lane: '1' }), one({ id: 'b', lane: '2' }))
      const ends = async () =>
        [...(await inbox.work.ends(event))].sort(
          (x, y) => x.subscription.localeCompare(y.subscription) || x.run - y.run,
        )
      const waiting = (name: string, run: number) => ({ subscription: name, run, status: 'waiting' })
      expect(await ends()).to.deep.equal([waiting('audit', 1), waiting('orders', 1)])

      const lanes = await inbox.work.claim({
        subscriptions: [{ name: 'orders', lanes: 10 }],
        dispatchesPerLane: 1,
        bytes: 1_000_000,
        leaseMs: 60_000,
      })
      const lane = lanes.find(({ dispatches: [head] }) => head?.event.key === event)
      if (!lane) throw new Error('the lane is not due')
      const result = '{"order":"4711 ü"}'
      const dispatch = `${event}:orders:1`
      expect(await settle(inbox, lane, [{ dispatch, to: 'done', result, attempt: attempt(now()) }])).to.equal(true)
      const done = { subscription: 'orders', run: 1, status: 'done', result }
      expect(await ends()).to.deep.equal([waiting('audit', 1), done])

      const audit = await claimAudit(event)
      const dead = { dispatch: `${event}:audit:1`, to: 'dead', reason: 'broken', block: false } as const
      await settle(inbox, audit, [{ ...dead, attempt: attempt(now(), 'failed') }])
      await inbox.admin.replay(event, 'orders', 'ann')
      expect(await ends()).to.deep.equal([
        { subscription: 'audit', run: 1, status: 'dead', reason: 'broken' },
        done,
        waiting('orders', 2),
      ])
      expect(await inbox.work.ends(other)).to.have.length(2)
      expect(await inbox.work.ends('0190a000-0000-7000-8000-000000000000')).to.deep.equal([])

      async function claimAudit(key: string) {
        const all = await inbox.work.claim({
          subscriptions: [{ name: 'audit', lanes: 10 }],
          dispatchesPerLane: 1,
          bytes: 1_000_000,
          leaseMs: 60_000,
        })
        const found = all.find(({ dispatches: [head] }) => head?.event.key === key)
        if (!found) throw new Error('the lane is not due')
        return found
      }
    })
  })

  describe('labels', () => {
    it('are kept beside the delivery, and a label too long is quarantine and no error', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([subscription('orders')])
      const labels = {
        applicationId: 'PO 4711 ü',
        correlationId: 'c-1',
        sender: 'SHOP',
        receiver: 'ERP',
        messageType: 'O',
      }
      const { one } = sender(harness)
      const delivery = one({ id: 'a' }, { labels })
      const long = one({ id: 'b' }, { labels: { applicationId: 'x'.repeat(121) } })
      const outcomes = await inbox.intake.store([delivery, long])
      expect(outcomes.map(({ outcome }) => outcome)).to.deep.equal(['accepted', 'quarantined'])
      expect(await harness.peek.labels(delivery.key)).to.deep.equal(labels)
      expect((await claimOne(inbox, 'orders')).dispatches).to.have.length(1)
    })
  })
}
