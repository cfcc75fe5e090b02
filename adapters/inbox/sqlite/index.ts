import { resolve } from 'node:path'
import { SluiceError } from '#domain/errors'
import type { Admin, Journal, StoreHealth, Work } from '#domain/ports'
import type { Outcome } from '#domain/source'
import { compileDdl } from '../ddl.ts'
import { type CdsInbox, lazyInbox, type OpenInbox } from '../lazy.ts'
import { unwell } from './errors.ts'
import { HELD, newestEvents, toStored } from './newest-events.ts'
import { packDelivery } from './parcel.ts'
import { remoteClaim } from './remote-claim.ts'
import { remoteStore } from './remote-store.ts'

export interface SqliteInboxOptions {
  /** The database file; relative to the CAP project or the working directory. Created with what it needs. */
  readonly url: string
  readonly now?: () => Date
}

/**
 * The inbox in a SQLite file, with a thread of its own that writes it. `open()` creates or expands the file.
 * @throws SluiceError on `open()`: `store-location`, `store-newer`, `store-unavailable`
 */
export const sqliteInbox = (options: SqliteInboxOptions): CdsInbox => lazyInbox(() => open(options))

async function open({ url, now }: SqliteInboxOptions): Promise<OpenInbox> {
  if (url === '' || url === ':memory:') {
    throw new SluiceError('store-location', 'An inbox in memory would lose what was accepted.', {
      retry: 'never',
      remedy: 'Give sluice-db a file, e.g. `"credentials": { "url": "sluice.db" }`; tests use memoryInbox().',
    })
  }
  const { default: cds } = await import('@sap/cds')
  const store = await remoteStore({ file: resolve(cds.root, url), ddl: await compileDdl('sqlite') }, now)
  const held = newestEvents(HELD, toStored)

  return {
    intake: {
      store: (batch) => {
        for (const delivery of batch) held.add(delivery)
        return store.call('store', 'intake', [batch.map(packDelivery)]) as Promise<readonly Outcome[]>
      },
    },
    work: {
      claim: remoteClaim(store.call, held),
      ...store.port<Omit<Work, 'claim'>>('work', {
        settle: true,
        renew: true,
        release: true,
        effects: true,
        payload: true,
        delivery: true,
        ends: true,
        nextDueAt: true,
        backlog: true,
      }),
    },
    journal: store.port<Journal>('journal', {
      lease: true,
      releaseLease: true,
      checkpoint: true,
      advance: true,
      sourceState: true,
      setSourceState: true,
      lastDeliveryAt: true,
      countRejections: true,
    }),
    admin: store.port<Admin>('admin', {
      register: true,
      unregister: true,
      replay: true,
      retry: true,
      discard: true,
      pause: true,
      resume: true,
      retain: true,
    }),
    async deploy(model) {
      await store.call('store', 'deploy', [await compileDdl('sqlite', model)])
    },
    health: () => store.call('store', 'health', []).catch(unwell) as Promise<StoreHealth>,
    close: () => store.close(),
  }
}
