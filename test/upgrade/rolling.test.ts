import { randomInt } from 'node:crypto'
import { expect } from 'chai'
import { seededRandom } from '../../testing/event-mesh/seeded-random.ts'
import { sendContinuously } from '../crash/helpers/chaos.ts'
import type { Shop } from '../crash/helpers/shop.ts'
import { openWork, STORES } from '../crash/helpers/stores.ts'
import { until } from '../crash/helpers/until.ts'
import { FLAWLESS } from '../crash/helpers/verdict.ts'
import { World } from '../crash/helpers/world.ts'
import { useUpgrade } from './helpers/next-version.ts'
import { ROOT, run } from './helpers/run.ts'

const SEED = Number(process.env.SEED ?? randomInt(2 ** 31))
const [, POSTGRES] = STORES
const NOTHING_LEFT = { waiting: 0, leased: 0, stuck: 0 }

describe(`a new version on the same Postgres, SEED=${SEED}`, function () {
  this.timeout(60_000)
  const use = useUpgrade()

  /** A shop at work while something happens; returns its log when everything it sent has ended. */
  async function underLoad(world: World, shop: Shop, happen: () => Promise<void>): Promise<void> {
    let isOver = false
    const sending = sendContinuously(shop, seededRandom(SEED), () => isOver)
    try {
      await happen()
    } finally {
      isOver = true
      await sending
    }
    await world.settled()
  }

  const deploy = async ({ store }: World) => {
    const { code, output } = await run(use.next.root, 'test/upgrade/deployer.ts', store.inbox)
    expect(code, output).to.equal(0)
  }

  /** Documents in the ERP by the version that wrote them. */
  const writtenBy = async ({ erp }: World, shop: Shop, label: string): Promise<number> =>
    (await erp.rows('IncomingDocuments')).filter(
      (row) => String(row.Subject).startsWith(`${shop.name}:`) && String(row.SourceSystem).startsWith(`${label}:`),
    ).length

  // Fails where the new version takes a column away, where its statements deadlock with the old one's for good, and where
  // it runs what the old one holds.
  it('is deployed under load, works beside the old one and takes over: nothing lost, nothing doubled', async function () {
    const world = await World.open(this, POSTGRES, { label: 'now', processes: 2 })
    use.world = world
    const { cluster: old } = world
    // Whom the load balancer sends to.
    let inTurn = [old]
    let turn = 0
    const shop = world.shop('rolled', { orders: 4, stock: 2 }, () => inTurn[turn++ % inTurn.length]?.url())
    await underLoad(world, shop, async () => {
      const grown = (label: string) => growth(() => writtenBy(world, shop, label), 4)
      await grown('now')
      await deploy(world)
      const newer = await world.join({
        label: 'next',
        processes: 2,
        root: use.next.root,
        // The deployer has done everything.
        store: { ...world.store.inbox, deploy: false },
      })
      inTurn = [old, newer]
      await Promise.all([grown('now'), grown('next')])
      inTurn = [newer]
      for (const n of [0, 1]) await old.retire(n)
      await grown('next')
    })
    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
    expect(await openWork(world.store)).to.deep.equal(NOTHING_LEFT)
    expect(await world.store.sql(`SELECT DISTINCT region FROM sluice_events`)).to.deep.equal([{ region: 'here' }])
    expect(await world.store.sql(`SELECT * FROM sluice_regions`)).to.deep.equal([])
  })

  it('replaces three instances while each is killed at random', async function () {
    const random = seededRandom(SEED)
    const world = await World.open(this, POSTGRES, { label: 'killed' })
    use.world = world
    const { cluster } = world
    const shop = world.shop('killed-shop', { orders: 4, stock: 2 })
    const killed = async (n: number, kill: () => void) => {
      const before = cluster.deaths(n)
      kill()
      await until(`process ${n} is gone`, () => cluster.deaths(n) > before)
    }
    await underLoad(world, shop, async () => {
      for (const n of [0, 1, 2]) await killed(n, () => cluster.signal(n, 'SIGKILL'))
      for (const n of [0, 1, 2]) await cluster.listens(n)
      await deploy(world)
      const order = [0, 1, 2].sort(() => random() - 0.5)
      const replaced: number[] = []
      for (const n of order) {
        await killed(n, () => cluster.replace(n, use.next.root, random() < 0.5 ? 'SIGTERM' : 'SIGKILL'))
        replaced.push(n)
        const victim = replaced[Math.floor(random() * replaced.length)] ?? n
        await cluster.listens(victim)
        await killed(victim, () => cluster.signal(victim, 'SIGKILL'))
        await cluster.listens(n)
      }
      expect(cluster.allDeaths).to.be.at.least(9)
      const sent = shop.log.length
      await until('the new version works', () => shop.log.length > sent + 4)
    })
    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
    expect(await openWork(world.store)).to.deep.equal(NOTHING_LEFT)
  })

  it('is refused by an older instance, with what to do', async function () {
    const world = await World.open(this, POSTGRES, { label: 'older', processes: 1 })
    use.world = world
    await deploy(world)
    const { code, output } = await run(ROOT, 'test/upgrade/deployer.ts', world.store.inbox)
    expect(code).to.equal(1)
    expect(output).to.include(`The store has version ${use.next.version}; this Sluice knows ${use.next.version - 1}.`)
    expect(output).to.include('Start the version of cap-sluice that deployed it, or a newer one.')
    // Whoever runs already goes on.
    const shop = world.shop('older-shop')
    await shop.round()
    await world.settled()
    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
  })
})

/** Until a number has grown. */
async function growth(count: () => Promise<number>, by: number): Promise<void> {
  const before = await count()
  await until(`${by} more`, async () => (await count()) >= before + by)
}
