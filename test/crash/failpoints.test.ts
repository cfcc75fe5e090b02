import { expect } from 'chai'
import { useNextVersion } from '../upgrade/helpers/next-version.ts'
import { EVENT_FAILPOINTS, type Failpoint, PROCESS_FAILPOINTS, START_FAILPOINTS } from './helpers/failpoints.ts'
import type { Shop } from './helpers/shop.ts'
import { openWork, STORES } from './helpers/stores.ts'
import { FLAWLESS } from './helpers/verdict.ts'
import { World } from './helpers/world.ts'

/** Not the first pass: by then there is work before and behind. */
const PASS = 3

for (const kind of STORES) {
  describe(`kill -9 at every step: ${kind.title}`, function () {
    this.timeout(120_000)
    let world: World
    const next = useNextVersion()

    before(async function () {
      world = await World.open(this, kind, {
        label: kind.short,
        subscriptions: ['orders', 'stock', 'poison'],
        // Shorter than a handler takes with a slow ERP.
        drainMs: 100,
      })
    })
    after(() => world?.close())

    const shopFor = (failpoint: string): Shop => world.shop(`${kind.short}.${failpoint}`)

    /** The only judges: what the shop remembers and what stands in the ERP. `stuck`: what nobody will ever end. */
    async function expectFlawless(shop: Shop, stuck = 0): Promise<void> {
      await world.settled()
      expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
      expect(await openWork(world.store)).to.deep.equal({ waiting: 0, leased: 0, stuck })
    }

    for (const [failpoint, { what, fails }] of Object.entries({ ...EVENT_FAILPOINTS, ...PROCESS_FAILPOINTS })) {
      it(`loses and repeats nothing when killed ${what} (fails with ${fails})`, async () => {
        const shop = shopFor(failpoint)
        await world.crash(shop, failpoint as Failpoint, PASS)
        await shop.round()
        await expectFlawless(shop)
      })
    }

    // Without the lost attempt in the claim, this goes on for ever.
    it('gives up an event whose handler kills its process, and nothing else', async () => {
      const shop = shopFor('poison')
      await shop.round()
      await shop.send('poison.sent', `${shop.name}:p`)
      await shop.round()
      await expectFlawless(shop, 1)
    })

    // The last one: of the older version nobody could start again.
    const { what, fails } = START_FAILPOINTS['deploy-written']
    it(`loses and repeats nothing when killed ${what} (fails with ${fails})`, async () => {
      const shop = shopFor('deploy-written')
      await shop.round()
      await world.crashDeploying(next().root)
      await shop.round()
      await expectFlawless(shop, 1)
      expect(await world.store.sql('SELECT DISTINCT region FROM sluice_Events')).to.deep.equal([{ region: 'here' }])
    })
  })
}
