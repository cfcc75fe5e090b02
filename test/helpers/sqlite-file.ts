import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Inbox } from '#domain/ports'
import { compileDdl } from '../../adapters/inbox/ddl.ts'
import { deployFile } from '../../adapters/inbox/sqlite/deploy.ts'
import { openStore } from '../../adapters/inbox/sqlite/store.ts'

/** An inbox of this thread, so that something can happen to its connection. */
export interface OpenFile {
  readonly inbox: Inbox
  readonly database: DatabaseSync
  /** Every statement that was run, and each row that was read one by one. */
  readonly ran: string[]
}

/** A deployed file in a folder of its own. */
export interface SqliteFile {
  readonly url: string
  open(now: () => Date, fileEvery?: number): Promise<OpenFile>
  /** What another process would see. */
  rows<Row>(sql: string): Row[]
  /** Closes what was opened, as far as it is not closed yet. */
  dispose(): Promise<void>
}

let deployed: Promise<string> | undefined

export async function sqliteFile(): Promise<SqliteFile> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-file-'))
  const url = join(folder, 'sluice.db')
  deployed ??= deploy()
  await copyFile(await deployed, url)
  const opened: OpenFile[] = []
  return {
    url,
    async open(now, fileEvery) {
      const database = new DatabaseSync(url, { timeout: 0 })
      const ran = watch(database)
      const store = await openStore(database, now, fileEvery)
      const file = { inbox: { ...store, open: async () => undefined }, database, ran }
      opened.push(file)
      return file
    },
    rows<Row>(sql: string) {
      const database = new DatabaseSync(url, { readOnly: true })
      try {
        return database.prepare(sql).all() as Row[]
      } finally {
        database.close()
      }
    },
    async dispose() {
      for (const { inbox, database } of opened) if (database.isOpen) await inbox.close()
      await rm(folder, { recursive: true })
    },
  }
}

function watch(database: DatabaseSync): string[] {
  const ran: string[] = []
  const prepare = database.prepare.bind(database)
  database.prepare = (sql) => {
    const statement = prepare(sql)
    for (const name of ['run', 'get', 'all'] as const) {
      const run = statement[name].bind(statement) as (...values: unknown[]) => never
      statement[name] = (...values: unknown[]) => {
        ran.push(sql)
        return run(...values)
      }
    }
    const iterate = statement.iterate.bind(statement) as (...values: unknown[]) => Iterable<never>
    statement.iterate = function* (...values: unknown[]) {
      for (const row of iterate(...values)) {
        ran.push(sql)
        yield row
      }
      return undefined
    }
    return statement
  }
  return ran
}

/** Once: the tables are the same for all. It goes with everything else that the run made. */
async function deploy(): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'sluice-deployed-')), 'sluice.db')
  await deployFile(file, { ddl: await compileDdl('sqlite') })
  return file
}
