import type { PostgresConnection } from '@cap-js/postgres'
import { SluiceError } from '#domain/errors'
import { kindOf, leavesConnectionUsable, StaleConnection, toStoreError } from './errors.ts'
import { type PostgresService, prepare } from './service.ts'

/** A prepared statement: parsed once per connection under its name. */
export interface Statement {
  readonly name: string
  readonly text: string
}

export interface Session {
  run<Row = Record<string, unknown>>(statement: Statement, values: readonly unknown[]): Promise<Row[]>
  /** Text without parameters, unprepared and for as long as it takes: an index over many rows. */
  exec(text: string): Promise<void>
}

export interface Database {
  /** One statement on its own, committed when it resolves. */
  run<Row = Record<string, unknown>>(statement: Statement, values: readonly unknown[]): Promise<Row[]>
  /**
   * READ COMMITTED; repeated where a neighbor was in the way (deadlock, serialization), so `work` must not remember.
   * `opening` is sent along with BEGIN: a lock that every statement of `work` comes after.
   */
  transaction<T>(work: (session: Session) => Promise<T>, opening?: string): Promise<T>
  /** Resolves when nothing of this is under way: closing the pool ends borrowed connections too. */
  idle(): Promise<void>
}

/** A deadlock among n transactions costs at most n - 1 of them; sorted locks make even one rare. */
const MAX_TRIES = 6

/** A server that vanished without a word must become an error: senders wait for an answer meanwhile. */
const query_timeout = 30_000

export function postgresDatabase(service: PostgresService): Database {
  const active = new Set<Promise<unknown>>()

  function tracked<T>(run: () => Promise<T>): Promise<T> {
    const running = guarded(run).finally(() => active.delete(running))
    active.add(running)
    return running
  }

  return {
    run: (statement, values) => tracked(() => withConnection(service, (one) => sessionOn(one).run(statement, values))),
    transaction: (work, opening) => tracked(() => withConnection(service, (one) => inTransaction(one, work, opening))),
    async idle() {
      do {
        await Promise.allSettled(active)
        // A group of calls that waits for the rest of its turn is under way too.
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
      } while (active.size > 0)
    },
  }
}

async function guarded<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await run()
    } catch (error) {
      if (kindOf(error) !== 'again' || tries === MAX_TRIES) throw toStoreError(error)
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * tries))
    }
  }
}

/**
 * CAP's pool and connection without its session variables and its dispatch per statement: our statements use neither,
 * and both cost a round trip.
 */
async function withConnection<T>(service: PostgresService, work: (connection: PostgresConnection) => Promise<T>) {
  const tx = service.tx({})
  await tx.begin(true)
  let usable = true
  try {
    await prepare(tx.dbc, service)
    return await work(tx.dbc)
  } catch (error) {
    usable = error instanceof SluiceError || leavesConnectionUsable(error)
    throw error
  } finally {
    await (usable ? tx.release() : tx.destroy())
  }
}

async function inTransaction<T>(
  connection: PostgresConnection,
  work: (session: Session) => Promise<T>,
  opening = '',
): Promise<T> {
  try {
    await begin(connection, opening)
    const result = await work(sessionOn(connection))
    const { command } = await connection.query({ text: 'COMMIT', query_timeout })
    if (command !== 'COMMIT') throw new SluiceError('store-unavailable', `Postgres answered COMMIT with ${command}.`)
    return result
  } catch (error) {
    if (error instanceof SluiceError || leavesConnectionUsable(error))
      await connection.query({ text: 'ROLLBACK', query_timeout })
    throw error
  }
}

async function begin(connection: PostgresConnection, opening: string): Promise<void> {
  try {
    await connection.query({ text: `BEGIN; ${opening}`, query_timeout })
  } catch (error) {
    throw leavesConnectionUsable(error) ? error : new StaleConnection('BEGIN failed', { cause: error })
  }
}

const sessionOn = (connection: PostgresConnection): Session => ({
  run: async <Row>({ name, text }: Statement, values: readonly unknown[]) =>
    (await connection.query<Row>({ name, text, values, query_timeout })).rows,
  exec: async (text) => {
    await connection.query(text)
  },
})
