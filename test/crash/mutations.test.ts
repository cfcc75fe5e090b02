import { expect } from 'chai'
import type { Mutation } from './helpers/mutations.ts'
import { PolledWorld } from './helpers/polled-world.ts'
import { STORES } from './helpers/stores.ts'
import { until } from './helpers/until.ts'
import { World } from './helpers/world.ts'

const [SQLITE, POSTGRES] = STORES

// The crash tests are believed because they fail here, where one protection is taken away (see helpers/mutations.ts).
describe('the crash tests notice', function () {
  this.timeout(120_000)
  let world: World | undefined

  afterEach(async () => {
    await world?.erp.switch({ slow: 0 })
    await world?.close()
    world = undefined
  })

  /** A gateway with one mistake in it, and a shop that sends to it. */
  async function open(suite: Mocha.Context, mutation: Mutation, keys = { orders: 2, stock: 0 }, more = {}) {
    const kind = mutation.startsWith('late') ? POSTGRES : SQLITE
    world = await World.open(suite, kind, { label: mutation, mutation, ...more })
    return { world, cluster: world.cluster, shop: world.shop(mutation, keys) }
  }

  it('an answer before the COMMIT (peer defect 4): the event is lost', async function () {
    const opened = await open(this, 'answer-before-commit')
    await opened.world.crash(opened.shop, 'store-commit', 1)
    await opened.shop.round()
    await opened.world.settled()
    expect((await opened.world.verdict(opened.shop)).lost).not.to.be.empty
  })

  it('a store without a transaction: the repetition counts as a duplicate of an event that never was', async function () {
    const opened = await open(this, 'no-transaction')
    await opened.world.crash(opened.shop, 'store-written', 1)
    await opened.shop.round()
    await opened.world.settled()
    expect((await opened.world.verdict(opened.shop)).lost).not.to.be.empty
  })

  it('a create without the look-up: the ERP has it twice', async function () {
    const opened = await open(this, 'no-look-up')
    await opened.world.crash(opened.shop, 'write-answered', 1)
    await opened.world.settled()
    expect((await opened.world.verdict(opened.shop)).duplicates).not.to.be.empty
  })

  it('a look-up that does not wait for a late commit: the ERP has it twice', async function () {
    const opened = await open(this, 'no-settling', { orders: 1, stock: 0 })
    const { erp } = opened.world
    await erp.switch({ lateCommit: 1 })
    await opened.shop.round()
    await until('a write is on its way', async () => (await erp.state()).held === 1)
    opened.cluster.signal(0, 'SIGKILL')
    await until('the next try has written it', async () => (await opened.world.verdict(opened.shop)).lost.length === 0)
    await erp.release()
    await opened.world.settled()
    expect((await opened.world.verdict(opened.shop)).duplicates).not.to.be.empty
  })

  it('results that are settled lane by lane: what was done is done again', async function () {
    const { world, cluster, shop } = await open(this, 'settle-at-the-end', { orders: 1, stock: 0 }, { leaseMs: 4_000 })
    await cluster.arm(0, 'claimed', {}, [{ failpoint: 'handler', pass: 5 }])
    for (let n = 0; n < 6; n += 1) await shop.round()
    await until('it dies with some of them done', () => cluster.reached('handler') > 0)
    await world.settled()
    expect((await world.verdict(shop)).duplicates).not.to.be.empty
  })

  it('a write after the lease is lost: the ERP has it twice', async function () {
    const { world, cluster, shop } = await open(this, 'late-writes', { orders: 1, stock: 0 })
    await world.fallAsleep(shop, 'handler')
    await world.workOn(shop)
    cluster.signal(0, 'SIGCONT')
    await until('its late write is there', async () => (await world.verdict(shop)).duplicates.length > 0)
  })

  it('a checkpoint before the events it stands for: the change is lost', async function () {
    const mutation = 'checkpoint-first'
    const polled = await PolledWorld.open(this, SQLITE, { label: mutation, mutation })
    world = polled.world
    // Whether a page has more than the row that is read again is a matter of time.
    let lost: readonly string[] = []
    for (let tries = 0; tries < 5 && lost.length === 0; tries += 1) {
      await polled.crash('advance-commit')
      await world.polled()
      await world.settled()
      lost = (await polled.verdict()).lost
    }
    expect(lost).not.to.be.empty
  })
})
