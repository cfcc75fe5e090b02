import { NOW } from '../../helpers/deliveries.ts'
import { type InboxHarness, peekTables } from '../../helpers/inbox.ts'
import { sqliteFile } from '../../helpers/sqlite-file.ts'
import { inboxSuite } from '../../suites/inbox.suite.ts'

async function makeInbox(): Promise<InboxHarness> {
  const file = await sqliteFile()
  let now = NOW.getTime()
  const open = async () => (await file.open(() => new Date(now), 0)).inbox
  const inbox = await open()
  return {
    inbox,
    now: () => new Date(now),
    advance: (ms) => {
      now += ms
    },
    another: open,
    async reopen() {
      await inbox.close()
      return open()
    },
    peek: peekTables(async (entity) => file.rows(`SELECT * FROM sluice_${entity}`)),
    dispose: () => file.dispose(),
  }
}

inboxSuite('sqlite, filed at once', makeInbox)
