import { DatabaseSync } from 'node:sqlite'
import { SluiceError } from '#domain/errors'
import { isBusy, isStoreFault, isUnavailable, unavailable } from './errors.ts'
import { Session, type Tx } from './session.ts'

/** What this adapter needs of CAP's SQLite service: its one connection, its pool, its BEGIN and COMMIT. */
export interface CapDatabase {
  tx(context: object): CapTransaction
  disconnect(): Promise<void>
}

interface CapTransaction {
  readonly dbc: unknown
  begin(): Promise<unknown>
  commit(): Promise<unknown>
  rollback(): Promise<unknown>
}

export interface Connection {
  transaction<T>(body: (tx: Tx) => T): Promise<T>
  close(): Promise<void>
}

/** How long another process may hold the write lock before senders are told to come again. */
const BUSY_LIMIT_MS = 5_000
const BUSY_PAUSE_MS = 4

export function connect(db: CapDatabase, now: () => Date): Connection {
  const sessions = new WeakMap<DatabaseSync, Session>()

  function sessionOf(dbc: unknown): Session {
    if (!(dbc instanceof DatabaseSync)) {
      throw new SluiceError('store-driver', 'The service sluice-db does not run on node:sqlite.', {
        remedy: 'Remove `driver` from its configuration.',
      })
    }
    const found = sessions.get(dbc)
    if (found) return found
    const session = new Session(dbc)
    sessions.set(dbc, session)
    return session
  }

  async function attempt<T>(body: (tx: Tx) => T): Promise<T> {
    const cap = db.tx({})
    await cap.begin().catch(refuse)
    const committed: (() => void)[] = []
    let session: Session | undefined
    try {
      session = sessionOf(cap.dbc)
      const value = body(session.enter(now(), committed))
      // CAP rolls back itself where its COMMIT fails.
      await cap.commit().catch(refuse)
      for (const run of committed) run()
      return value
    } catch (thrown) {
      session?.forget()
      if (!isUnavailable(thrown)) await rollback(cap)
      throw isStoreFault(thrown) && !isBusy(thrown) ? unavailable(thrown) : thrown
    }
  }

  return {
    /** @throws SluiceError `store-unavailable` where the store is to blame; otherwise what the body threw. */
    async transaction(body) {
      const giveUpAt = Date.now() + BUSY_LIMIT_MS
      for (;;) {
        try {
          return await attempt(body)
        } catch (thrown) {
          // Only the first statement can find the lock taken, so nothing of the body has happened.
          if (!isBusy(thrown)) throw thrown
          if (Date.now() > giveUpAt) throw unavailable(thrown)
          await new Promise((resolve) => setTimeout(resolve, BUSY_PAUSE_MS))
        }
      }
    },
    close: () => db.disconnect(),
  }
}

const refuse = (thrown: unknown): never => {
  throw unavailable(thrown)
}

/** SQLite itself rolls back on a full disk; CAP's ROLLBACK then fails, but the connection goes back to the pool. */
async function rollback(cap: CapTransaction): Promise<void> {
  const { dbc } = cap
  try {
    await cap.rollback()
  } catch (thrown) {
    if (dbc instanceof DatabaseSync && dbc.isTransaction) throw thrown
  }
}
