import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'chai'
import { openWork, STORES } from '../crash/helpers/stores.ts'
import { until } from '../crash/helpers/until.ts'
import { FLAWLESS } from '../crash/helpers/verdict.ts'
import { World } from '../crash/helpers/world.ts'
import { testApp } from '../service/app.ts'
import { useUpgrade } from './helpers/next-version.ts'
import { ROOT, run } from './helpers/run.ts'

const [SQLITE] = STORES

describe('a new version on the same SQLite file', function () {
  this.timeout(60_000)
  const use = useUpgrade()

  const columns = (file: string): string[] => {
    const database = new DatabaseSync(file, { readOnly: true })
    try {
      return database
        .prepare(`SELECT name FROM pragma_table_info('sluice_Events')`)
        .all()
        .map(({ name }) => String(name))
    } finally {
      database.close()
    }
  }

  // Fails where the backup is made after the expansion, or not at all.
  it('expands it after a backup, goes on with what waits, and the old version refuses it', async function () {
    const world = await World.open(this, SQLITE, { label: 'file' })
    use.world = world
    const { cluster, store, erp } = world
    const file = String(store.inbox.url)
    const shop = world.shop('file-shop')
    await shop.round()
    // What the old version leaves behind.
    await erp.switch({ down: 'refuse' })
    await shop.round()
    const before = cluster.deaths(0)
    cluster.replace(0, use.next.root, 'SIGTERM')
    await until('it is replaced', () => cluster.deaths(0) > before)
    await cluster.listens(0)
    await erp.switch({ down: false })
    await shop.round()
    await world.settled()
    expect(await world.verdict(shop)).to.deep.equal(FLAWLESS)
    expect(await openWork(store)).to.deep.equal({ waiting: 0, leased: 0, stuck: 0 })
    expect(await store.sql('SELECT DISTINCT region FROM sluice_Events')).to.deep.equal([{ region: 'here' }])
    expect(await store.sql('SELECT * FROM sluice_Regions')).to.deep.equal([])

    const [backup = '', ...more] = readdirSync(dirname(file)).filter((name) => name.endsWith('.backup'))
    expect(more).to.deep.equal([])
    expect(backup).to.match(new RegExp(`^sluice\\.db\\.v${use.next.version - 1}-`))
    const kept = join(dirname(file), backup)
    expect(columns(file)).to.include('region')
    expect(columns(kept)).to.include('receivedAt').and.not.include('region')

    const { code, output } = await run(ROOT, 'test/upgrade/deployer.ts', { url: file })
    expect(code).to.equal(1)
    expect(output).to.include(`has version ${use.next.version}; this Sluice knows ${use.next.version - 1}.`)
    expect(output).to.include('or restore the backup made before that upgrade')
    const app = await testApp({}, { 'sluice-db': { kind: 'sqlite', credentials: { url: file } } }).then(
      (started) => started.cleanUp().then(() => 'it started'),
      (refused: Error) => refused.message,
    )
    expect(app).to.include(`this Sluice knows ${use.next.version - 1}. Start the version of cap-sluice that wrote it`)
    // As the remedy says: the backup is a whole store of the old version.
    expect((await run(ROOT, 'test/upgrade/deployer.ts', { url: kept })).code).to.equal(0)
  })
})
