import { randomInt } from 'node:crypto'
import { expect } from 'chai'
import { seededRandom } from '../../testing/event-mesh/seeded-random.ts'
import {
  type ChaosCounts,
  changeContinuously,
  killProcesses,
  sendContinuously,
  troubleErp,
  watchStates,
} from './helpers/chaos.ts'
import { sharedErp, sharedHeadquarters } from './helpers/erps.ts'
import type { Shop } from './helpers/shop.ts'
import { openWork, STORES } from './helpers/stores.ts'
import { FLAWLESS, judgeChanges, merge, type Verdict } from './helpers/verdict.ts'
import { World } from './helpers/world.ts'

/** As many again, with the same choices, by SEED=…; the processes' own timing is what it is. */
const SEED = Number(process.env.SEED ?? randomInt(2 ** 31))
/** By store: one process on SQLite, three on Postgres. */
const KILLS = { sqlite: 60, postgres: 150 }
const KEYS = { sqlite: { orders: 4, stock: 3 }, postgres: { orders: 6, stock: 4 } }

describe(`random kills, SEED=${SEED}`, () => {
  const worlds: World[] = []
  after(() => Promise.all(worlds.map((world) => world.close())))

  it('lose and repeat nothing', async function () {
    const startedAt = Date.now()
    const random = seededRandom(SEED)
    const counts: ChaosCounts = { kills: 0, freezes: 0, outages: 0, cuts: 0 }
    const [erp, headquarters] = await Promise.all([sharedErp(), sharedHeadquarters()])
    const { url, user, password } = headquarters
    const shops: Shop[] = []
    for (const kind of STORES) {
      const label = `random-${kind.short}`
      const world = await World.open(this, kind, {
        label,
        settleMs: 1_500,
        subscriptions: ['orders', 'stock', 'changes'],
        headquarters: { url, user, password },
      })
      worlds.push(world)
      shops.push(world.shop(`${label}-shop`, KEYS[kind.short]))
    }
    this.timeout(0)

    let isKilling = true
    let isWatching = true
    const isOver = () => !isKilling
    const sending = Promise.all(shops.map((shop) => sendContinuously(shop, random, isOver)))
    const troubles = Promise.all([
      troubleErp(erp, random, counts, isOver),
      changeContinuously(headquarters, random, isOver),
    ])
    const watching = watchStates(erp, () => !isWatching)
    await Promise.all(
      worlds.map(({ cluster }, n) => killProcesses(cluster, KILLS[STORES[n]?.short ?? 'sqlite'], random, counts)),
    )
    isKilling = false
    await Promise.all([sending, troubles])

    const verdicts: Verdict[] = []
    for (const [n, world] of worlds.entries()) {
      const label = `random-${STORES[n]?.short}`
      await world.polled()
      await world.settled(120_000)
      const shop = shops[n] as Shop
      verdicts.push(await world.verdict(shop), await judgeChanges(erp, headquarters, label))
      expect(await openWork(world.store)).to.deep.equal({ waiting: 0, leased: 0, stuck: 0 })
    }
    isWatching = false
    const verdict = merge(...verdicts, { ...FLAWLESS, reordered: await watching })
    const expected = await expectations()
    const summary = {
      seed: SEED,
      ...counts,
      messages: shops.reduce((sum, { log }) => sum + log.length, 0),
      expected,
      found: expected - verdict.lost.length,
      duplicates: verdict.duplicates.length,
      lost: verdict.lost.length,
      reordered: verdict.reordered.length,
      seconds: Math.round((Date.now() - startedAt) / 1_000),
    }
    process.stdout.write(`${JSON.stringify(summary)}\n`)
    expect(verdict).to.deep.equal(FLAWLESS)
    expect(counts.kills).to.be.at.least(200)

    /** Two documents for an order, one record for a key's states, and for each store one document for a change. */
    async function expectations(): Promise<number> {
      const orders = shops
        .flatMap(({ log }) => log)
        .filter(({ type, acknowledged }) => type === 'order.created' && acknowledged)
      const states = shops.flatMap(({ keys }) => keys.filter((key) => /:s\d+$/.test(key)))
      const changed = new Set((await headquarters.sent()).map(({ key }) => key))
      return orders.length * 2 + states.length + changed.size * worlds.length
    }
  })
})
