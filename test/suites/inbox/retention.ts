import { expect } from 'chai'
import { bytes } from '../../helpers/deliveries.ts'
import { accept, claimOne, drain, seconds, sender, settle } from '../../helpers/inbox.ts'
import type { UseInbox } from '../inbox.suite.ts'

const ORDERS = { name: 'orders', filter: { on: ['*'] }, order: 'block' } as const
const DAY_MS = 86_400_000

export function retentionSuite(use: UseInbox): void {
  const before = (days: number) => new Date(use().now().getTime() - days * DAY_MS)

  /** Repeats small steps until nothing is left to do. */
  async function retain(payloadDays: number, eventDays: number, limit = 100) {
    const sum = { payloads: 0, events: 0, lanes: 0, steps: 0 }
    for (;;) {
      const policy = { payloadsBefore: before(payloadDays), eventsBefore: before(eventDays), limit }
      const step = await use().inbox.admin.retain(policy)
      expect(step.events).to.be.at.most(limit)
      if (step.payloads + step.events + step.lanes === 0) return sum
      sum.payloads += step.payloads
      sum.events += step.events
      sum.lanes += step.lanes
      sum.steps += 1
      expect(sum.steps, 'retention does not end').to.be.below(200)
    }
  }

  describe('retention', () => {
    it('removes in small steps what is old: first the bytes, later the events with their lanes', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      const old = Array.from({ length: 23 }, (_, n) => one({ id: `old-${n}`, lane: `lane-${n % 5}` }))
      const events = await accept(inbox, ...old)
      await drain(harness, 'orders')
      harness.advance(40 * DAY_MS)
      const young = one({ id: 'young', lane: 'lane-0' })
      const [youngEvent] = await accept(inbox, young)
      await drain(harness, 'orders')
      const first = await retain(30, 90, 10)
      expect(first.payloads).to.equal(23)
      expect(first.events).to.equal(0)
      expect(first.steps, 'in steps').to.be.at.least(3)
      expect(await inbox.work.payload(old[0]?.key ?? '')).to.equal(undefined)
      expect(await inbox.work.payload(young.key)).to.not.equal(undefined)
      expect(await peek.event(events[0] ?? '')).to.not.equal(undefined)
      harness.advance(60 * DAY_MS)
      const second = await retain(30, 90, 10)
      expect(second.events).to.equal(23)
      expect(await peek.event(events[22] ?? '')).to.equal(undefined)
      expect(await peek.dispatch(`${events[22]}:orders:1`)).to.equal(undefined)
      expect(await peek.attempts(`${events[22]}:orders:1`)).to.deep.equal([])
      expect(await peek.event(youngEvent ?? '')).to.not.equal(undefined)
      expect(first.lanes + second.lanes, 'empty lanes').to.be.at.least(4)
      await retain(0, 0)
      expect(await peek.delivery(old[0]?.key ?? '')).to.equal(undefined)
    })

    it('knows a sender id for ever: a repetition after retention is still a duplicate', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      await accept(inbox, one({ id: 'a', data: '1', lane: '1' }))
      await drain(harness, 'orders')
      harness.advance(100 * DAY_MS)
      await retain(1, 1)
      const [again, forged] = await inbox.intake.store([one({ id: 'a', data: '1' }), one({ id: 'a', data: '2' })])
      expect([again?.outcome, forged?.outcome]).to.deep.equal(['duplicate', 'conflict'])
      await accept(inbox, one({ id: 'b', lane: '1' }))
      expect(await drain(harness, 'orders'), 'its lane works on').to.deep.equal(['b'])
    })

    it('never removes an event with open work', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS, { ...ORDERS, name: 'slow' }])
      const { one } = sender(harness)
      const deliveries = ['1', '2', '3', '4'].map((lane) => one({ id: lane, lane }))
      const events = await accept(inbox, ...deliveries)
      await drain(harness, 'orders')
      const [dead, waiting, unsure] = await inbox.work.claim({
        subscriptions: [{ name: 'slow', lanes: 4 }],
        dispatchesPerLane: 1,
        bytes: 100,
        leaseMs: 1_000,
      })
      if (dead) await settle(inbox, dead, [{ dispatch: dead.dispatches[0]?.id ?? '', to: 'dead', block: true }])
      if (unsure) await settle(inbox, unsure, [{ dispatch: unsure.dispatches[0]?.id ?? '', to: 'unsure' }])
      if (waiting) await inbox.work.release([waiting])
      harness.advance(400 * DAY_MS)
      expect((await retain(1, 1)).events).to.equal(0)
      for (const event of events) expect(await peek.event(event)).to.not.equal(undefined)
      for (const { key } of deliveries) expect(await peek.delivery(key)).to.not.equal(undefined)
      expect((await drain(harness, 'slow')).length).to.equal(2)
      expect((await retain(1, 1)).events).to.equal(2)
      for (const lane of [dead, unsure]) {
        expect(await inbox.admin.retry(lane?.dispatches[0]?.id ?? '', 'ann')).to.deep.include({ ok: true })
        expect(await drain(harness, 'slow')).to.have.length(1)
        expect((await retain(1, 1)).events).to.equal(1)
      }
    })

    it('peer defect 15: a dead letter is kept for an operator, and goes once it is tried again or discarded', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([{ ...ORDERS, order: 'park' }])
      const { one } = sender(harness)
      const [a, b] = await accept(inbox, one({ id: 'a', lane: '1' }), one({ id: 'b', lane: '1' }))
      const lane = await claimOne(inbox, 'orders')
      await settle(
        inbox,
        lane,
        lane.dispatches.map(({ id }) => ({ dispatch: id, to: 'dead' as const, reason: 'broken' })),
      )
      harness.advance(400 * DAY_MS)
      await retain(1, 1)
      expect(await peek.dispatch(`${a}:orders:1`)).to.deep.include({ status: 'dead' })
      await inbox.admin.discard(`${a}:orders:1`, 'ann')
      expect((await retain(1, 1)).events).to.equal(1)
      await inbox.admin.retry(`${b}:orders:1`, 'ann')
      expect(await drain(harness, 'orders')).to.deep.equal(['b'])
      expect((await retain(1, 1)).events).to.equal(1)
      expect(await peek.event(b ?? '')).to.equal(undefined)
    })

    it('tells a new block of a lane from what was parked in it before retention', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      const end = async (block: boolean) => {
        const lane = await claimOne(inbox, 'orders')
        const dispatch = lane.dispatches[0]?.id ?? ''
        await settle(inbox, lane, [{ dispatch, to: 'dead', block }])
        return dispatch
      }
      await accept(inbox, one({ id: 'parked', lane: '1' }))
      const parked = await end(false)
      harness.advance(400 * DAY_MS)
      await retain(1, 1)
      await accept(inbox, one({ id: 'blocking', lane: '1' }))
      const blocking = await end(true)
      await inbox.admin.retry(parked, 'ann')
      expect(await inbox.work.nextDueAt(['orders'])).to.equal(undefined)
      await inbox.admin.retry(blocking, 'ann')
      expect(await drain(harness, 'orders')).to.deep.equal(['blocking', 'parked'])
    })

    it('leaves when a source last pushed, in whichever order its deliveries go', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      const lastPush = async (source: string) => seconds(await inbox.journal.lastDeliveryAt(source))
      const ping = () => one({}, { items: [{ kind: 'ignored', reason: 'ping' }] })
      const open = one({ id: 'open' })
      await inbox.intake.store([open, ping()])
      harness.advance(5_000)
      const pushedAt = seconds(harness.now())
      const last = ping()
      await inbox.intake.store([last])
      harness.advance(5_000)
      const bad = { items: [{ kind: 'bad', reason: 'not-json' }] } as const
      await inbox.intake.store([one({}, bad), one({}, { ...bad, origin: 'broken' }), one({}, { channel: 'poll' })])
      harness.advance(400 * DAY_MS)
      await retain(1, 1)
      expect(await peek.delivery(last.key)).to.equal(undefined)
      expect(await lastPush('shop')).to.equal(pushedAt)
      await drain(harness, 'orders')
      await retain(1, 1)
      expect(await peek.delivery(open.key), 'an older one, removed later').to.equal(undefined)
      expect(await lastPush('shop')).to.equal(pushedAt)
      expect(await inbox.journal.lastDeliveryAt('broken'), 'quarantine is no sign of life').to.equal(undefined)
      const againAt = seconds(harness.now())
      await inbox.intake.store([ping()])
      expect(await lastPush('shop'), 'the next push').to.equal(againAt)
      harness.advance(400 * DAY_MS)
      await retain(1, 1)
      expect(await lastPush('shop')).to.equal(againAt)
    })

    it('shows a body or nothing, never the data of its event, while bodies are removed', async () => {
      const harness = use()
      const { inbox } = harness
      const delivery = sender(harness).one({ data: '{"a":1}' }, { body: bytes('payload=%7B%22a%22%3A1%7D') })
      await accept(inbox, delivery)
      harness.advance(1)
      const policy = { payloadsBefore: harness.now(), eventsBefore: new Date(0), limit: 10 }
      const [, shown] = await Promise.all([inbox.admin.retain(policy), inbox.work.payload(delivery.key)])
      expect(shown && new TextDecoder().decode(shown)).to.be.oneOf([undefined, 'payload=%7B%22a%22%3A1%7D'])
    })

    it('removes deliveries that brought no event', async () => {
      const harness = use()
      const { inbox, peek } = harness
      const { one, delivery } = sender(harness)
      await accept(inbox, one({ id: 'a', data: '1' }))
      const duplicate = one({ id: 'a', data: '1' })
      const bad = delivery([{ kind: 'bad', reason: 'not-json' }])
      const ignored = delivery([{ kind: 'ignored', reason: 'ping' }])
      await inbox.intake.store([duplicate, bad, ignored])
      harness.advance(400 * DAY_MS)
      await retain(1, 1, 2)
      for (const { key } of [duplicate, bad, ignored]) expect(await peek.delivery(key)).to.equal(undefined)
      expect(await inbox.work.payload(bad.key)).to.equal(undefined)
    })
  })
}
