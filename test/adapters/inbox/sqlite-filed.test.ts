import { durableHarness } from '../../helpers/inbox.ts'
import { sqliteFile } from '../../helpers/sqlite-file.ts'
import { inboxSuite } from '../../suites/inbox.suite.ts'

inboxSuite('sqlite, filed at once', async () => {
  const file = await sqliteFile()
  return durableHarness({
    open: async (now) => (await file.open(now, 0)).inbox,
    select: async (entity) => file.rows(`SELECT * FROM sluice_${entity}`),
    dispose: () => file.dispose(),
  })
})
