import { type CdsInbox, lazyInbox } from '../lazy.ts'
import type { CqlService } from './session.ts'

export interface CqlInboxOptions {
  /** Connects a CAP database service whose model contains Sluice's, e.g. `() => cds.connect.to('sluice-db')`. */
  readonly connect: () => Promise<CqlService>
  /** A test's clock; without it the database's time counts. */
  readonly now?: () => Date
}

/**
 * The inbox in CQL alone, for SAP HANA: no statement of a dialect but the one that asks for the time.
 *
 * NOT RUN ON HANA by this project's tests. They run it through the whole contract on SQLite and on Postgres, and check
 * offline that CAP's HANA compiler takes every statement (`FOR UPDATE IGNORE LOCKED` and the rest) and the tables.
 * Tables and views are deployed by HDI, so `open()` only checks their version and `deploy()` does nothing.
 *
 * CQL has no ON CONFLICT: what exists is read and locked, what is new inserted, and where somebody else has inserted
 * the same key meanwhile, the transaction is rolled back and run again. Correct before fast.
 * @throws SluiceError on `open()`: `store-newer`, `store-unavailable`
 */
export const cqlInbox = ({ connect, now }: CqlInboxOptions): CdsInbox =>
  lazyInbox(async () => {
    const { openInbox } = await import('./open.ts')
    return openInbox(await connect(), now)
  })
