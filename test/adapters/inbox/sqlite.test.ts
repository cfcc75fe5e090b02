import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sqliteInbox } from '../../../adapters/inbox/sqlite/index.ts'
import { durableHarness } from '../../helpers/inbox.ts'
import { inboxSuite } from '../../suites/inbox.suite.ts'

function select(url: string, entity: string): Record<string, unknown>[] {
  const database = new DatabaseSync(url, { readOnly: true })
  try {
    return database.prepare(`SELECT * FROM sluice_${entity}`).all()
  } finally {
    database.close()
  }
}

inboxSuite('sqlite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-inbox-'))
  const url = join(folder, 'sluice.db')
  return durableHarness({
    open: async (now) => {
      const inbox = sqliteInbox({ url, now })
      await inbox.open()
      return inbox
    },
    select: async (entity) => select(url, entity),
    dispose: async (instances) => {
      for (const each of instances) await each.close()
      await rm(folder, { recursive: true })
    },
  })
})
