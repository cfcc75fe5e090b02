import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'chai'
import type { SluiceError } from '#domain/errors'
import type { Inbox } from '#domain/ports'
import { compileDdl } from '../../../adapters/inbox/ddl.ts'
import { deployFile } from '../../../adapters/inbox/sqlite/deploy.ts'
import { sqliteInbox } from '../../../adapters/inbox/sqlite/index.ts'
import { openStore } from '../../../adapters/inbox/sqlite/store.ts'
import { NOW } from '../../helpers/deliveries.ts'
import { accept, attempt, claim, claimOne, drain, sender } from '../../helpers/inbox.ts'

const ORDERS = { name: 'orders', filter: { on: ['*'] } }
const { one, event, delivery } = sender({ now: () => NOW })

describe('sqlite: faults', () => {
  let folder: string
  let url: string
  let database: DatabaseSync
  let inbox: Inbox
  // Without its thread, so that something can happen to its connection.
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-faults-'))
    url = join(folder, 'sluice.db')
    await deployFile(url, { ddl: await compileDdl('sqlite') })
    database = new DatabaseSync(url, { timeout: 0 })
    inbox = { ...(await openStore(database, () => new Date())), open: async () => undefined }
    await inbox.admin.register([ORDERS])
  })
  afterEach(async () => {
    await inbox.close()
    await rm(folder, { recursive: true })
  })

  const pragma = (text: string) => database.prepare(`PRAGMA ${text}`).get()

  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'none',
      (thrown: SluiceError) => thrown.code,
    )

  it('peer defect 3: a full disk refuses everyone of the turn, keeps nothing of them, and heals without a restart', async () => {
    const { page_count: pages } = pragma('page_count') as { page_count: number }
    pragma(`max_page_count = ${pages + 2}`)
    const large = { body: new Uint8Array(200_000) }
    const refused = [one({ id: 'a', data: 'a' }), one({ id: 'b', data: 'b' }, large), one({ id: 'c', data: 'c' })]
    const codes = await Promise.all(refused.map((each) => codeOf(inbox.intake.store([each]))))
    expect(codes).to.deep.equal(refused.map(() => 'store-unavailable'))
    expect(await codeOf(inbox.intake.store([one({}, large)]))).to.equal('store-unavailable')
    expect(await claim(inbox, 'orders'), 'reads go on').to.deep.equal([])
    pragma('max_page_count = 1000000')
    expect(await inbox.health()).to.deep.include({ ok: true })
    await accept(inbox, ...refused)
    expect((await drain({ inbox, now: () => new Date() }, 'orders')).sort()).to.deep.equal(['a', 'b', 'c'])
  })

  it('is ill while there is no room for a delivery, whatever small finds room meanwhile', async () => {
    const { page_count: pages } = pragma('page_count') as { page_count: number }
    pragma(`max_page_count = ${pages + 20}`)
    expect(await codeOf(inbox.intake.store([one({}, { body: new Uint8Array(200_000) })]))).to.equal('store-unavailable')
    await inbox.journal.setSourceState('shop', 'state', 1)
    await inbox.admin.pause('orders', 'operator')
    for (const _ of ['asked once', 'asked again']) {
      expect(await inbox.health()).to.deep.equal({ ok: false, reason: 'store-unavailable' })
    }
    pragma('max_page_count = 1000000')
    expect(await inbox.health()).to.deep.equal({ ok: true, clockOffsetMs: 0 })
    expect(
      database.prepare(`SELECT length(value) AS left FROM sluice_Meta WHERE name = 'probe'`).get(),
    ).to.deep.include({
      left: 0,
    })
  })

  // No kill of a process shows it: what the system has taken from SQLite it writes, unless the power goes.
  it('answers only once the disk has it', () => {
    expect(pragma('journal_mode')).to.deep.equal({ journal_mode: 'wal' })
    expect(pragma('synchronous'), 'FULL').to.deep.equal({ synchronous: 2 })
  })

  it('says that it is ill while it cannot write, and recovers', async () => {
    pragma('query_only = ON')
    expect(await codeOf(inbox.intake.store([one({ id: 'a' })]))).to.equal('store-unavailable')
    expect(await inbox.health()).to.deep.equal({ ok: false, reason: 'store-unavailable' })
    pragma('query_only = OFF')
    expect(await inbox.health()).to.deep.equal({ ok: true, clockOffsetMs: 0 })
    await accept(inbox, one({ id: 'a' }))
  })

  it('waits for another process that writes, with the loop free', async () => {
    const other = new DatabaseSync(url)
    other.exec('BEGIN IMMEDIATE')
    let stored = false
    const storing = accept(inbox, one({ id: 'a' })).then(() => {
      stored = true
    })
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(stored).to.equal(false)
    other.exec('COMMIT')
    other.close()
    await storing
  })

  it('lets one refused value void nothing that shares its transaction', async () => {
    const [key = ''] = await accept(inbox, one({ id: 'first', lane: '1' }))
    const lane = await claimOne(inbox, 'orders')
    const taken = delivery([{ kind: 'event', event: { ...event({ id: 'taken' }), key } }])
    const twice = one({ id: 'twice' })
    await accept(inbox, twice)
    const impossible = { ...attempt(NOW), at: new Date(Number.NaN) }
    const dispatch = lane.dispatches[0]?.id ?? ''
    const results = await Promise.allSettled([
      inbox.intake.store([one({ id: 'good' })]),
      inbox.intake.store([taken]),
      inbox.intake.store([{ ...one({ id: 'other' }), key: twice.key }]),
      inbox.work.settle([
        { lane: lane.lane, owner: lane.owner, settled: [{ dispatch, to: 'done', attempt: impossible }], release: true },
      ]),
      inbox.work.renew([lane], 60_000),
      inbox.journal.setSourceState('shop', 'state', 1),
    ])
    const [good, refused, key2, settled, renewed, state] = results
    expect(good.status === 'fulfilled' && good.value[0]?.outcome).to.equal('accepted')
    expect(refused.status === 'fulfilled' && refused.value[0]?.items).to.deep.equal([
      { outcome: 'quarantined', reason: 'store-rejected' },
    ])
    expect(key2.status === 'rejected' && key2.reason.code).to.equal('store-rejected')
    expect(settled.status === 'rejected' && settled.reason.code).to.equal('store-rejected')
    expect(renewed.status === 'fulfilled' && renewed.value).to.deep.equal([true])
    expect(state.status).to.equal('fulfilled')
    expect(await inbox.work.payload(taken.key)).to.deep.equal(taken.body)
  })

  it('lets a backlog take its share only, while deliveries wait', async () => {
    await accept(inbox, ...Array.from({ length: 200 }, (_, n) => one({ lane: `${n}` })))
    const [beside] = await Promise.all([claim(inbox, 'orders', { lanes: 200 }), accept(inbox, one({ lane: 'new' }))])
    expect(beside.length).to.be.within(1, 64)
    const rest = await claim(inbox, 'orders', { lanes: 300 })
    expect(beside.length + rest.length).to.equal(201)
  })

  // Mutation tried: with one subscription after the other, the second gets nothing of this transaction.
  it('gives every subscription its share, where a transaction has too little for the first one alone', async () => {
    await inbox.admin.register([{ name: 'bills', filter: { on: ['*'] } }])
    await accept(inbox, ...Array.from({ length: 200 }, (_, n) => one({ lane: `${n}` })))
    const subscriptions = ['orders', 'bills'].map((name) => ({ name, lanes: 200 }))
    const [lanes] = await Promise.all([claim(inbox, '', { subscriptions }), accept(inbox, one({ lane: 'new' }))])
    const [orders = 0, bills = 0] = ['orders', 'bills'].map(
      (name) => lanes.filter(({ subscription }) => subscription === name).length,
    )
    expect(orders + bills).to.equal(64)
    expect(Math.abs(orders - bills)).to.be.at.most(1)
  })

  it('wants a file, in a folder that it makes, and says what is wrong with another place', async () => {
    expect(await codeOf(sqliteInbox({ url: ':memory:' }).open())).to.equal('store-location')
    const nested = sqliteInbox({ url: join(folder, 'a', 'b', 'sluice.db') })
    await nested.open()
    await nested.close()
    await mkdir(join(folder, 'folder.db'))
    expect(await codeOf(sqliteInbox({ url: join(folder, 'folder.db') }).open())).to.equal('store-unavailable')
    expect(await readdir(join(folder, 'a', 'b'))).to.include('sluice.db')
  })
})
