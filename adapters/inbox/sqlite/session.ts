import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type Registry, type SubscriptionRow, toRegistry } from '../registry.ts'
import { iso } from '../rows.ts'

type Value = string | number | null | Uint8Array

/** A transaction that holds the write lock. Everything in it is synchronous: the lock is never held over other work. */
export interface Tx {
  /** The moment of this transaction, as stored. */
  readonly now: string
  run(sql: string, ...values: readonly Value[]): number
  get<Row>(sql: string, ...values: readonly Value[]): Row | undefined
  all<Row>(sql: string, ...values: readonly Value[]): Row[]
  iterate<Row>(sql: string, ...values: readonly Value[]): Iterable<Row>
  registry(): Registry
  /** Call after every change of `Subscriptions`. */
  forgetRegistry(): void
  /** Runs once this transaction is on disk, and not where it is rolled back. */
  afterCommit(run: () => void): void
  later(ms: number): string
}

/** One connection with its prepared statements. */
export class Session {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  #registry: Registry | undefined
  #dataVersion: number | undefined

  constructor(database: DatabaseSync) {
    this.#database = database
    // With less than FULL a power cut loses what was acknowledged. https://www.sqlite.org/pragma.html#pragma_synchronous
    database.exec('PRAGMA synchronous = FULL')
  }

  enter(now: Date, committed: (() => void)[]): Tx {
    this.#noticeOthers()
    return {
      now: iso(now),
      run: (sql, ...values) => Number(this.#statement(sql).run(...values).changes),
      get: <Row>(sql: string, ...values: readonly Value[]) => this.#statement(sql).get(...values) as Row | undefined,
      all: <Row>(sql: string, ...values: readonly Value[]) => this.#statement(sql).all(...values) as Row[],
      iterate: <Row>(sql: string, ...values: readonly Value[]) =>
        this.#statement(sql).iterate(...values) as Iterable<unknown> as Iterable<Row>,
      registry: () => {
        this.#registry ??= toRegistry(this.#statement(SUBSCRIPTIONS).all() as unknown as SubscriptionRow[])
        return this.#registry
      },
      forgetRegistry: () => this.forget(),
      afterCommit: (run) => committed.push(run),
      later: (ms) => iso(new Date(now.getTime() + ms)),
    }
  }

  forget(): void {
    this.#registry = undefined
  }

  /** `data_version` changes when another connection commits: only then may it have registered a subscription. */
  #noticeOthers(): void {
    const row = this.#statement('PRAGMA data_version').get() as { data_version: number }
    if (row.data_version !== this.#dataVersion) this.forget()
    this.#dataVersion = row.data_version
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (!statement) {
      statement = this.#database.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

const SUBSCRIPTIONS = 'SELECT name, filter, "order", paused, removedAt FROM sluice_Subscriptions ORDER BY name'
