import type { ErpSandbox } from 'cap-sluice/testing'
import { expect } from 'chai'
import { sharedHeadquarters } from './helpers/erps.ts'
import { type Failpoint, POLL_FAILPOINTS } from './helpers/failpoints.ts'
import { openWork, STORES } from './helpers/stores.ts'
import { until } from './helpers/until.ts'
import { FLAWLESS, judgeChanges, type Verdict } from './helpers/verdict.ts'
import { World } from './helpers/world.ts'

for (const kind of STORES) {
  describe(`kill -9 at every step of a poll: ${kind.title}`, function () {
    this.timeout(120_000)
    const label = `${kind.short}-poll`
    let headquarters: ErpSandbox
    let world: World

    before(async function () {
      this.timeout(120_000)
      headquarters = await sharedHeadquarters()
      const { url, user, password } = headquarters
      world = await World.open(this, kind, {
        label,
        subscriptions: ['changes'],
        headquarters: { url, user, password },
      })
    })
    after(() => world?.close())

    const verdict = (): Promise<Verdict> => judgeChanges(world.erp, headquarters, label)

    /** Nobody tells of these: new orders, and one that was there before. Five rows are three pages. */
    async function change(): Promise<void> {
      await headquarters.change({ entity: 'A_SalesOrder', action: 'create', count: 4 })
      await headquarters.change({ entity: 'A_SalesOrder', action: 'change', count: 1 })
    }

    for (const [failpoint, { what, fails }] of Object.entries(POLL_FAILPOINTS)) {
      it(`finds every change once when killed ${what} (fails with ${fails})`, async () => {
        const { cluster } = world
        const isDead = () => cluster.reached(failpoint as Failpoint) > 0
        const isFound = async () => (await verdict()).lost.length === 0
        await cluster.armAll(failpoint as Failpoint, { pass: 2 })
        while (!isDead()) {
          await change()
          await until('somebody finds the changes, or dies of it', async () => isDead() || (await isFound()))
        }
        await cluster.disarm()
        await change()
        await until('nothing is missing', isFound)
        await world.polled()
        await world.settled()
        expect(await verdict()).to.deep.equal(FLAWLESS)
        expect(await openWork(world.store)).to.deep.equal({ waiting: 0, leased: 0, stuck: 0 })
      })
    }
  })
}
