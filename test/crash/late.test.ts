import { expect } from 'chai'
import type { Fact } from './helpers/gateway-process.ts'
import { STORES } from './helpers/stores.ts'
import { until } from './helpers/until.ts'
import { FLAWLESS } from './helpers/verdict.ts'
import { World } from './helpers/world.ts'

const [SQLITE, POSTGRES] = STORES

describe('a write that commits after its sender died', () => {
  let world: World

  before(async function () {
    world = await World.open(this, SQLITE, { label: 'late', leaseMs: 2_000, settleMs: 1_500 })
  })
  after(() => world?.close())

  /** Whether a try has put its create off, or an ERP has got another one: the next try has decided. */
  async function decisions(): Promise<number> {
    const [waits] = await world.store.sql<{ n: number }>(
      `SELECT count(*) AS n FROM sluice_attempts WHERE code = 'settling'`,
    )
    const { counts } = await world.erp.log()
    return Number(waits?.n) + (counts['POST IncomingDocuments 201'] ?? 0) + (counts['POST A_SalesOrder 201'] ?? 0)
  }

  /** Kills the gateway while the ERP still works on its create; that commits once the next try has decided. */
  async function dieInFlight(meanwhile: () => Promise<void> = async () => undefined): Promise<void> {
    const { cluster, erp } = world
    await until('a write is on its way', async () => (await erp.state()).held === 1)
    const decided = await decisions()
    cluster.signal(0, 'SIGKILL')
    await meanwhile()
    await until('the next try decides', async () => (await decisions()) > decided)
    await erp.release()
    await world.settled()
  }

  // Fails with `settleMs: 0`.
  it('is found by the next try, which waits for it', async () => {
    const shop = world.shop('late.order', { orders: 1, stock: 0 })
    await world.erp.switch({ lateCommit: 1 })
    await shop.round()
    await dieInFlight()
    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
  })

  // Fails where what is superseded is settled together with what superseded it: then the wrong dispatch counts as tried.
  it('is waited for although it came together with states it superseded', async () => {
    const { cluster, erp } = world
    const shop = world.shop('late.superseding', { orders: 0, stock: 1 })
    await cluster.arm(0, 'claimed')
    await shop.round()
    await until('the worker has died with the first state claimed', () => cluster.reached('claimed') > 0)
    await shop.round()
    await erp.switch({ lateCommit: 1 })
    await dieInFlight()
    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
  })

  // Fails where a state is superseded although something of it may be under way.
  it('is waited for although a newer state would supersede it', async () => {
    const shop = world.shop('late.superseded', { orders: 0, stock: 1 })
    await world.erp.switch({ lateCommit: 1 })
    await shop.round()
    await dieInFlight(() => shop.round())
    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
  })
})

describe('a worker that sleeps past its lease', () => {
  let world: World

  before(async function () {
    world = await World.open(this, POSTGRES, { label: 'asleep' })
  })
  after(() => world?.close())

  for (const [failpoint, notices, what] of [
    ['handler', ({ failed }: Fact) => failed !== undefined, 'refuses its writes'],
    ['settle', (fact: Fact) => fact.void === true, 'voids its result'],
  ] as const) {
    // Fails with the mutations `late-writes` and `late-settles`: see mutations.test.ts.
    it(`changes nothing when it wakes up: the fence ${what}`, async () => {
      const { cluster } = world
      // One lane, and nothing to store: it falls asleep outside of any transaction.
      const shop = world.shop(`asleep.${failpoint}`, { orders: 1, stock: 0 })
      cluster.avoid(0)
      await cluster.arm(0, failpoint, { pass: 2, signal: 'SIGSTOP' })
      while (cluster.reached(failpoint) === 0) await shop.round()
      await until('the others have done its work', async () => (await world.verdict(shop)).lost.length === 0)
      const noticed = cluster.told(notices)
      cluster.signal(0, 'SIGCONT')
      await until('it learns that its lease is lost', () => cluster.told(notices) > noticed)
      cluster.avoid(0, false)
      await shop.round()
      await world.settled()
      expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
    })
  }

  // Fails without `idle_in_transaction_session_timeout`: the database cannot know that nobody will commit.
  it('holds up nobody for long when it falls asleep in a transaction', async function () {
    this.timeout(60_000)
    const { cluster } = world
    const shop = world.shop('asleep.store-commit')
    await cluster.arm(0, 'store-commit', { pass: 3, signal: 'SIGSTOP' })
    while (cluster.reached('store-commit') === 0)
      await Promise.any([shop.round(), until('', () => cluster.reached('store-commit') > 0)])
    cluster.avoid(0)
    await until('all messages are taken', () => shop.log.every(({ acknowledged }) => acknowledged))
    await shop.round()
    cluster.signal(0, 'SIGCONT')
    cluster.avoid(0, false)
    await world.settled()
    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
  })
})
