import { isDeepStrictEqual } from 'node:util'
import { expect } from 'chai'
import { EVENT_FAILPOINTS, type Failpoint } from './helpers/failpoints.ts'
import { STORES } from './helpers/stores.ts'
import { FLAWLESS } from './helpers/verdict.ts'
import { World } from './helpers/world.ts'

const [SQLITE] = STORES
/** Many times what it takes with the protection. */
const ENDS_WITHIN_MS = 10_000
const PASSES = 5

// Each crash test is believed because it fails without what it proves. Too long for every run: `npm run test:mutations`.
describe('without its protection fails the test of a kill', function () {
  this.timeout(300_000)
  let world: World | undefined

  afterEach(async () => {
    await world?.close()
    world = undefined
  })

  for (const [failpoint, { what, fails }] of Object.entries(EVENT_FAILPOINTS)) {
    it(`${what}: ${fails}`, async function () {
      world = await World.open(this, SQLITE, { label: `mutated.${failpoint}`, mutation: fails })
      const shop = world.shop(`mutated.${failpoint}`)
      let found: unknown = FLAWLESS
      // Which pass it is decides what is under way: a single message, its copy, an old one.
      for (let pass = 1; pass <= PASSES && isDeepStrictEqual(found, FLAWLESS); pass += 1) {
        await world.crash(shop, failpoint as Failpoint, pass)
        await shop.round()
        found = await world.settled(ENDS_WITHIN_MS).then(
          () => world?.verdict(shop),
          (thrown: Error) => thrown.message,
        )
      }
      expect(found).not.to.deep.equal(FLAWLESS)
    })
  }
})
