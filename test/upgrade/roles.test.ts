import { expect } from 'chai'
import { sharedErp, sharedHeadquarters } from '../crash/helpers/erps.ts'
import { openWork, STORES } from '../crash/helpers/stores.ts'
import { until } from '../crash/helpers/until.ts'
import { FLAWLESS, judgeChanges } from '../crash/helpers/verdict.ts'
import { World } from '../crash/helpers/world.ts'

const [, POSTGRES] = STORES
const [INTAKE, WORKER] = [0, 1]

describe('roles in processes of their own, on one Postgres', function () {
  this.timeout(60_000)
  let world: World | undefined
  afterEach(async () => {
    await world?.close()
    world = undefined
  })

  // Fails where a worker only looks for work that its own process has stored, and where a role does another's work.
  it('take, poll and work for each other, and wait for whoever is away', async function () {
    const [erp, headquarters] = await Promise.all([sharedErp(), sharedHeadquarters()])
    const { url, user, password } = headquarters
    const parts = {
      subscriptions: ['orders', 'stock', 'changes'],
      headquarters: { url, user, password },
    } as const
    world = await World.open(this, POSTGRES, {
      ...parts,
      label: 'roles',
      processes: 2,
      each: [{ roles: ['intake'] }, { roles: ['worker'] }],
    })
    const { cluster, store } = world
    const shop = world.shop('roles-shop')
    cluster.only(WORKER)
    const answer = await fetch(`${cluster.url()}/webhooks/orders`, { method: 'POST', body: '{}' })
    expect(answer.status, 'only the role intake takes deliveries').to.equal(404)
    cluster.only(INTAKE)
    await shop.round()
    await world.settled()
    expect(await store.sql('SELECT poll FROM sluice_checkpoints'), 'only the role poller polls').to.deep.equal([])
    await world.join({ ...parts, label: 'roles-poller', processes: 1, each: [{ roles: ['poller'] }] })
    await headquarters.change({ entity: 'A_SalesOrder', action: 'create', count: 3 })
    await world.polled()
    await world.settled()

    // Nobody works: what comes is kept all the same.
    cluster.signal(WORKER, 'SIGSTOP')
    await shop.round()
    expect((await openWork(store)).waiting).to.be.above(0)
    cluster.signal(WORKER, 'SIGKILL')
    await until('another worker', () => cluster.deaths(WORKER) === 1)
    await shop.round()
    await headquarters.change({ entity: 'A_SalesOrder', action: 'change' })
    await world.polled()
    await world.settled()

    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
    expect(await judgeChanges(erp, headquarters, 'roles')).to.deep.equal(FLAWLESS)
    const written = (await erp.rows('IncomingDocuments')).map((row) => String(row.SourceSystem))
    expect(new Set(written.filter((name) => name.startsWith('roles:')))).to.deep.equal(new Set(['roles:1']))
  })
})
