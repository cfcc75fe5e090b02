import { expect } from 'chai'
import { accept, claim, claimOne, done, drain, idsOf, sender, settle } from '../../helpers/inbox.ts'
import type { UseInbox } from '../inbox.suite.ts'

const ORDERS = { name: 'orders', filter: { on: ['order.*'] } }

export function subscriptionsSuite(use: UseInbox): void {
  describe('subscriptions', () => {
    it('gives an event to each subscription that wants it, and shows what nobody wanted', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([
        ORDERS,
        { name: 'all', filter: { on: ['*'] } },
        { name: 'elsewhere', filter: { on: ['*'], sources: ['other'] } },
        { name: 'native', filter: { on: ['orders/paid'] } },
      ])
      const { one } = sender(harness)
      await accept(
        inbox,
        one({ id: 'a', attributes: { providertype: 'orders/paid' } }),
        one({ id: 'b', type: 'invoice.created' }),
      )
      expect(await drain(harness, 'orders')).to.deep.equal(['a'])
      expect((await drain(harness, 'all')).sort()).to.deep.equal(['a', 'b'])
      expect(await drain(harness, 'native')).to.deep.equal(['a'])
      expect(await drain(harness, 'elsewhere')).to.deep.equal([])
      await inbox.admin.unregister('all', 'ann')
      const [wanted, unwanted] = await accept(inbox, one({ id: 'c' }), one({ id: 'd', type: 'invoice.created' }))
      expect(await peek.event(wanted ?? '')).to.deep.equal({ unrouted: false })
      expect(await peek.event(unwanted ?? '')).to.deep.equal({ unrouted: true })
    })

    it('feeds a subscription from its registration on, also one that another instance registered', async () => {
      const harness = use()
      const { inbox } = harness
      const { one } = sender(harness)
      await accept(inbox, one({ id: 'before' }))
      const newer = await harness.another()
      await newer.admin.register([ORDERS])
      await accept(inbox, one({ id: 'after' }))
      expect(await drain({ inbox: newer, now: harness.now }, 'orders')).to.deep.equal(['after'])
      await newer.admin.register([{ ...ORDERS, filter: { on: ['invoice.*'] } }])
      await accept(inbox, one({ id: 'order' }), one({ id: 'invoice', type: 'invoice.paid' }))
      expect(await drain({ inbox: newer, now: harness.now }, 'orders')).to.deep.equal(['invoice'])
    })

    it('peer defect 18: 12 parallel registrations make one subscription', async () => {
      const harness = use()
      const { inbox } = harness
      const other = await harness.another()
      await Promise.all(Array.from({ length: 12 }, (_, n) => (n % 2 ? inbox : other).admin.register([ORDERS])))
      const [event] = await accept(inbox, sender(harness).one({ id: 'a' }))
      const lane = await claimOne(inbox, 'orders')
      expect(lane.dispatches.map(({ id }) => id)).to.deep.equal([`${event}:orders:1`])
      expect(await claim(inbox, 'orders')).to.deep.equal([])
    })

    it('peer defect 17: a worker gets only what it asks for, even from the same store', async () => {
      const harness = use()
      const { inbox } = harness
      const foreign = await harness.another()
      await foreign.admin.register([{ name: 'invoices', filter: { on: ['*'] } }])
      await inbox.admin.register([ORDERS])
      await accept(inbox, sender(harness).one({ id: 'a' }))
      expect((await claim(inbox, 'orders')).map(({ subscription }) => subscription)).to.deep.equal(['orders'])
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      expect(await claim(inbox, 'nobody')).to.deep.equal([])
      expect((await claim(foreign, 'invoices')).map(idsOf)).to.deep.equal([['a']])
    })

    it('ends the open work of a removed subscription dead, and voids what a worker still holds', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      const [running, waiting] = await accept(inbox, one({ lane: '1' }), one({ lane: '1' }))
      const lane = await claimOne(inbox, 'orders', { dispatchesPerLane: 1 })
      const result = await inbox.admin.unregister('orders', 'ann')
      expect(result).to.deep.include({ ok: true })
      expect(result.ok && [...result.dispatches].sort()).to.deep.equal(
        [`${running}:orders:1`, `${waiting}:orders:1`].sort(),
      )
      expect(await peek.dispatch(`${waiting}:orders:1`)).to.deep.include({
        status: 'dead',
        reason: 'subscription-removed',
      })
      const [dispatch] = lane.dispatches
      expect(await settle(inbox, lane, dispatch ? [done(dispatch, harness.now())] : [])).to.equal(false)
      expect(await inbox.admin.unregister('orders', 'ann')).to.deep.equal({ ok: false, reason: 'not-found' })
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      expect(await inbox.work.nextDueAt(['orders'])).to.equal(undefined)
      const [after] = await accept(inbox, one({ lane: '1' }))
      expect(await peek.event(after ?? '')).to.deep.equal({ unrouted: true })
      expect(await inbox.admin.retry(`${waiting}:orders:1`, 'ann')).to.deep.equal({ ok: false, reason: 'conflict' })
    })

    it('takes a removed subscription back, with new events and with old ones that are tried again', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      const [old] = await accept(inbox, one({ id: 'old', lane: '1' }))
      await inbox.admin.unregister('orders', 'ann')
      await accept(inbox, one({ id: 'missed', lane: '1' }))
      await inbox.admin.register([ORDERS])
      await accept(inbox, one({ id: 'new', lane: '1' }))
      expect(await inbox.admin.retry(`${old}:orders:1`, 'ann')).to.deep.include({ ok: true })
      expect(await drain(harness, 'orders')).to.deep.equal(['new', 'old'])
    })

    it('takes one back as paused that was removed as paused: only an operator lets it work again', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      await inbox.admin.pause('orders', 'ann')
      await inbox.admin.unregister('orders', 'ann')
      await inbox.admin.register([ORDERS])
      await accept(inbox, sender(harness).one({ id: 'a' }))
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      expect(await inbox.admin.resume('orders', 'ann')).to.deep.include({ ok: true })
      expect(await drain(harness, 'orders')).to.deep.equal(['a'])
    })

    it('claims nothing of a paused subscription, and everything after it resumes', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      await accept(inbox, one({ id: 'a', lane: '1' }))
      expect(await inbox.admin.pause('orders', 'ann')).to.deep.equal({ ok: true, dispatches: [] })
      await accept(inbox, one({ id: 'b', lane: '1' }))
      expect(await claim(inbox, 'orders')).to.deep.equal([])
      expect(await inbox.work.nextDueAt(['orders'])).to.equal(undefined)
      const other = await harness.another()
      expect(await claim(other, 'orders')).to.deep.equal([])
      await inbox.admin.register([ORDERS])
      expect(await claim(inbox, 'orders'), 'a restart does not resume it').to.deep.equal([])
      expect(await inbox.admin.resume('orders', 'ann')).to.deep.include({ ok: true })
      expect(await drain(harness, 'orders')).to.deep.equal(['a', 'b'])
      expect(await inbox.admin.pause('nobody', 'ann')).to.deep.equal({ ok: false, reason: 'not-found' })
      expect(await inbox.admin.resume('nobody', 'ann')).to.deep.equal({ ok: false, reason: 'not-found' })
    })

    it('lets a worker settle what it held when its subscription was paused', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      await accept(inbox, sender(harness).one())
      const lane = await claimOne(inbox, 'orders')
      await inbox.admin.pause('orders', 'ann')
      expect(
        await settle(
          inbox,
          lane,
          lane.dispatches.map((one) => done(one, harness.now())),
        ),
      ).to.equal(true)
    })
  })
}
