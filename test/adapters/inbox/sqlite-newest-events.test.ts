import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import type { StoredEvent } from '#domain/event'
import type { ClaimRequest, Inbox, NewDelivery } from '#domain/ports'
import { compileDdl } from '../../../adapters/inbox/ddl.ts'
import { deployFile } from '../../../adapters/inbox/sqlite/deploy.ts'
import { sqliteInbox } from '../../../adapters/inbox/sqlite/index.ts'
import { type Bounds, HELD, newestEvents, TOLD } from '../../../adapters/inbox/sqlite/newest-events.ts'
import { packLane, packStored } from '../../../adapters/inbox/sqlite/parcel.ts'
import { remoteClaim } from '../../../adapters/inbox/sqlite/remote-claim.ts'
import { openStore } from '../../../adapters/inbox/sqlite/store.ts'
import { NOW } from '../../helpers/deliveries.ts'
import { accept, claim, claimOne, sender } from '../../helpers/inbox.ts'
import { type SqliteFile, sqliteFile } from '../../helpers/sqlite-file.ts'

const { one, event, delivery } = sender({ now: () => NOW })
const ORDERS = { name: 'orders', filter: { on: ['*'] } }
const BILLS = { name: 'bills', filter: { on: ['*'] } }

const keysOf = (...deliveries: readonly NewDelivery[]): string[] =>
  deliveries.flatMap(({ items }) => items.flatMap((item) => (item.kind === 'event' ? [item.event.key] : [])))

describe('sqlite: events that need not come back from the store', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-held-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('are told by their keys alone', async () => {
    const url = join(folder, 'sluice.db')
    await deployFile(url, { ddl: await compileDdl('sqlite') })
    const store = await openStore(new DatabaseSync(url, { timeout: 0 }), () => new Date())
    await store.admin.register([ORDERS])
    const [known, unknown] = [one({ id: 'known', data: 'a' }), one({ id: 'unknown', data: 'b' })]
    const [key = ''] = keysOf(known)
    await store.intake.store([known, unknown])
    const request = { subscriptions: [{ name: 'orders', lanes: 9 }], dispatchesPerLane: 9, bytes: 9e6, leaseMs: 9_000 }
    const lanes = await store.claimBeside((asked) => asked === key, request)
    const events = lanes.flatMap(({ dispatches }) => dispatches.map(({ event }) => event))
    // Both came at the same moment, so either may be the first.
    expect(events.filter((event) => typeof event === 'string')).to.deep.equal([key])
    const [told, ...more] = events.filter((event) => typeof event !== 'string')
    expect(told).to.deep.include({ key: keysOf(unknown)[0], data: 'b' })
    expect(more).to.deep.equal([])
    await store.close()
  })

  it('are the same as those that do, for every subscription and in every try', async () => {
    const url = join(folder, 'sluice.db')
    const [here, elsewhere] = [sqliteInbox({ url }), sqliteInbox({ url })]
    await here.open()
    await elsewhere.open()
    await here.admin.register([ORDERS, BILLS])
    expect(await claim(here, 'orders'), 'from now on it holds what it stores').to.deep.equal([])
    const object = { type: 'Order', key: '7', version: '3' }
    const text = one({
      id: 'text',
      data: '{"a":"ä"}',
      attributes: { authlevel: 'body', subject: 'orders/7' },
      extra: { object },
    })
    const bytes = one({ id: 'bytes', extra: { dataBase64: 'AAH/' } })
    await accept(here, text, bytes)
    const orders = await claim(here, 'orders')
    const bills = await claim(elsewhere, 'bills')
    const eventsOf = (lanes: typeof orders) => lanes.flatMap(({ dispatches }) => dispatches.map(({ event }) => event))
    expect(eventsOf(orders)).to.have.length(2)
    expect(eventsOf(orders)).to.deep.equal(eventsOf(bills))
    const told = (lanes: typeof orders) => JSON.stringify(eventsOf(lanes).map(({ attributes }) => attributes))
    expect(told(orders), 'in the same order').to.equal(told(bills))
    await here.work.release(orders)
    expect(eventsOf(await claim(here, 'orders')), 'the next try').to.deep.equal(eventsOf(bills))
    await elsewhere.work.release(bills)
    expect(eventsOf(await claim(here, 'bills')), 'another subscription, later').to.deep.equal(eventsOf(bills))
    await here.close()
    await elsewhere.close()
  })

  it('are handed to both of two claims under way at once', async () => {
    const inbox = sqliteInbox({ url: join(folder, 'sluice.db') })
    await inbox.open()
    await inbox.admin.register([ORDERS, BILLS])
    await claim(inbox, 'orders')
    const delivery = one({ id: 'twice', data: 'a' })
    await accept(inbox, delivery)
    const lanes = await Promise.all([claimOne(inbox, 'orders'), claimOne(inbox, 'bills')])
    expect(lanes.map(({ dispatches }) => dispatches[0]?.event.key)).to.deep.equal([
      ...keysOf(delivery),
      ...keysOf(delivery),
    ])
    await inbox.close()
  })

  // Mutations tried: without either memory, or without its beginning, either the data crosses or another call does.
  it('do not cross between the threads, nor does a second call', async () => {
    const inbox = sqliteInbox({ url: join(folder, 'sluice.db') })
    const started = once(process, 'worker') as unknown as Promise<[Worker]>
    await inbox.open()
    const [thread] = await started
    await inbox.admin.register([ORDERS])
    await claim(inbox, 'orders')
    await accept(inbox, one({ id: 'a', data: '"once"' }))
    const answers: string[] = []
    thread.on('message', (answer) => answers.push(JSON.stringify(answer)))
    const [lane] = await claim(inbox, 'orders')
    expect(lane?.dispatches[0]?.event.data).to.equal('"once"')
    expect(answers).to.have.length(1)
    expect(answers[0]).to.not.include('once')
    await inbox.close()
  })

  it('are fetched where more came in between than are held', async () => {
    const inbox = sqliteInbox({ url: join(folder, 'sluice.db') })
    await inbox.open()
    await inbox.admin.register([ORDERS])
    await claim(inbox, 'orders')
    const first = [one({ data: 'a', lane: '1' }), one({ data: 'b', lane: '1' })]
    await accept(inbox, ...first)
    const claiming = claimOne(inbox, 'orders')
    // The claim has crossed to the store, and its answer cannot be here yet.
    await new Promise((resolve) => setImmediate(resolve))
    const many = Array.from({ length: 300 }, (_, n) => one({ id: `${n}` }))
    const [lane] = await Promise.all([claiming, inbox.intake.store(many)])
    const expected = first.flatMap((each) =>
      each.items.map((item) => {
        const { key, attributes, nature, data } = item.kind === 'event' ? item.event : expect.fail()
        return { key, origin: each.origin, delivery: each.key, attributes, nature, data }
      }),
    )
    expect(lane.dispatches.map(({ event }) => event)).to.deep.equal(expected)
    await inbox.close()
  })

  describe('that were told, and pushed out meanwhile', () => {
    const NOBODY = { begin: () => undefined, add: () => undefined, take: () => undefined }
    const request = { subscriptions: [{ name: 'orders', lanes: 9 }], dispatchesPerLane: 9, bytes: 9e6, leaseMs: 9_000 }
    let file: SqliteFile
    let store: Inbox
    /** What the store's thread does, here; `events` as the test has it. */
    const claimWith = (events: () => Promise<StoredEvent[]>) =>
      remoteClaim(async (port, method, [asked]) => {
        if (method === 'events') return (await events()).map((event) => packStored(event))
        if (method !== 'claim') return Reflect.apply(Reflect.get(Reflect.get(store, port), method), undefined, [asked])
        const lanes = await store.work.claim(asked as ClaimRequest)
        return lanes.map((lane) =>
          packLane({
            ...lane,
            dispatches: lane.dispatches.map((one) => ({ ...one, event: one.event.key })),
          }),
        )
      }, NOBODY)
    beforeEach(async () => {
      file = await sqliteFile()
      store = (await file.open(() => NOW)).inbox
      await store.admin.register([ORDERS])
      await accept(store, one({ id: 'a', lane: '1' }), one({ id: 'b', lane: '2' }))
    })
    afterEach(() => file.dispose())

    // Else the leases run out, and each counts as a lost attempt.
    it('cannot be fetched: their lanes are given back, and the fault is told', async () => {
      const full = new Error('full')
      expect(await claimWith(() => Promise.reject(full))(request).catch((thrown) => thrown)).to.equal(full)
      const lanes = await store.work.claim(request)
      expect(lanes.map(({ recovered, dispatches }) => [recovered, dispatches[0]?.attempts])).to.deep.equal([
        [false, 0],
        [false, 0],
      ])
    })

    it('cannot be fetched, nor their lanes given back: the first fault is told', async () => {
      const full = new Error('full')
      const claiming = claimWith(async () => {
        await store.close()
        throw full
      })
      expect(await claiming(request).catch((thrown) => thrown)).to.equal(full)
    })

    it('are no more: their lanes come without them', async () => {
      const lanes = await claimWith(async () => [])(request)
      expect(lanes.map(({ dispatches }) => dispatches)).to.deep.equal([[], []])
    })
  })

  describe('the newest', () => {
    const keysIn = ({ take }: ReturnType<typeof newest>, deliveries: readonly NewDelivery[]) =>
      keysOf(...deliveries).filter((key) => take(key) === key)
    const newest = (bounds: Bounds) => newestEvents(bounds, ({ key }) => key)

    it('are none before somebody works', () => {
      const events = newest({ events: 9, size: 99 })
      const [early, late] = [one({ id: 'early' }), one({ id: 'late' })]
      events.add(early)
      events.begin()
      events.add(late)
      expect(keysIn(events, [early, late])).to.deep.equal(keysOf(late))
    })

    it('are few and small', () => {
      const events = newest({ events: 128, size: 4_000 })
      events.begin()
      const many = Array.from({ length: 200 }, (_, n) => one({ id: `${n}` }))
      for (const each of many) events.add(each)
      expect(keysIn(events, many)).to.deep.equal(keysOf(...many.slice(-128)))
      const large = [1, 2, 3].map((n) => one({ id: `large ${n}`, data: 'x'.repeat(1_900) }))
      for (const each of large) events.add(each)
      expect(keysIn(events, large)).to.deep.equal(keysOf(...large.slice(-2)))
      const tooLarge = one({ id: 'too large', data: 'x'.repeat(5_000) })
      events.add(tooLarge)
      expect(keysIn(events, [tooLarge])).to.deep.equal([])
      events.add(large[0] as NewDelivery)
      expect(keysIn(events, large), 'what was taken counts no more').to.deep.equal(keysOf(large[0] as NewDelivery))
    })

    it('are all those of a delivery, and what is no text counts too', () => {
      const events = newest({ events: 9, size: 9 })
      events.begin()
      const [text, binary] = [event({ data: 'x'.repeat(5) }), event({ data: '', extra: { dataBase64: 'AAAA' } })]
      const both = [text, binary].map((each) => ({ kind: 'event', event: each }) as const)
      events.add(delivery([{ kind: 'ignored', reason: 'ping' }, ...both]))
      expect(keysIn(events, [delivery(both)])).to.deep.equal([text.key, binary.key])
      events.add(delivery(both))
      const more = one({ data: 'x' })
      events.add(more)
      expect(keysIn(events, [delivery(both), more])).to.deep.equal([binary.key, ...keysOf(more)])
    })

    it('are fewer where they are told than where they are held', () => {
      expect(TOLD.events).to.be.below(HELD.events)
      expect(TOLD.size).to.be.below(HELD.size)
    })

    it('count once, though their key comes again', () => {
      const events = newest({ events: 9, size: 10 })
      events.begin()
      const [again, other] = [one({ data: 'x'.repeat(6) }), one({ data: 'x'.repeat(6) })]
      for (const each of [again, again, other]) events.add(each)
      expect(keysIn(events, [again, other])).to.deep.equal(keysOf(other))
      events.add(again)
      expect(keysIn(events, [again])).to.deep.equal(keysOf(again))
    })

    it('are taken once', () => {
      const events = newest({ events: 9, size: 99 })
      events.begin()
      const each = one({ id: 'a' })
      events.add(each)
      expect([keysIn(events, [each]), keysIn(events, [each])]).to.deep.equal([keysOf(each), []])
    })
  })
})
