import { openService } from '../../adapters/inbox/postgres/service.ts'
import { administrate, postgresServer, uniqueName } from './postgres-server.ts'
import { type Credentials, execute } from './sql.ts'

/** A database of one test file, a copy of the template that was deployed once for the whole run. */
export interface TestDatabase {
  readonly credentials: Credentials
  /** Plain SQL for what a test plants or looks at itself. */
  sql<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** Does something within a transaction of the test's own, that is rolled back in the end. */
  inTransaction<T>(work: (sql: (text: string) => Promise<unknown>) => Promise<T>): Promise<T>
  /** Removes every row, as if deployed a moment ago. */
  empty(): Promise<void>
  drop(): Promise<void>
}

/**
 * For `before`: a database for this file, or the suite is skipped.
 * @param from `nothing`: not even deployed
 */
export async function testDatabase(
  suite: Mocha.Context,
  from: 'template' | 'nothing' = 'template',
): Promise<TestDatabase> {
  suite.timeout(60_000)
  const server = await postgresServer()
  if (!server) return suite.skip()
  const database = uniqueName('test')
  const template = from === 'template' ? server.template : 'template0'
  await administrate(server.credentials, `CREATE DATABASE ${database} TEMPLATE ${template}`)
  const credentials = { ...server.credentials, database }
  const service = await openService({ credentials }, {})
  return {
    credentials,
    sql: (text, values) => execute(service, text, values),
    async inTransaction(work) {
      const tx = service.tx({})
      await tx.begin(true)
      try {
        await tx.dbc.query('BEGIN')
        return await work((text) => tx.dbc.query(text))
      } finally {
        await tx.dbc.query('ROLLBACK')
        await tx.release()
      }
    },
    async empty() {
      const tables = await execute<{ name: string }>(
        service,
        "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_name LIKE 'sluice_%'",
      )
      for (const { name } of tables) {
        await execute(
          service,
          name === 'sluice_meta' ? `DELETE FROM ${name} WHERE name <> 'schema'` : `DELETE FROM ${name}`,
        )
      }
    },
    async drop() {
      await service.disconnect()
      await administrate(server.credentials, `DROP DATABASE ${database} WITH (FORCE)`)
    },
  }
}
