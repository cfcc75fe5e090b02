import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import cds from '@sap/cds'
import { expect } from 'chai'
import { SluiceError } from '#domain/errors'
import { postgresInbox } from '../../../adapters/inbox/postgres/index.ts'
import { openService } from '../../../adapters/inbox/postgres/service.ts'
import { postgresDatabase } from '../../../adapters/inbox/postgres/session.ts'
import { accept, claim, claimOne, done, drain, idsOf, LEASE_MS, sender, settle } from '../../helpers/inbox.ts'
import { type TestDatabase, testDatabase } from '../../helpers/postgres.ts'

const ORDERS = { name: 'orders', filter: { on: ['*'] } }
const real = { now: () => new Date() }

describe('inbox on Postgres: the server', () => {
  let database: TestDatabase
  const opened: ReturnType<typeof postgresInbox>[] = []

  before(async function () {
    database = await testDatabase(this)
  })
  beforeEach(() => database.empty())
  afterEach(() => Promise.all(opened.splice(0).map((one) => one.close())))
  after(() => database?.drop())

  async function open(parts: object = {}) {
    const inbox = postgresInbox({ credentials: database.credentials, ...parts })
    await inbox.open()
    opened.push(inbox)
    return inbox
  }

  const backends = (where: string) =>
    database.sql<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND ${where}`,
    )

  const terminate = async (where: string) => {
    const victims = await backends(where)
    for (const { pid } of victims) await database.sql('SELECT pg_terminate_backend($1)', [pid])
    return victims.length
  }

  /** Does something while transactions stop at their first new dispatch. `waiting`: until so many of them wait for a lock. */
  async function whileDispatchesWait<T>(work: (waiting: (count: number) => Promise<void>) => Promise<T>): Promise<T> {
    await database.sql(`CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END'`)
    await database.sql('CREATE TRIGGER hold BEFORE INSERT ON sluice_dispatches FOR EACH ROW EXECUTE FUNCTION hold()')
    const result = await database.inTransaction(async (sql) => {
      await sql('SELECT pg_advisory_xact_lock(1)')
      return work(async (count) => {
        while ((await backends("wait_event_type = 'Lock'")).length < count) await pause(5)
      })
    })
    await database.sql('DROP FUNCTION hold CASCADE')
    return result
  }

  const codeOf = (result: PromiseSettledResult<unknown>): unknown =>
    result.status === 'rejected' && result.reason instanceof SluiceError ? result.reason.code : result.status

  // Fails (the process ends) without an error listener on every connection.
  it('goes on after all its idle connections were ended', async () => {
    const inbox = await open()
    await inbox.admin.register([ORDERS])
    await accept(inbox, sender(real).one({ id: 'a' }))
    expect(await terminate("application_name = 'sluice'")).to.be.greaterThan(0)
    while ((await backends("application_name = 'sluice'")).length > 0) await pause(5)
    await accept(inbox, sender(real).one({ id: 'b' }))
    expect((await drain({ inbox, ...real }, 'orders')).sort()).to.deep.equal(['a', 'b'])
  })

  // Fails where a connection error is taken for a data error, and the deliveries are tried one by one.
  it('acknowledges nothing of a commit whose connection was lost, and splits nothing', async () => {
    const inbox = await open()
    const calls = await database.inTransaction(async (sql) => {
      await sql('LOCK TABLE sluice_deliveries IN ACCESS EXCLUSIVE MODE')
      const { one } = sender(real)
      const stores = Array.from({ length: 10 }, (_, n) => inbox.intake.store([one({ id: `${n}` })]))
      const settled = Promise.allSettled(stores)
      while ((await backends("wait_event_type = 'Lock'")).length === 0) await pause(5)
      expect(await terminate("wait_event_type = 'Lock'")).to.equal(1)
      return settled
    })
    expect(calls.map(codeOf)).to.deep.equal(calls.map(() => 'store-unavailable'))
    expect(await database.sql('SELECT id FROM sluice_deliveries')).to.deep.equal([])
    await accept(inbox, sender(real).one({ id: '0' }))
  })

  // Fails where a deadlock's victim is not tried again.
  it('stores all the same when another transaction deadlocks with it', async () => {
    const inbox = await open()
    await inbox.admin.register([ORDERS])
    const { one } = sender(real)
    await accept(inbox, one({ lane: 'a' }), one({ lane: 'b' }))
    const [first, second] = await database.sql<{ id: string }>('SELECT id FROM sluice_lanes ORDER BY id COLLATE "C"')
    const hold = (lane: { id: string } | undefined) => `SELECT FROM sluice_lanes WHERE id = '${lane?.id}' FOR UPDATE`
    const stored = await database.inTransaction(async (sql) => {
      await sql(hold(second))
      const storing = inbox.intake.store([one({ lane: 'a' }), one({ lane: 'b' })])
      while ((await backends("wait_event_type = 'Lock'")).length === 0) await pause(5)
      await Promise.allSettled([sql(hold(first))])
      return { storing }
    })
    expect((await stored.storing).map(({ outcome }) => outcome)).to.deep.equal(['accepted', 'accepted'])
  })

  // Mutation tried: with the lane's head moved to its tail, what the result cannot see yet is never run.
  it('runs what is committed while a result waits for the lane', async () => {
    const [worker, intake] = [await open(), await open()]
    await worker.admin.register([ORDERS])
    const { one } = sender(real)
    await accept(worker, one({ id: 'a', lane: '1' }))
    const lane = await claimOne(worker, 'orders')
    const { storing, settling } = await whileDispatchesWait(async (waiting) => {
      const storing = accept(intake, one({ id: 'b', lane: '1' }))
      await waiting(1)
      const settled = lane.dispatches.map((each) => done(each, new Date()))
      const settling = settle(worker, lane, settled)
      await waiting(2)
      return { storing, settling }
    })
    await storing
    expect(await settling).to.equal(true)
    expect(await drain({ inbox: worker, ...real }, 'orders')).to.deep.equal(['b'])
  })

  // Mutation tried: without the lock on the registry the dispatch comes after the removal, and waits for ever.
  it('ends with a removed subscription what was about to be stored for it', async () => {
    const [inbox, other] = [await open(), await open()]
    await inbox.admin.register([ORDERS])
    const { storing, removing } = await whileDispatchesWait(async (waiting) => {
      const storing = accept(inbox, sender(real).one({ id: 'a' }))
      await waiting(1)
      const removing = other.admin.unregister('orders', 'ann')
      await Promise.race([waiting(2), removing])
      return { storing, removing }
    })
    const [event] = await storing
    expect(await removing).to.deep.equal({ ok: true, dispatches: [`${event}:orders:1`] })
    const ended = await database.sql('SELECT status, reason FROM sluice_dispatches')
    expect(ended).to.deep.equal([{ status: 'dead', reason: 'subscription-removed' }])
  })

  // Mutation tried: with FOR UPDATE alone the claim waits, and the test for ever.
  it('passes over a lane that somebody writes to, and waits for none', async () => {
    const inbox = await open()
    await inbox.admin.register([ORDERS])
    const { one } = sender(real)
    await accept(inbox, one({ id: 'a', lane: '1' }), one({ id: 'b', lane: '2' }))
    const lanes = await database.inTransaction(async (sql) => {
      await sql("SELECT FROM sluice_lanes WHERE partitionkey = '1' FOR UPDATE")
      return claim(inbox, 'orders')
    })
    expect(lanes.map(idsOf)).to.deep.equal([['b']])
    expect((await claim(inbox, 'orders')).map(idsOf)).to.deep.equal([['a']])
  })

  // Postgres answers COMMIT with ROLLBACK, and no error, where a statement before it failed and nobody cared.
  it('takes no transaction for committed that Postgres has rolled back', async () => {
    const service = await openService({ credentials: database.credentials }, {})
    const careless = postgresDatabase(service).transaction((session) =>
      session.exec('SELECT 1/0').catch(() => undefined),
    )
    const [result] = await Promise.allSettled([careless])
    await service.disconnect()
    expect(codeOf(result)).to.equal('store-unavailable')
  })

  it('says that a server is not there, at once and in words', async () => {
    const probe = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => probe.once('listening', resolve))
    const address = probe.address()
    const port = typeof address === 'object' ? address?.port : 0
    await new Promise((resolve) => probe.close(resolve))
    const inbox = postgresInbox({ credentials: { ...database.credentials, port } })
    const [result] = await Promise.allSettled([inbox.open()])
    expect(codeOf(result)).to.equal('store-unavailable')
  })

  // `windowMs` beyond what Postgres can count passes every check of ours.
  it('quarantines only what the server itself refuses, in intake and in a page of a poll', async () => {
    const inbox = await open()
    await inbox.admin.register([ORDERS])
    const { one } = sender(real)
    const batch = () => [one({ id: 'a', data: '1' }), one({ id: 'b', windowMs: 1e300 }), one({ id: 'c', data: '1' })]
    const first = await inbox.intake.store(batch())
    expect(first.map(({ outcome }) => outcome)).to.deep.equal(['accepted', 'quarantined', 'accepted'])
    const lease = await inbox.journal.lease('poll', 'me', LEASE_MS)
    if (!lease) throw new Error('no lease')
    const state = { watermark: '1', slotAt: null, completedAt: null }
    const step = { poll: 'poll', lease, expectedRevision: 0, state, deliveries: batch() }
    const second = await inbox.journal.advance(step)
    expect(second?.map(({ outcome }) => outcome)).to.deep.equal(['duplicate', 'quarantined', 'duplicate'])
    expect(await inbox.journal.checkpoint('poll')).to.deep.equal({ state, revision: 1 })
    expect((await drain({ inbox, ...real }, 'orders')).sort()).to.deep.equal(['a', 'c'])
  })

  // Fails without the parser for TIMESTAMP (nine hours off), and with `now()` in place of UTC.
  it('counts in UTC, whatever zone the server and the process live in', async () => {
    const { TZ } = process.env
    await database.sql(`ALTER DATABASE ${database.credentials.database} SET timezone TO 'America/St_Johns'`)
    process.env.TZ = 'Asia/Tokyo'
    try {
      const inbox = await open()
      await inbox.admin.register([ORDERS])
      const before = Date.now()
      await accept(inbox, sender(real).one({ id: 'a' }))
      const due = await inbox.work.nextDueAt(['orders'])
      const lane = await claimOne(inbox, 'orders')
      const lease = await inbox.journal.lease('x', 'me', LEASE_MS)
      const hourMs = 3_600_000
      expect(due?.getTime()).to.be.within(before - hourMs, before + hourMs)
      expect(lane.leaseUntil.getTime()).to.be.within(before - hourMs, before + hourMs)
      expect(lease?.until.getTime()).to.be.within(before - hourMs, before + hourMs)
      expect((await inbox.journal.lastDeliveryAt('shop'))?.getTime()).to.be.within(before - hourMs, before + hourMs)
      const [row] = await database.sql<{ hours: number }>(
        `SELECT extract(epoch FROM availableat - (now() AT TIME ZONE 'utc'))::float / 3600 AS hours FROM sluice_lanes`,
      )
      expect(row?.hours).to.be.within(-1, 1)
    } finally {
      await database.sql(`ALTER DATABASE ${database.credentials.database} RESET timezone`)
      if (TZ === undefined) delete process.env.TZ
      else process.env.TZ = TZ
    }
  })

  it('is not ready where a commit does not wait for the disk', async () => {
    await database.sql(`ALTER DATABASE ${database.credentials.database} SET synchronous_commit TO off`)
    try {
      const health = await (await open()).health()
      expect(health.ok).to.equal(false)
      expect(health.reason).to.match(/synchronous_commit/)
    } finally {
      await database.sql(`ALTER DATABASE ${database.credentials.database} RESET synchronous_commit`)
    }
    expect((await (await open()).health()).ok).to.equal(true)
  })
})

describe('inbox on Postgres: deployment', () => {
  let database: TestDatabase

  before(async function () {
    database = await testDatabase(this, 'nothing')
  })
  after(() => database?.drop())

  const open = async () => {
    const inbox = postgresInbox({ credentials: database.credentials })
    await inbox.open()
    return inbox
  }

  // Fails without the advisory lock: two instances create one table.
  it('is done once when 12 instances start at once', async () => {
    const inboxes = await Promise.all(Array.from({ length: 12 }, open))
    await Promise.all(inboxes.map((one) => one.admin.register([ORDERS])))
    await accept(inboxes[0] as never, sender(real).one({ id: 'a' }))
    await Promise.all(inboxes.map((one) => one.close()))
    const options = await database.sql<{ options: string }>(
      "SELECT reloptions::text AS options FROM pg_class WHERE relname = 'sluice_lanes'",
    )
    expect(options[0]?.options).to.match(/fillfactor=50/)
  })

  it('replaces views that changed, with those that stand on them, and keeps the rows', async () => {
    const inbox = await open()
    const views = (extra: string) =>
      cds.compile.to.csn(`
        entity demo.Notes { key ID : Integer; text : String; more : String; }
        entity demo.Short as select from demo.Notes { ID, text ${extra} };
        entity demo.Shorter as select from demo.Short { text };`) as object
    await inbox.deploy(views(''))
    await database.sql(`INSERT INTO demo_notes (id, text, more) VALUES (1, 'a', 'b')`)
    await inbox.deploy(views(', more'))
    await inbox.deploy(views(', more'))
    expect(await database.sql('SELECT * FROM demo_short')).to.deep.equal([{ id: 1, text: 'a', more: 'b' }])
    await inbox.deploy(views(''))
    expect(await database.sql('SELECT * FROM demo_short')).to.deep.equal([{ id: 1, text: 'a' }])
    expect(await database.sql('SELECT * FROM demo_shorter')).to.deep.equal([{ text: 'a' }])
    await inbox.close()
  })

  it('refuses a store that a newer version has deployed, and touches nothing', async () => {
    await database.sql(`UPDATE sluice_meta SET value = '99' WHERE name = 'schema'`)
    const [result] = await Promise.allSettled([open()])
    expect(result.status === 'rejected' && result.reason).to.deep.include({ code: 'store-newer', retry: 'never' })
    expect(await database.sql(`SELECT value FROM sluice_meta WHERE name = 'schema'`)).to.deep.equal([{ value: '99' }])
  })
})
