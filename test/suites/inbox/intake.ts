import { expect } from 'chai'
import { bytes } from '../../helpers/deliveries.ts'
import { accept, claimOne, drain, seconds, sender } from '../../helpers/inbox.ts'
import type { UseInbox } from '../inbox.suite.ts'

const ORDERS = { name: 'orders', filter: { on: ['order.*'] } }

export function intakeSuite(use: UseInbox): void {
  describe('intake', () => {
    it('keeps the bytes as they came, all 256 of them', async () => {
      const { inbox } = use()
      const body = Uint8Array.from({ length: 512 }, (_, index) => index % 256)
      const delivery = sender(use()).one({}, { body })
      const empty = sender(use()).one({}, { body: new Uint8Array(0) })
      await accept(inbox, delivery, empty)
      expect([...((await inbox.work.payload(delivery.key)) ?? [])]).to.deep.equal([...body])
      expect((await inbox.work.payload(empty.key))?.length).to.equal(0)
      expect(await inbox.work.payload('0190a000-0000-7000-8000-000000000000')).to.equal(undefined)
    })

    it('keeps bytes that are a part of a larger buffer, without their neighbors', async () => {
      const { inbox } = use()
      const body = bytes('secret|wanted|secret').subarray(7, 13)
      const delivery = sender(use()).one({}, { body })
      await accept(inbox, delivery)
      expect(new TextDecoder().decode(await inbox.work.payload(delivery.key))).to.equal('wanted')
    })

    it('keeps the bytes of a body that is its event, byte order mark and all, until retention removes them', async () => {
      const harness = use()
      const { inbox, peek } = harness
      for (const data of ['{"a":"é"}', '\ufeff{}', '', '{"a":1} ']) {
        const delivery = sender(harness).one({ data, extra: { dataIsBody: true } }, { body: bytes(data) })
        const [event] = await accept(inbox, delivery)
        expect([...((await inbox.work.payload(delivery.key)) ?? [])], data).to.deep.equal([...delivery.body])
        harness.advance(1)
        for (const payloadsBefore of [harness.now(), new Date(0)]) {
          await inbox.admin.retain({ payloadsBefore, eventsBefore: new Date(0), limit: 10 })
          expect(await inbox.work.payload(delivery.key), 'once gone, gone').to.equal(undefined)
        }
        expect(await peek.event(event ?? ''), 'its event stays').to.not.equal(undefined)
      }
    })

    it('tells how a delivery came: when, by which request, and from whom', async () => {
      const { inbox } = use()
      const headers = '{"sap_sender":"SHÖP","query:mode":"a\\u0000b"}'
      const from = { method: 'PUT', url: '/http/erp/orders/4711', headers, principal: 'shop' }
      const { principal: _, ...unnamed } = from
      const [known, unknown] = [sender(use()).one({}, from), sender(use()).one({}, unnamed)]
      await accept(inbox, known, unknown)
      const { key, receivedAt } = known
      const { method, url: path, principal } = from
      const facts = { method, path, headers: JSON.parse(headers) as object }
      expect(await inbox.work.delivery(key)).to.deep.equal({ key, receivedAt, ...facts, principal })
      expect(await inbox.work.delivery(unknown.key))
        .to.deep.include(facts)
        .and.not.have.property('principal')
      expect(await inbox.work.delivery('0190a000-0000-7000-8000-000000000000')).to.equal(undefined)
    })

    it('peer defect 24: hands data on as the sender wrote it: key order, long integers, escapes', async () => {
      const { inbox } = use()
      await inbox.admin.register([ORDERS])
      const data = '{"z":1,"a":9007199254740993,"e":1.0e2,"s":"\\u00e9 é \\n","":{ }}'
      await accept(inbox, sender(use()).one({ data }))
      const lane = await claimOne(inbox, 'orders')
      expect(lane.dispatches[0]?.event.data).to.equal(data)
    })

    it('gives back every attribute, and nothing that was not there', async () => {
      const { inbox } = use()
      await inbox.admin.register([ORDERS])
      const attributes = {
        specversion: '1.0',
        id: 'evt-1',
        source: 'https://shop.example/ü',
        type: 'order.created',
        subject: 'order/4711',
        time: '2026-02-28T23:59:59.1234567+02:00',
        datacontenttype: 'application/octet-stream',
        dataschema: 'https://shop.example/schema',
        partitionkey: 'order/4711',
        sequence: '000000000000000000000042',
        traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
        tracestate: 'vendor=1',
        recordedtime: '2026-03-01T00:00:00.000Z',
        providertype: 'orders/create',
        authlevel: 'body',
      } as const
      const object = { type: 'Order', key: '4711', version: '2026-02-28T23:59:59.1234567Z' }
      const { data: _, ...event } = sender(use()).event({ id: 'evt-1', attributes, extra: { object, nature: 'state' } })
      const delivery = sender(use()).delivery([{ kind: 'event', event: { ...event, dataBase64: 'AP8=' } }])
      await accept(inbox, delivery, sender(use()).one({ lane: 'bare' }))
      const lanes = await inbox.work.claim({
        subscriptions: [{ name: 'orders', lanes: 2 }],
        dispatchesPerLane: 1,
        bytes: 1_000,
        leaseMs: 1_000,
      })
      const events = lanes.flatMap(({ dispatches }) => dispatches.map((one) => one.event))
      const full = events.find((one) => one.key === event.key)
      expect(full).to.deep.equal({
        key: event.key,
        origin: 'shop',
        delivery: delivery.key,
        attributes,
        nature: 'state',
        object,
        dataBase64: 'AP8=',
      })
      const bare = events.find((one) => one.key !== event.key)
      expect(Object.keys(bare ?? {}).sort()).to.deep.equal([
        'attributes',
        'data',
        'delivery',
        'key',
        'nature',
        'origin',
      ])
      expect(Object.keys(bare?.attributes ?? {}).sort()).to.deep.equal([
        'id',
        'partitionkey',
        'source',
        'specversion',
        'type',
      ])
    })

    it('peer defect 2: 100 concurrent copies of one delivery make one event', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      const other = await harness.another()
      const copies = Array.from({ length: 100 }, () => sender(harness).one({ id: 'same', data: '{}' }))
      const outcomes = await Promise.all(
        copies.map(async (copy, index) => (await (index % 2 ? inbox : other).intake.store([copy]))[0]),
      )
      const accepted = outcomes.filter((one) => one?.outcome === 'accepted')
      expect(accepted).to.have.length(1)
      const event = accepted[0]?.items[0]?.event
      expect(outcomes.map((one) => one?.items[0]?.event)).to.deep.equal(copies.map(() => event))
      expect(outcomes.filter((one) => one?.outcome === 'duplicate')).to.have.length(99)
      expect(await drain(harness, 'orders')).to.deep.equal(['same'])
      const again = outcomes.find((one) => one?.outcome === 'duplicate')
      expect(await peek.delivery(again?.delivery ?? '')).to.deep.equal({ outcome: 'duplicate' })
      expect(await inbox.work.payload(again?.delivery ?? '')).to.equal(undefined)
    })

    it('recognizes a repetition inside one batch and inside one delivery', async () => {
      const { inbox } = use()
      const { one, event, delivery } = sender(use())
      const repeated = event({ id: 'b', data: '2' })
      const [first, second, both] = await inbox.intake.store([
        one({ id: 'a', data: '1' }),
        one({ id: 'a', data: '1' }),
        delivery([
          { kind: 'event', event: repeated },
          { kind: 'event', event: { ...event({ id: 'b', data: '2' }) } },
        ]),
      ])
      expect([first?.outcome, second?.outcome, both?.outcome]).to.deep.equal(['accepted', 'duplicate', 'accepted'])
      expect(both?.items.map((item) => item.outcome)).to.deep.equal(['accepted', 'duplicate'])
      expect(both?.items.map((item) => item.event)).to.deep.equal([repeated.key, repeated.key])
    })

    it('tells origins apart: the same id from another source is another event', async () => {
      const { inbox } = use()
      const { one } = sender(use())
      const outcomes = await inbox.intake.store([one({ id: 'a' }), one({ id: 'a' }, { origin: 'other' })])
      expect(outcomes.map(({ outcome }) => outcome)).to.deep.equal(['accepted', 'accepted'])
    })

    it('calls the same id with other content a conflict: kept, shown, not processed', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      const [key] = await accept(inbox, sender(harness).one({ id: 'a', data: '{"amount":1}' }))
      const extra = { dataIsBody: true }
      const forged = sender(harness).one({ id: 'a', data: 'forged', extra }, { body: bytes('forged') })
      const [outcome] = await inbox.intake.store([forged])
      expect(outcome?.outcome).to.equal('conflict')
      expect(outcome?.items[0]?.event).to.equal(key)
      expect((await peek.delivery(forged.key))?.outcome).to.equal('conflict')
      expect(new TextDecoder().decode(await inbox.work.payload(forged.key))).to.equal('forged')
      expect(await drain(harness, 'orders')).to.deep.equal(['a'])
    })

    it('keeps an item that is bad beside one that is good, and is as serious as the worst', async () => {
      const { inbox, peek } = use()
      const { event, delivery } = sender(use())
      const mixed = delivery([
        { kind: 'event', event: event({ id: 'a' }) },
        { kind: 'bad', reason: 'attribute-too-long', detail: 'subject' },
        { kind: 'ignored', reason: 'ping' },
      ])
      const ignored = delivery([{ kind: 'ignored', reason: 'ping' }])
      const nothing = delivery([])
      const outcomes = await inbox.intake.store([mixed, ignored, nothing])
      expect(outcomes.map(({ outcome }) => outcome)).to.deep.equal(['quarantined', 'ignored', 'ignored'])
      expect(outcomes[0]?.items.map(({ outcome, reason }) => [outcome, reason])).to.deep.equal([
        ['accepted', undefined],
        ['quarantined', 'attribute-too-long'],
        ['ignored', 'ping'],
      ])
      expect((await peek.delivery(mixed.key))?.reason).to.match(/^attribute-too-long/)
      expect(await inbox.work.payload(mixed.key)).to.not.equal(undefined)
    })

    it('quarantines the delivery a database would refuse, and stores those beside it', async () => {
      const harness = use()
      const { inbox, peek } = harness
      await inbox.admin.register([ORDERS])
      const { one } = sender(harness)
      const poison = [
        one({ id: 'nul', attributes: { subject: 'a\u0000b' } }),
        one({ id: 'long', attributes: { subject: 'x'.repeat(2_000) } }),
        one({ id: 'untyped', attributes: { type: undefined as unknown as string } }),
        one({ id: 'half', data: '{"emoji":"\ud83d"}' }),
      ]
      const batch = [one({ id: 'before' }), ...poison, one({ id: 'after' })]
      const [together, ...apart] = await Promise.all([
        inbox.intake.store(batch),
        ...poison.map((each) => inbox.intake.store([{ ...each, key: one().key }])),
        inbox.intake.store([one({ id: 'beside' })]),
      ])
      const expected = ['accepted', ...poison.map(() => 'quarantined'), 'accepted']
      expect(together?.map(({ outcome }) => outcome)).to.deep.equal(expected)
      expect(apart.map(([outcome]) => outcome?.outcome)).to.deep.equal(expected.slice(1))
      expect(together?.[1]?.items[0]?.reason).to.equal('store-rejected')
      expect((await peek.delivery(poison[0]?.key ?? ''))?.reason).to.match(/^store-rejected/)
      expect(await inbox.work.payload(poison[0]?.key ?? '')).to.deep.equal(poison[0]?.body)
      expect((await drain(harness, 'orders')).sort()).to.deep.equal(['after', 'before', 'beside'])
    })

    it('peer defect 19: without a sender id, equal content counts as a repetition inside its window only', async () => {
      const harness = use()
      const { inbox } = harness
      const { one } = sender(harness)
      const plan = { id: 'content', data: '{"ping":1}', windowMs: 10_000 }
      const outcomeOf = async () => (await inbox.intake.store([one(plan)]))[0]
      const first = await outcomeOf()
      harness.advance(9_999)
      const repeated = await outcomeOf()
      harness.advance(1)
      const later = await outcomeOf()
      harness.advance(9_999)
      const laterAgain = await outcomeOf()
      expect([first, repeated, later, laterAgain].map((one) => one?.outcome)).to.deep.equal([
        'accepted',
        'duplicate',
        'accepted',
        'duplicate',
      ])
      expect(laterAgain?.items[0]?.event).to.equal(later?.items[0]?.event)
    })

    it('peer defect 19: says of such a repetition, and of no other, that it is one by its content', async () => {
      const { inbox, peek } = use()
      const { one } = sender(use())
      const windowed = { id: 'content', data: '1', windowMs: 10_000 }
      const [, inBatch, , byId] = await inbox.intake.store([
        one(windowed),
        one(windowed),
        one({ id: 'a', data: '1' }),
        one({ id: 'a', data: '1' }),
      ])
      const [later] = await inbox.intake.store([one(windowed)])
      for (const repeated of [inBatch, later]) {
        expect(repeated?.items[0]).to.include({ outcome: 'duplicate', reason: 'equal-content' })
        expect(await peek.delivery(repeated?.delivery ?? '')).to.deep.equal({
          outcome: 'duplicate',
          reason: 'equal-content',
        })
      }
      expect(byId?.items[0]).to.include({ outcome: 'duplicate' }).and.not.have.property('reason')
      expect(await peek.delivery(byId?.delivery ?? '')).to.deep.equal({ outcome: 'duplicate' })
    })

    it('never recognizes what has no identity, and lets only one of many take an expired one over', async () => {
      const harness = use()
      const { inbox } = harness
      const { one } = sender(harness)
      expect(await accept(inbox, one({ data: '1' }), one({ data: '1' }))).to.have.length(2)
      const windowed = () => one({ id: 'w', data: '1', windowMs: 1_000 })
      await accept(inbox, windowed())
      harness.advance(1_000)
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => inbox.intake.store([windowed()])))
      expect(outcomes.filter(([outcome]) => outcome?.outcome === 'accepted')).to.have.length(1)
    })

    it('remembers when a source last pushed, to the second', async () => {
      const harness = use()
      const { inbox } = harness
      const { one } = sender(harness)
      expect(await inbox.journal.lastDeliveryAt('shop')).to.equal(undefined)
      await inbox.intake.store([one({ id: 'a', data: '1' })])
      const first = harness.now()
      harness.advance(5_000)
      await inbox.intake.store([one({}, { channel: 'poll' })])
      expect(seconds(await inbox.journal.lastDeliveryAt('shop'))).to.equal(seconds(first))
      await inbox.intake.store([one({ id: 'a', data: '1' })])
      expect(seconds(await inbox.journal.lastDeliveryAt('shop'))).to.equal(seconds(harness.now()))
      expect(await inbox.journal.lastDeliveryAt('other')).to.equal(undefined)
    })

    it('takes a delivery that went to quarantine for no sign of life, and one that was ignored for one', async () => {
      const harness = use()
      const { inbox } = harness
      const { one } = sender(harness)
      const bad = { items: [{ kind: 'bad', reason: 'not-json' }] } as const
      await inbox.intake.store([one({}, bad)])
      expect(await inbox.journal.lastDeliveryAt('shop')).to.equal(undefined)
      await inbox.intake.store([one({}, { items: [{ kind: 'ignored', reason: 'ping' }] })])
      const last = harness.now()
      harness.advance(5_000)
      await inbox.intake.store([one({}, bad)])
      expect(seconds(await inbox.journal.lastDeliveryAt('shop'))).to.equal(seconds(last))
    })

    it('has what it acknowledged after a restart', async () => {
      const harness = use()
      await harness.inbox.admin.register([ORDERS])
      await accept(
        harness.inbox,
        sender(harness).one({ id: 'a', lane: '1' }),
        sender(harness).one({ id: 'b', lane: '1' }),
      )
      const inbox = await harness.reopen()
      expect(await drain({ inbox, now: harness.now }, 'orders')).to.deep.equal(['a', 'b'])
      const [outcome] = await inbox.intake.store([sender(harness).one({ id: 'a', data: '{"n":1}' })])
      expect(outcome?.outcome).to.equal('duplicate')
    })
  })
}
