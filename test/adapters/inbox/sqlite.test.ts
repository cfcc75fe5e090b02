import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Inbox } from '#domain/ports'
import { sqliteInbox } from '../../../adapters/inbox/sqlite/index.ts'
import { NOW } from '../../helpers/deliveries.ts'
import { type InboxHarness, peekTables } from '../../helpers/inbox.ts'
import { inboxSuite } from '../../suites/inbox.suite.ts'

async function makeInbox(): Promise<InboxHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-inbox-'))
  const url = join(folder, 'sluice.db')
  const instances: Inbox[] = []
  let now = NOW.getTime()
  const open = async () => {
    const inbox = sqliteInbox({ url, now: () => new Date(now) })
    await inbox.open()
    instances.push(inbox)
    return inbox
  }
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
    peek: peekTables(async (entity) => select(url, entity)),
    async dispose() {
      for (const each of instances) await each.close()
      await rm(folder, { recursive: true })
    },
  }
}

function select(url: string, entity: string): Record<string, unknown>[] {
  const database = new DatabaseSync(url, { readOnly: true })
  try {
    return database.prepare(`SELECT * FROM sluice_${entity}`).all()
  } finally {
    database.close()
  }
}

inboxSuite('sqlite', makeInbox)
