import { expect } from 'chai'
import { EVENT_FAILPOINTS, type Failpoint, PROCESS_FAILPOINTS } from './helpers/failpoints.ts'
import type { Shop } from './helpers/shop.ts'
import { openWork, STORES } from './helpers/stores.ts'
import { until } from './helpers/until.ts'
import { FLAWLESS } from './helpers/verdict.ts'
import { World } from './helpers/world.ts'

/** Not the first pass: by then there is work before and behind. */
const PASS = 3
/** Long enough that a lease of one second is renewed while a handler waits for the ERP. */
const SLOW_MS = 150

for (const kind of STORES) {
  describe(`kill -9 at every step: ${kind.title}`, function () {
    this.timeout(120_000)
    let world: World

    before(async function () {
      const emptied = kind.short === 'postgres' ? 'DROP SCHEMA public CASCADE; CREATE SCHEMA public' : ''
      world = await World.open(
        this,
        kind,
        {
          label: kind.short,
          subscriptions: ['orders', 'stock', 'poison'],
          diesAtStart: ['deploy-commit', 'register-commit'],
        },
        async ({ sql }) => emptied && sql(emptied),
      )
    })
    after(() => world?.close())

    const shopFor = (failpoint: string): Shop => world.shop(`${kind.short}.${failpoint}`)

    /** The only judges: what the shop remembers and what stands in the ERP. `stuck`: what nobody will ever end. */
    async function expectFlawless(shop: Shop, stuck = 0): Promise<void> {
      await world.settled()
      expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
      expect(await openWork(world.store)).to.deep.equal({ waiting: 0, leased: 0, stuck })
    }

    /** Kills the first process there, and sends once more when it is back. */
    async function crash(failpoint: Failpoint, provoke?: () => void): Promise<void> {
      const shop = shopFor(failpoint)
      await world.crash(shop, failpoint, failpoint in PROCESS_FAILPOINTS ? 1 : PASS, provoke)
      await world.erp.switch({ slow: 0 })
      await shop.round()
      await expectFlawless(shop)
    }

    it('starts again after dying while it deployed and while it registered', () => {
      for (const failpoint of ['deploy-commit', 'register-commit'] as const) {
        expect(world.cluster.reached(failpoint), failpoint).to.equal(1)
      }
    })

    for (const [failpoint, { what, fails }] of Object.entries(EVENT_FAILPOINTS)) {
      it(`loses and repeats nothing when killed ${what} (fails with ${fails})`, () => crash(failpoint as Failpoint))
    }

    // Mutation tried: MUTATION=no-lease-end fails each of these four.
    for (const failpoint of ['renew', 'renewed'] as const) {
      it(`loses and repeats nothing when killed ${PROCESS_FAILPOINTS[failpoint]}`, async () => {
        await world.erp.switch({ slow: SLOW_MS })
        await crash(failpoint)
      })
    }

    for (const failpoint of ['draining', 'closing'] as const) {
      it(`loses and repeats nothing when killed ${PROCESS_FAILPOINTS[failpoint]}`, async () => {
        await world.erp.switch({ slow: SLOW_MS })
        await crash(failpoint, () => world.cluster.signal(0, 'SIGTERM'))
      })
    }

    it(`loses and repeats nothing when killed ${PROCESS_FAILPOINTS.recovered}`, async () => {
      const { cluster } = world
      const shop = shopFor('recovered')
      for (let n = 1; n < cluster.size; n += 1) await cluster.arm(n, 'recovered')
      await cluster.arm(0, 'handler', { pass: PASS }, [{ failpoint: 'recovered' }])
      await until('a second process dies of the first one’s lane', async () => {
        await shop.round()
        return cluster.reached('recovered') > 0
      })
      await cluster.disarm()
      await expectFlawless(shop)
    })

    // Without the lost attempt in the claim, this goes on for ever.
    it('gives up an event whose handler kills its process, and nothing else', async () => {
      const shop = shopFor('poison')
      await shop.round()
      await shop.send('poison.sent', `${shop.name}:p`)
      await shop.round()
      await expectFlawless(shop, 1)
    })
  })
}
