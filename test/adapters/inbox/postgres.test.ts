import { postgresInbox } from '../../../adapters/inbox/postgres/index.ts'
import { durableHarness } from '../../helpers/inbox.ts'
import { type TestDatabase, testDatabase } from '../../helpers/postgres.ts'
import { inboxSuite } from '../../suites/inbox.suite.ts'

describe('inbox on Postgres', () => {
  let database: TestDatabase

  before(async function () {
    database = await testDatabase(this)
  })
  after(() => database?.drop())

  inboxSuite('postgres', async () => {
    await database.empty()
    return durableHarness({
      open: async (now) => {
        const inbox = postgresInbox({ credentials: database.credentials, now })
        await inbox.open()
        return inbox
      },
      select: (entity) => database.sql(`SELECT * FROM sluice_${entity}`),
      dispose: async (instances) => {
        await Promise.all(instances.map((one) => one.close()))
      },
    })
  })
})
