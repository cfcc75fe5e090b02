import type { DatabaseSync } from 'node:sqlite'
import type { StoredEvent } from '#domain/event'
import type { ClaimRequest, Inbox } from '#domain/ports'
import { sqliteAdmin } from './admin.ts'
import { claimLanes, type LaneWith, loadEvent } from './claim.ts'
import { connect } from './connection.ts'
import { CATALOG, type CatalogRow, pending, toCatalog } from './deploy.ts'
import { unwell } from './errors.ts'
import { deliveryStore } from './intake.ts'
import { sqliteJournal } from './journal.ts'
import type { Tx } from './session.ts'
import { FILE_EVERY } from './waiting.ts'
import { sqliteWork } from './work.ts'
import { createWriter, type Writer } from './writer.ts'

/** The inbox's ports on one file. */
export interface Store extends Omit<Inbox, 'open'> {
  /** `work.claim`, which for events that the caller has tells only their keys. */
  claimBeside(has: (key: string) => boolean, request: ClaimRequest): Promise<LaneWith<StoredEvent | string>[]>
  events(keys: readonly string[]): Promise<StoredEvent[]>
  /** Creates the tables that are missing, and the views, replaced where they changed. */
  deploy(ddl: readonly string[]): Promise<void>
}

/**
 * @param database a connection that nobody else uses, to a file that is deployed; without a busy time-out of its own
 * @param fileEvery see `WaitingIndex`
 */
export async function openStore(database: DatabaseSync, now: () => Date, fileEvery = FILE_EVERY): Promise<Store> {
  const connection = connect(database, now, fileEvery)
  const storeDeliveries = deliveryStore()
  const writer = createWriter(connection, storeDeliveries)
  await writer.submit('call', 0, (tx) => tx.registry())
  return {
    intake: { store: (batch) => Promise.all(batch.map((delivery) => writer.store(delivery))) },
    work: sqliteWork(writer),
    claimBeside: (has, request) =>
      writer.submit('claim', 0, (tx, allowance) =>
        claimLanes<StoredEvent | string>(tx, request, allowance, (tx, key) =>
          has(key) ? { event: key, bytes: 0 } : loadEvent(tx, key),
        ),
      ),
    events: (keys) => writer.submit('call', 0, (tx) => keys.flatMap((key) => loadEvent(tx, key)?.event ?? [])),
    journal: sqliteJournal(writer, storeDeliveries),
    admin: sqliteAdmin(writer),
    deploy: (ddl) => writer.submit('call', 0, (tx) => deployModel(tx, ddl)),
    health: () => health(writer),
    async close() {
      await writer.drain()
      connection.close()
    },
  }
}

function deployModel(tx: Tx, ddl: readonly string[]): void {
  for (const sql of pending(ddl, toCatalog(tx.all<CatalogRow>(CATALOG)))) tx.run(sql)
}

/** More than most deliveries: a few bytes find room on a full disk too. */
const PROBE_BYTES = 1_000_000

/** Where the last write was refused, a probe finds out whether that is over. */
async function health(writer: Writer) {
  try {
    if (writer.lastFailure() === undefined) await writer.submit('call', 0, (tx) => tx.registry().size)
    else {
      for (const bytes of [PROBE_BYTES, 0]) await writer.submit('call', 0, (tx) => tx.run(WRITE_PROBE, bytes))
      writer.recovered()
    }
    return { ok: true, clockOffsetMs: 0 }
  } catch (thrown) {
    return unwell(thrown)
  }
}

const WRITE_PROBE = `INSERT INTO sluice_Meta(name, value) VALUES('probe', zeroblob(?)) ON CONFLICT(name) DO UPDATE SET value = excluded.value`
