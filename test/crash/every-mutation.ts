import { isDeepStrictEqual } from 'node:util'
import { expect } from 'chai'
import { useNextVersion } from '../upgrade/helpers/next-version.ts'
import {
  EVENT_FAILPOINTS,
  type Failpoint,
  POLL_FAILPOINTS,
  PROCESS_FAILPOINTS,
  START_FAILPOINTS,
} from './helpers/failpoints.ts'
import { PolledWorld } from './helpers/polled-world.ts'
import type { Shop } from './helpers/shop.ts'
import { STORES } from './helpers/stores.ts'
import { FLAWLESS, type Verdict } from './helpers/verdict.ts'
import { World } from './helpers/world.ts'

/** Many times what it takes with the protection. */
const ENDS_WITHIN_MS = 10_000
const PASSES = 5

// Each crash test is believed because it fails without what it proves. Too long for every run: `npm run test:mutations`.
for (const kind of STORES) {
  describe(`without its protection fails the test of a kill: ${kind.title}`, function () {
    this.timeout(300_000)
    let world: World | undefined
    const next = useNextVersion()

    afterEach(async () => {
      await world?.erp.switch({ slow: 0 })
      await world?.close()
      world = undefined
    })

    /** Again and again: what is under way when it dies is another thing each time. */
    async function expectFault(crash: (pass: number) => Promise<Verdict>): Promise<void> {
      let found: unknown = FLAWLESS
      for (let pass = 1; pass <= PASSES && isDeepStrictEqual(found, FLAWLESS); pass += 1) {
        found = await crash(pass).catch((thrown: Error) => thrown.message)
      }
      expect(found).not.to.deep.equal(FLAWLESS)
    }

    for (const [failpoint, { what, fails }] of Object.entries({ ...EVENT_FAILPOINTS, ...PROCESS_FAILPOINTS })) {
      it(`${what}: ${fails}`, async function () {
        const label = `mutated.${failpoint}.${kind.short}`
        const opened = await World.open(this, kind, { label, mutation: fails, drainMs: 100 })
        world = opened
        const shop = opened.shop(label)
        await expectFault(async (pass) => {
          await opened.crash(shop, failpoint as Failpoint, pass)
          await shop.round()
          await opened.settled(ENDS_WITHIN_MS)
          return opened.verdict(shop)
        })
      })
    }

    for (const [failpoint, { what, fails }] of Object.entries(POLL_FAILPOINTS)) {
      it(`${what}: ${fails}`, async function () {
        const polled = await PolledWorld.open(this, kind, {
          label: `mutated.${failpoint}.${kind.short}`,
          mutation: fails,
        })
        world = polled.world
        await expectFault(async () => {
          await polled.crash(failpoint as Failpoint)
          await polled.settled(ENDS_WITHIN_MS)
          return polled.verdict()
        })
      })
    }

    const { 'deploy-written': deploy, 'register-written': register } = START_FAILPOINTS
    it(`${deploy.what}: ${deploy.fails}`, async function () {
      const opened = await World.open(this, kind, { label: 'mutated.deploy', mutation: deploy.fails })
      world = opened
      const thrown = await opened.crashDeploying(next().root).catch((error: Error) => error)
      expect(thrown).to.be.an('error').with.property('message').that.includes('ended with 1')
    })

    if (kind.processes > 1) {
      it(`${register.what}: ${register.fails}`, async function () {
        const mutation = register.fails
        const opened = await World.open(this, kind, { label: 'mutated.register', subscriptions: ['orders'], mutation })
        world = opened
        const [before, after] = ['before', 'after'].map((name) =>
          opened.shop(`mutated.${name}`, { orders: 2, stock: 0 }),
        )
        await before?.round()
        await opened.crashRegistering({ mutation })
        await after?.round()
        await opened.settled()
        expect((await opened.verdict(after as Shop, [['audit']])).lost).not.to.be.empty
      })
    }
  })
}
