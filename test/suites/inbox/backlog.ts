import { expect } from 'chai'
import { accept, claim, claimOne, LEASE_MS, sender, settle } from '../../helpers/inbox.ts'
import type { UseInbox } from '../inbox.suite.ts'

const ORDERS = { name: 'orders', filter: { on: ['order.created'] }, order: 'block' } as const
const STOCK = { name: 'stock', filter: { on: ['stock.changed'] }, order: 'none' } as const
const ALL = { lanes: 100, heads: 100 }
const NOTHING = { due: 0, leased: 0, resting: 0, blocked: 0 }

export function backlogSuite(use: UseInbox): void {
  describe('backlog', () => {
    it('counts each lane where it stands, and knows the oldest event that waits', async () => {
      const harness = use()
      const { inbox } = harness
      const { one } = sender(harness)
      await inbox.admin.register([ORDERS, STOCK])
      const firstAt = harness.now()
      const [dying = ''] = await accept(inbox, one({ id: 'dead', lane: 'blocked' }), one({ lane: 'blocked' }))
      await settle(inbox, await claimOne(inbox, 'orders'), [
        { dispatch: `${dying}:orders:1`, to: 'dead', reason: 'broken', block: true },
      ])
      harness.advance(1_000)
      const [failing = ''] = await accept(inbox, one({ lane: 'resting' }))
      await settle(inbox, await claimOne(inbox, 'orders'), [
        { dispatch: `${failing}:orders:1`, to: 'waiting', delayMs: 10 * LEASE_MS },
      ])
      await accept(inbox, one({ lane: 'leased' }))
      await claimOne(inbox, 'orders')
      await accept(inbox, one({ lane: 'due' }), one({ lane: 'due' }), one({ lane: 'due too' }))
      harness.advance(1_000)
      const stockAt = harness.now()
      await accept(inbox, one({ type: 'stock.changed' }))

      const backlog = await inbox.work.backlog(['stock', 'orders', 'nobody'], ALL)
      expect(backlog).to.deep.equal([
        { ...NOTHING, subscription: 'stock', due: 1, oldestReceivedAt: stockAt },
        { subscription: 'orders', due: 2, leased: 1, resting: 1, blocked: 1, oldestReceivedAt: firstAt },
        { ...NOTHING, subscription: 'nobody' },
      ])
      // A worker that vanished has left its lane to whoever comes.
      harness.advance(LEASE_MS + 1)
      const [later] = await inbox.work.backlog(['orders'], ALL)
      expect(later).to.include({ due: 3, leased: 0, resting: 1 })
    })

    it('stops counting at its bounds, and looks at the lanes longest due', async () => {
      const harness = use()
      const { inbox } = harness
      const { one } = sender(harness)
      await inbox.admin.register([ORDERS])
      const firstAt = harness.now()
      for (const lane of ['a', 'b', 'c', 'd']) {
        await accept(inbox, one({ lane }))
        harness.advance(10)
      }
      expect(await inbox.work.backlog(['orders'], { lanes: 3, heads: 1 })).to.deep.equal([
        { ...NOTHING, subscription: 'orders', due: 3, oldestReceivedAt: firstAt },
      ])
    })

    it('is empty once everything is done', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      await accept(inbox, sender(harness).one({ lane: 'a' }))
      for (const lane of await claim(inbox, 'orders')) {
        const settled = lane.dispatches.map(({ id }) => ({ dispatch: id, to: 'done' as const }))
        await settle(inbox, lane, settled)
      }
      expect(await inbox.work.backlog(['orders'], ALL)).to.deep.equal([{ ...NOTHING, subscription: 'orders' }])
    })
  })
}
