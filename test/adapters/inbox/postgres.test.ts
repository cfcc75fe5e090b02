import { postgresInbox } from '../../../adapters/inbox/postgres/index.ts'
import { type InboxHarness, peekTables } from '../../helpers/inbox.ts'
import { type TestDatabase, testDatabase } from '../../helpers/postgres.ts'
import { inboxSuite } from '../../suites/inbox.suite.ts'

describe('inbox on Postgres', () => {
  let database: TestDatabase

  before(async function () {
    database = await testDatabase(this)
  })
  after(() => database?.drop())

  inboxSuite('postgres', async (): Promise<InboxHarness> => {
    await database.empty()
    let time = Date.parse('2026-03-01T12:00:00.000Z')
    const now = () => new Date(time)
    const instances: ReturnType<typeof postgresInbox>[] = []
    const open = async () => {
      const inbox = postgresInbox({ credentials: database.credentials, now })
      await inbox.open()
      instances.push(inbox)
      return inbox
    }
    const inbox = await open()
    return {
      inbox,
      now,
      advance: (ms) => {
        time += ms
      },
      another: open,
      reopen: async () => {
        await inbox.close()
        return open()
      },
      peek: peekTables((entity) => database.sql(`SELECT * FROM sluice_${entity}`)),
      dispose: async () => {
        await Promise.all(instances.map((one) => one.close()))
      },
    }
  })
})
