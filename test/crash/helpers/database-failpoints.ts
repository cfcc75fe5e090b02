import { createRequire } from 'node:module'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { type Failpoint, reach } from './failpoints.ts'

type Work = 'identity' | 'store' | 'claim' | 'settle' | 'advance' | 'register' | 'deploy'

/** What a statement is part of, by its text on SQLite and by its name on Postgres. */
const WORK: readonly (readonly [RegExp, Work])[] = [
  [/^INSERT INTO sluice_Identities|^sluice_identities_take$/, 'identity'],
  [/^INSERT INTO sluice_Deliveries|^sluice_intake_write$/, 'store'],
  [/^UPDATE sluice_Lanes SET availableAt = \?, owner = \?|^sluice_claim_take$/, 'claim'],
  [/^UPDATE sluice_Dispatches\s+SET status|^sluice_settle$/, 'settle'],
  [/^INSERT INTO sluice_Checkpoints|^sluice_checkpoint_write$/, 'advance'],
  [/^INSERT INTO sluice_Subscriptions|^sluice_register$/, 'register'],
  [/^ALTER TABLE/, 'deploy'],
]

const workOf = (statement: string): Work | undefined => WORK.find(([pattern]) => pattern.test(statement))?.[1]

/** A poll's page is stored as pushed deliveries are: its checkpoint tells the two apart. */
const COMMITS: readonly (readonly [Failpoint, ...Work[]])[] = [
  ['advance-commit', 'advance', 'store'],
  ['store-commit', 'store'],
  ['settle-commit', 'settle'],
  ['claim-commit', 'claim'],
]

/** Where a transaction has done something and has more to do. */
const WRITTEN: Partial<Record<Work, Failpoint>> = {
  identity: 'store-written',
  register: 'register-written',
  deploy: 'deploy-written',
}

/** The open transaction of one connection: what it did, and the failpoints that makes. */
class Transaction {
  readonly #work = new Set<Work>()

  begin(): void {
    this.#work.clear()
  }

  wrote(statement: string): void {
    const work = workOf(statement)
    if (!work) return
    this.#work.add(work)
    const failpoint = WRITTEN[work]
    if (failpoint) reach(failpoint)
  }

  commit(): void {
    const [failpoint] = COMMITS.find(([, ...works]) => works.every((work) => this.#work.has(work))) ?? []
    this.#work.clear()
    if (failpoint) reach(failpoint)
  }
}

function transactions<Connection extends object>(): (connection: Connection) => Transaction {
  const open = new WeakMap<Connection, Transaction>()
  return (connection) => {
    const found = open.get(connection) ?? new Transaction()
    open.set(connection, found)
    return found
  }
}

/**
 * Puts failpoints into the SQLite driver.
 * @param transactional false: without BEGIN and COMMIT, so that every statement is on disk at once
 */
export function watchSqlite(transactional: boolean): void {
  const transactionOf = transactions<DatabaseSync>()
  const sources = new WeakMap<StatementSync, { database: DatabaseSync; sql: string }>()
  const { exec, prepare } = DatabaseSync.prototype
  const { run, get } = StatementSync.prototype

  DatabaseSync.prototype.prepare = function (this: DatabaseSync, sql: string, ...rest: []) {
    const statement = prepare.call(this, sql, ...rest)
    sources.set(statement, { database: this, sql })
    return statement
  }
  DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
    const transaction = transactionOf(this)
    const isBegin = sql.startsWith('BEGIN')
    if (isBegin) transaction.begin()
    if (sql === 'COMMIT') transaction.commit()
    if (!transactional && (isBegin || sql === 'COMMIT' || sql === 'ROLLBACK')) return
    exec.call(this, sql)
    transaction.wrote(sql)
  }
  const note = (statement: StatementSync) => {
    const source = sources.get(statement)
    if (source) transactionOf(source.database).wrote(source.sql)
  }
  StatementSync.prototype.run = function (this: StatementSync, ...values: Parameters<typeof run>) {
    const result = run.apply(this, values)
    note(this)
    return result
  } as typeof run
  StatementSync.prototype.get = function (this: StatementSync, ...values: Parameters<typeof get>) {
    const result = get.apply(this, values)
    note(this)
    return result
  } as typeof get
}

type Query = string | { readonly name?: string; readonly text: string }
interface PostgresResult {
  readonly rowCount: number | null
}
interface PostgresClient {
  query(query: Query, ...rest: unknown[]): Promise<PostgresResult>
}

/** As if the server had answered. */
const ended = async (command: string): Promise<PostgresResult & { command: string; rows: [] }> => ({
  command,
  rows: [],
  rowCount: null,
})

/**
 * Puts failpoints into the driver that CAP's Postgres service uses.
 * @param transactional false: as `watchSqlite`
 */
export function watchPostgres(transactional: boolean): void {
  const require = createRequire(import.meta.resolve('@cap-js/postgres'))
  const { Client } = require('pg') as { Client: { prototype: PostgresClient } }
  const transactionOf = transactions<PostgresClient>()
  const { query } = Client.prototype

  Client.prototype.query = function (this: PostgresClient, asked, ...rest) {
    const statement = typeof asked === 'string' ? asked : (asked.name ?? asked.text)
    const transaction = transactionOf(this)
    if (statement.startsWith('BEGIN')) transaction.begin()
    if (statement === 'COMMIT') transaction.commit()
    if (!transactional && /^(BEGIN|COMMIT|ROLLBACK)/.test(statement)) return ended(statement)
    const answer = query.call(this, asked, ...rest)
    // Settling is one statement that commits itself: it is under way while the process dies.
    if (statement === 'sluice_settle') setImmediate(reach, 'settle-commit')
    else if (workOf(statement)) {
      return answer.then((result) => {
        if (result.rowCount !== 0) transaction.wrote(statement)
        return result
      })
    }
    return answer
  }
}
