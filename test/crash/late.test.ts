import { expect } from 'chai'
import type { Fact } from './helpers/gateway-process.ts'
import { STORES } from './helpers/stores.ts'
import { until } from './helpers/until.ts'
import { FLAWLESS } from './helpers/verdict.ts'
import { World } from './helpers/world.ts'

const [, POSTGRES] = STORES

describe('a write that commits after its sender died', function () {
  this.timeout(120_000)
  let world: World

  before(async function () {
    const each = [{ roles: ['intake'] as const }, { roles: ['worker'] as const }, { roles: ['worker'] as const }]
    // What the test does between two decisions fits into it, also on a busy machine.
    world = await World.open(this, POSTGRES, { label: 'late', settleMs: 8_000, each })
    world.cluster.only(0)
  })
  after(() => world?.close())

  /** The worker that sends the next write dies of it, and the ERP commits it only when it is told to. */
  async function holdNextWrite(): Promise<void> {
    await world.erp.switch({ lateCommit: 1 })
    for (const n of [1, 2]) await world.cluster.arm(n, 'write-sent')
  }

  /** Whether a try has put its create off, or the ERP has committed one. */
  async function decisions(): Promise<number> {
    const [waits] = await world.store.sql<{ n: number }>(
      `SELECT count(*) AS n FROM sluice_attempts WHERE code = 'settling'`,
    )
    const { counts } = await world.erp.log()
    return Number(waits?.n) + (counts['POST IncomingDocuments 201'] ?? 0) + (counts['POST A_SalesOrder 201'] ?? 0)
  }

  /** Lets the lost write commit as soon as the next try has decided what to do: it has to have waited. */
  async function commitLate(): Promise<void> {
    await until('a write is on its way', async () => (await world.erp.state()).held === 1)
    await world.cluster.disarm()
    const decided = await decisions()
    await until('the next try decides', async () => (await decisions()) > decided)
    await world.erp.release()
    await world.settled()
  }

  // Fails with the mutation `no-settling`: see mutations.test.ts.
  it('is found by the next try, which waits for it', async () => {
    const shop = world.shop('late.order', { orders: 1, stock: 0 })
    await holdNextWrite()
    await shop.round()
    await commitLate()
    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
  })

  // Fails where what is superseded is settled together with what superseded it: then the wrong dispatch counts as tried.
  it('is waited for although it came together with a state it superseded', async () => {
    const { cluster } = world
    const shop = world.shop('late.superseding', { orders: 0, stock: 1 })
    await holdNextWrite()
    for (const n of [1, 2]) cluster.signal(n, 'SIGSTOP')
    await shop.round()
    await shop.round()
    for (const n of [1, 2]) cluster.signal(n, 'SIGCONT')
    await commitLate()
    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
  })

  // Fails where a state is superseded although something of it may be under way.
  it('is waited for although a newer state would supersede it', async () => {
    const shop = world.shop('late.superseded', { orders: 0, stock: 1 })
    await holdNextWrite()
    await shop.round()
    await until('a write is on its way', async () => (await world.erp.state()).held === 1)
    await shop.round()
    await commitLate()
    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
  })
})

describe('a worker that sleeps past its lease', function () {
  this.timeout(120_000)
  let world: World

  before(async function () {
    world = await World.open(this, POSTGRES, { label: 'asleep' })
  })
  after(() => world?.close())

  afterEach(() => world.erp.switch({ slow: 0 }))

  for (const [failpoint, notices, what] of [
    ['handler', ({ failed }: Fact) => failed !== undefined, 'refuses its writes'],
    ['settle', (fact: Fact) => fact.void === true, 'voids its result'],
  ] as const) {
    // Fails with the mutations `late-writes` and `late-settles`, and without `owner = ` in the statement that settles.
    it(`changes nothing when it wakes up while another works: the fence ${what}`, async () => {
      const { cluster } = world
      const shop = world.shop(`asleep.${failpoint}`, { orders: 1, stock: 0 })
      await world.fallAsleep(shop, failpoint)
      await world.workOn(shop)
      const noticed = cluster.told(notices)
      cluster.signal(0, 'SIGCONT')
      await until('it learns that its lease is lost', () => cluster.told(notices) > noticed)
      cluster.only(0, 1, 2)
      await world.settled()
      expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
    })
  }

  // Fails without `idle_in_transaction_session_timeout`: the database cannot know that nobody will commit.
  it('holds up nobody for long when it falls asleep in a transaction', async () => {
    const { cluster } = world
    const shop = world.shop('asleep.store-commit')
    await cluster.arm(0, 'store-commit', { signal: 'SIGSTOP' })
    const sending = shop.round().then(() => shop.round())
    await until('it falls asleep', () => cluster.reached('store-commit') > 0)
    cluster.only(1, 2)
    await sending
    cluster.signal(0, 'SIGCONT')
    cluster.only(0, 1, 2)
    await world.settled()
    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
  })
})
