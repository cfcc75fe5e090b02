import { setTimeout as pause } from 'node:timers/promises'
import { kindOf, toStoreError } from './errors.ts'
import { INSERT } from './ql.ts'

/** The part of a CAP database service that this inbox builds on. */
export interface CqlService {
  readonly options: { readonly kind?: string; readonly dialect?: string }
  tx<T>(work: (tx: CqlTransaction) => Promise<T>): Promise<T>
  disconnect(): Promise<void>
}

interface CqlTransaction {
  run(query: object | string): Promise<unknown>
}

/** A transaction with READ COMMITTED isolation: rows that it must not lose are locked by `forUpdate`. */
export interface Tx {
  /** The moment of this transaction, as stored. */
  readonly now: string
  later(ms: number): string
  isPast(moment: string | null): boolean
  rows<Row>(select: object): Promise<Row[]>
  row<Row>(select: object): Promise<Row | undefined>
  /** @returns how many rows it changed. */
  change(query: object): Promise<number>
  insert(entity: string, rows: readonly object[]): Promise<void>
}

export interface CqlDatabase {
  /**
   * Repeated where somebody else inserted the same key meanwhile (CQL has no ON CONFLICT) or held a lock for too long,
   * so `work` must not remember.
   */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
}

const MAX_TRIES = 8

/** Database time in UTC, as CAP writes timestamps. CQL knows only the transaction's time, which is this process's. */
const DATABASE_TIME: Readonly<Record<string, string>> = {
  hana: `SELECT TO_VARCHAR(CURRENT_UTCTIMESTAMP, 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"') AS "now" FROM DUMMY`,
  postgres: `SELECT to_char(clock_timestamp() AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "now"`,
  sqlite: `SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now') AS "now"`,
}

export function cqlDatabase(service: CqlService, now?: () => Date): CqlDatabase {
  const { dialect = '', kind = '' } = service.options
  const timeQuery = DATABASE_TIME[dialect] ?? DATABASE_TIME[kind] ?? DATABASE_TIME.hana ?? ''

  async function moment(tx: CqlTransaction): Promise<string> {
    if (now) return now().toISOString()
    const [row] = (await tx.run(timeQuery)) as { now: string }[]
    return String(row?.now)
  }

  return {
    async transaction(work) {
      for (let tries = 1; ; tries += 1) {
        try {
          return await service.tx(async (tx) => work(transactionAt(tx, await moment(tx))))
        } catch (error) {
          const kind = kindOf(error)
          if ((kind !== 'taken' && kind !== 'again') || tries === MAX_TRIES) throw toStoreError(error)
          await pause(Math.random() * 10 * tries)
        }
      }
    },
  }
}

function transactionAt(tx: CqlTransaction, now: string): Tx {
  const rows = async <Row>(select: object) => (await tx.run(select)) as Row[]
  return {
    now,
    later: (ms) => new Date(Date.parse(now) + ms).toISOString(),
    // As moments: a database may return more decimals than it was given.
    isPast: (moment) => moment !== null && Date.parse(moment) <= Date.parse(now),
    rows,
    row: async <Row>(select: object) => (await rows<Row>(select))[0],
    change: async (query) => affected(await tx.run(query)),
    insert: async (entity, entries) => {
      if (entries.length > 0) await tx.run(INSERT.into(entity).entries(entries))
    },
  }
}

/** A number, or the result object that CAP makes of it with `cds.features.legacy_db_results: false`. */
const affected = (result: unknown): number =>
  typeof result === 'object' && result !== null && 'affected' in result ? Number(result.affected) : Number(result)

/** Databases bound the number of parameters of a statement. */
export const inChunks = <T>(items: readonly T[], size = 500): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size))
