import type { DatabaseSync } from 'node:sqlite'
import { isBusy, isStoreFault, unavailable } from './errors.ts'
import { Session, type Tx } from './session.ts'

export interface Connection {
  transaction<T>(body: (tx: Tx) => T): Promise<T>
  close(): void
}

/** How long another process may hold the write lock before senders are told to come again. */
const BUSY_LIMIT_MS = 5_000
const BUSY_PAUSE_MS = 4

/** The only connection of this process that writes. */
export function connect(database: DatabaseSync, now: () => Date, fileEvery: number): Connection {
  const session = new Session(database, fileEvery)

  function attempt<T>(body: (tx: Tx) => T): T {
    const committed: (() => void)[] = []
    begin()
    try {
      const tx = session.enter(now(), committed)
      const value = body(tx)
      tx.waiting.file(tx)
      commit()
      for (const run of committed) run()
      return value
    } catch (thrown) {
      session.forget()
      // On a full disk SQLite has rolled back itself.
      if (database.isTransaction) database.exec('ROLLBACK')
      throw isStoreFault(thrown) && !isBusy(thrown) ? unavailable(thrown) : thrown
    }
  }

  /** Where it fails, nothing has happened: what the session knows stays true. */
  function begin(): void {
    try {
      // At once the writer: a transaction that has read first could not become one later (SQLITE_BUSY).
      database.exec('BEGIN IMMEDIATE')
    } catch (thrown) {
      throw isStoreFault(thrown) && !isBusy(thrown) ? unavailable(thrown) : thrown
    }
  }

  function commit(): void {
    try {
      database.exec('COMMIT')
    } catch (thrown) {
      throw unavailable(thrown)
    }
  }

  return {
    /** @throws SluiceError `store-unavailable` where the store is to blame; otherwise what the body threw. */
    async transaction(body) {
      const giveUpAt = Date.now() + BUSY_LIMIT_MS
      for (;;) {
        try {
          return attempt(body)
        } catch (thrown) {
          // Only BEGIN can find the lock taken, so nothing of the body has happened.
          if (!isBusy(thrown)) throw thrown
          if (Date.now() > giveUpAt) throw unavailable(thrown)
          await new Promise((resolve) => setTimeout(resolve, BUSY_PAUSE_MS))
        }
      }
    },
    close: () => database.close(),
  }
}
