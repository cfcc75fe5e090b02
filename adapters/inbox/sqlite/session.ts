import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type Registry, type SubscriptionRow, toRegistry } from '../registry.ts'
import { iso } from '../rows.ts'
import type { Statements, Value } from './statements.ts'
import { WaitingIndex } from './waiting.ts'

/** A transaction that holds the write lock. Everything in it is synchronous: the lock is never held over other work. */
export interface Tx extends Statements {
  /** The moment of this transaction, as stored. */
  readonly now: string
  registry(): Registry
  readonly waiting: WaitingIndex
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
  readonly #waiting: WaitingIndex
  #dataVersion: number | undefined

  constructor(database: DatabaseSync, fileEvery: number) {
    this.#database = database
    this.#waiting = new WaitingIndex(fileEvery)
    // With less than FULL a power cut loses what was acknowledged. https://www.sqlite.org/pragma.html#pragma_synchronous
    database.exec('PRAGMA synchronous = FULL')
  }

  enter(now: Date, committed: (() => void)[]): Tx {
    const othersWrote = this.#noticeOthers()
    const tx: Tx = {
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
      forgetRegistry: () => this.#forgetRegistry(),
      waiting: this.#waiting,
      afterCommit: (run) => committed.push(run),
      later: (ms) => iso(new Date(now.getTime() + ms)),
    }
    this.#waiting.begin(tx, othersWrote)
    return tx
  }

  /** Call where a transaction is rolled back: what is known of the store may be what it did. */
  forget(): void {
    this.#forgetRegistry()
    this.#waiting.forget()
  }

  #forgetRegistry(): void {
    this.#registry = undefined
  }

  /** `data_version` changes when another connection commits: only then may it have registered a subscription. */
  #noticeOthers(): boolean {
    const row = this.#statement('PRAGMA data_version').get() as { data_version: number }
    const othersWrote = row.data_version !== this.#dataVersion
    if (othersWrote) this.#forgetRegistry()
    this.#dataVersion = row.data_version
    return othersWrote
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
