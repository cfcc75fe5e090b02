import { expect } from 'chai'
import { type Failpoint, POLL_FAILPOINTS } from './helpers/failpoints.ts'
import { PolledWorld } from './helpers/polled-world.ts'
import { openWork, STORES } from './helpers/stores.ts'
import { FLAWLESS } from './helpers/verdict.ts'

for (const kind of STORES) {
  describe(`kill -9 at every step of a poll: ${kind.title}`, function () {
    this.timeout(120_000)
    let polled: PolledWorld

    before(async function () {
      polled = await PolledWorld.open(this, kind, { label: `${kind.short}-poll` })
    })
    after(() => polled?.world.close())

    for (const [failpoint, { what, fails }] of Object.entries(POLL_FAILPOINTS)) {
      it(`finds every change once when killed ${what} (fails with ${fails})`, async () => {
        await polled.crash(failpoint as Failpoint)
        await polled.settled()
        expect(await polled.verdict()).to.deep.equal(FLAWLESS)
        expect(await openWork(polled.world.store)).to.deep.equal({ waiting: 0, leased: 0, stuck: 0 })
      })
    }
  })
}
