import type { EventEmitter } from 'node:events'
import { resolve } from 'node:path'
import { SluiceError } from '#domain/errors'
import { compileDdl, loadModel } from '../ddl.ts'
import { type CdsInbox, lazyInbox, type OpenInbox } from '../lazy.ts'
import { sqliteAdmin } from './admin.ts'
import { type CapDatabase, connect } from './connection.ts'
import { CATALOG, type CatalogRow, deployFile, pending, toCatalog } from './deploy.ts'
import { deliveryStore } from './intake.ts'
import { sqliteJournal } from './journal.ts'
import type { Tx } from './session.ts'
import { sqliteWork } from './work.ts'
import { createWriter, type Writer } from './writer.ts'

export interface SqliteInboxOptions {
  /** The database file; relative to the CAP project or the working directory. Created with what it needs. */
  readonly url: string
  readonly now?: () => Date
  /** Connects an app's own service `sluice-db` on that file; without it the inbox has one that nobody else sees. */
  readonly connect?: () => Promise<CapDatabase>
}

/**
 * The inbox in a SQLite file, on CAP's own SQLite service. `open()` creates or expands the file.
 * @throws SluiceError on `open()`: `store-location`, `store-newer`, `store-driver`, `store-unavailable`
 */
export const sqliteInbox = (options: SqliteInboxOptions): CdsInbox => lazyInbox(() => open(options))

async function open({ url, now = () => new Date(), connect: connectService }: SqliteInboxOptions): Promise<OpenInbox> {
  if (url === '' || url === ':memory:') {
    throw new SluiceError('store-location', 'An inbox in memory would lose what was accepted.', {
      retry: 'never',
      remedy: 'Give sluice-db a file, e.g. `"credentials": { "url": "sluice.db" }`; tests use memoryInbox().',
    })
  }
  const { default: cds } = await import('@sap/cds')
  const file = resolve(cds.root, url)
  await deployFile(file, { ddl: await compileDdl('sqlite') })
  const service = await (connectService ?? (() => ownService(file)))()
  const connection = connect(service, now)
  const storeDeliveries = deliveryStore()
  const writer = createWriter(connection, storeDeliveries)
  await writer.submit('call', 0, (tx) => tx.registry())
  return {
    service,
    intake: { store: (batch) => Promise.all(batch.map((delivery) => writer.store(delivery))) },
    work: sqliteWork(writer),
    journal: sqliteJournal(writer, storeDeliveries),
    admin: sqliteAdmin(writer),
    async deploy(model) {
      const ddl = await compileDdl('sqlite', model)
      await writer.submit('call', 0, (tx) => deployModel(tx, ddl))
    },
    health: () => health(writer),
    async close() {
      await writer.drain()
      await service.disconnect()
    },
  }
}

/** CAP's pool of one connection, that waits for it but not for ever. */
async function ownService(file: string): Promise<CapDatabase> {
  const { default: cds } = await import('@sap/cds')
  const { default: SQLiteService } = await import('@cap-js/sqlite')
  const service = new SQLiteService('sluice-db', await loadModel(), {
    kind: 'sqlite',
    credentials: { url: file },
    pool: { min: 1, max: 1, evictionRunIntervalMillis: 0, acquireTimeoutMillis: 10_000 },
  })
  const events = cds as unknown as EventEmitter
  const before = new Set(events.listeners('shutdown'))
  await service.init()
  // Who opened the inbox closes it, after its last delivery: CAP would disconnect it while deliveries are still stored.
  for (const added of events.listeners('shutdown')) {
    if (!before.has(added)) events.off('shutdown', added as () => void)
  }
  return service
}

function deployModel(tx: Tx, ddl: readonly string[]): void {
  for (const sql of pending(ddl, toCatalog(tx.all<CatalogRow>(CATALOG)))) tx.run(sql)
}

/** Where the last write was refused, one that costs a page finds out whether that is over. */
async function health(writer: Writer) {
  const failed = writer.lastFailure() !== undefined
  try {
    await writer.submit('call', 0, (tx) => (failed ? tx.run(PROBE, tx.now) : tx.registry().size))
    return { ok: true, clockOffsetMs: 0 }
  } catch (thrown) {
    if (!(thrown instanceof SluiceError)) throw thrown
    return { ok: false, reason: thrown.code }
  }
}

const PROBE = `INSERT INTO sluice_Meta(name, value) VALUES('probe', ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value`
