import { expect } from 'chai'
import { type ConfiguredService, completeService } from '../../../adapters/inbox/postgres/configured.ts'
import { postgresInbox } from '../../../adapters/inbox/postgres/index.ts'
import { faultOf } from '../../helpers/faults.ts'
import { type TestDatabase, testDatabase } from '../../helpers/postgres.ts'

/** As `@cap-js/postgres` 2.3 has them. */
const KIND = { pool: { min: 0, max: 10, testOnBorrow: true, acquireTimeoutMillis: 1_000, destroyTimeoutMillis: 1_000 } }

describe('an app’s service `sluice-db` on Postgres', () => {
  it('waits for a connection longer than CAP’s second', () => {
    const service: ConfiguredService = { pool: { ...KIND.pool } }
    completeService(service, KIND)
    expect(service.pool).to.include({ max: 10, acquireTimeoutMillis: 10_000 })
    expect(service.client).to.include({ application_name: 'sluice', keepAlive: true })
  })

  it('keeps what the app says itself', () => {
    const service: ConfiguredService = {
      pool: { ...KIND.pool, max: 25, acquireTimeoutMillis: 30_000 },
      client: { ssl: { rejectUnauthorized: true } },
    }
    completeService(service, KIND)
    expect(service.pool).to.include({ max: 25, acquireTimeoutMillis: 30_000 })
    expect(service.client).to.deep.include({ ssl: { rejectUnauthorized: true }, application_name: 'sluice' })
  })
})

describe('an instance that leaves deploying to the deployer', () => {
  let database: TestDatabase
  before(async function () {
    database = await testDatabase(this, 'nothing')
  })
  after(() => database?.drop())

  const open = async (deploy: boolean) => {
    const inbox = postgresInbox({ credentials: database.credentials, deploy })
    await inbox.open()
    await inbox.close()
  }
  const setVersion = (version: number) =>
    database.sql(`UPDATE sluice_meta SET value = $1 WHERE name = 'schema'`, [String(version)])

  it('creates nothing, refuses an empty database, an older and a newer store, and says what to do', async () => {
    const fault = await faultOf(open(false))
    expect(fault).to.include({ code: 'store-not-deployed', retry: 'never' })
    expect(fault.message).to.include('sluice-deploy')
    const tables = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`
    expect(await database.sql(tables)).to.deep.equal([])

    await open(true)
    await open(false)
    const [{ value = '' } = {}] = await database.sql<{ value: string }>(
      `SELECT value FROM sluice_meta WHERE name = 'schema'`,
    )
    await setVersion(Number(value) - 1)
    expect(await faultOf(open(false))).to.include({ code: 'store-not-deployed' })
    await setVersion(Number(value) + 1)
    expect(await faultOf(open(false))).to.include({ code: 'store-newer' })
  })
})
