import { expect } from 'chai'
import type { SubscriptionName } from './helpers/business.ts'
import type { Shop } from './helpers/shop.ts'
import { STORES, takeDown } from './helpers/stores.ts'
import { until } from './helpers/until.ts'
import { FLAWLESS } from './helpers/verdict.ts'
import { World } from './helpers/world.ts'

const [, POSTGRES] = STORES
const CHAINS = [['order', 'confirmation'], ['audit']]

describe('gateways of different kinds on one Postgres', function () {
  this.timeout(120_000)
  let world: World | undefined

  afterEach(async () => {
    await world?.close()
    world = undefined
  })

  async function open(
    suite: Mocha.Context,
    label: string,
    subscriptionsOf: readonly (readonly SubscriptionName[])[],
  ): Promise<World> {
    world = await World.open(suite, POSTGRES, {
      label,
      processes: subscriptionsOf.length,
      each: subscriptionsOf.map((subscriptions) => ({ subscriptions })),
      // No lease runs out but that of a dead process, however slow the machine is.
      leaseMs: 4_000,
    })
    return world
  }

  /** Which process wrote the documents of each kind, as the ERP remembers it. */
  async function writers({ erp }: World, { name }: Shop): Promise<Record<string, string[]>> {
    const rows = await erp.rows('IncomingDocuments')
    const ours = rows.filter((row) => String(row.ExternalReference).startsWith(`${name}:`))
    const byKind = Object.groupBy(ours, (row) => String(row.EventType))
    return Object.fromEntries(
      Object.entries(byKind).map(([kind, same = []]) => [
        kind,
        [...new Set(same.map((row) => String(row.SourceSystem)))].sort(),
      ]),
    )
  }

  // Fails where an instance fans out to the subscriptions it knew at its start, where both versions run one dispatch, and
  // with the mutation `no-transaction`: the new version, killed while it registers, never tells the old one.
  it('upgrade one by one: the old version feeds what only the new one knows, and each effect is there once (peer defect 16)', async function () {
    const world = await open(this, 'old', [['orders']])
    const [before, after] = ['upgrade.before', 'upgrade.after'].map((name) => world.shop(name, { orders: 3, stock: 0 }))
    await before?.round()
    const newer = await world.crashRegistering()
    expect(newer.reached('register-written')).to.equal(1)
    for (let n = 0; n < 4; n += 1) {
      // All of it comes in through the old version.
      await after?.round()
      if (n === 1) newer.signal(0, 'SIGKILL')
    }
    await world.settled()
    expect(await world.verdict(before as Shop)).to.deep.equal(FLAWLESS)
    expect(await world.verdict(after as Shop, CHAINS)).to.deep.equal(FLAWLESS)
    expect(await writers(world, after as Shop)).to.deep.include({ audit: ['new:0'] })
  })

  // Fails where a worker claims lanes whose subscription it does not know: what it cannot run counts as tried and lost.
  it('two applications: neither takes what is the other’s, dead or alive (peer defect 17)', async function () {
    const world = await open(this, 'apps', [['orders'], ['audit']])
    const { cluster } = world
    const shop = world.shop('apps', { orders: 3, stock: 0 })
    await shop.round()
    await shop.round()
    await world.settled()
    expect(await world.store.sql(`SELECT dispatch FROM sluice_attempts WHERE outcome = 'lost'`)).to.deep.equal([])
    for (const dying of [0, 1]) {
      cluster.signal(dying, 'SIGKILL')
      await shop.round()
    }
    await world.settled()
    expect(await world.verdict(shop, CHAINS)).to.deep.equal(FLAWLESS)
    expect(await writers(world, shop)).to.deep.equal({
      order: ['apps:0'],
      confirmation: ['apps:0'],
      audit: ['apps:1'],
    })
  })

  // Fails where a door answers 2xx or 4xx while it cannot store.
  it('lose nothing while their database is away (peer defect 8)', async function () {
    const world = await open(this, 'outage', [
      ['orders', 'stock'],
      ['orders', 'stock'],
    ])
    const { cluster, store } = world
    const shop = world.shop('outage')
    await shop.round()
    const bringBack = await takeDown(store)
    const rounds = shop.round().then(() => shop.round())
    await until('senders are asked to come again', () => shop.statuses.has(503))
    await bringBack()
    await rounds
    await world.settled()
    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
    expect([cluster.deaths(0), cluster.deaths(1)], 'no process died of it').to.deep.equal([0, 0])
  })
})
