import { SluiceError } from '#domain/errors'
import type { StoreHealth } from '#domain/ports'
import { STORE_VERSION } from '../ddl.ts'
import type { OpenInbox } from '../lazy.ts'
import { cqlAdmin } from './admin.ts'
import { toStoreError } from './errors.ts'
import { cqlIntake } from './intake.ts'
import { cqlJournal } from './journal.ts'
import { SELECT, UPDATE } from './ql.ts'
import { type CqlDatabase, type CqlService, cqlDatabase } from './session.ts'
import { cqlWork } from './work.ts'

export async function openInbox(service: CqlService, now?: () => Date): Promise<OpenInbox> {
  const database = cqlDatabase(service, now)
  await checkVersion(database)
  return {
    service,
    intake: cqlIntake(database),
    work: cqlWork(database),
    journal: cqlJournal(database),
    admin: cqlAdmin(database),
    deploy: async () => {},
    health: () => health(database, now ?? (() => new Date())),
    close: () => service.disconnect(),
  }
}

/** The first instance on a fresh store plants the rows that the others read and lock. */
async function checkVersion(database: CqlDatabase): Promise<void> {
  await database.transaction(async (tx) => {
    const rows = await tx.rows<{ name: string; value: string }>(SELECT.from('sluice.Meta').columns('name', 'value'))
    const meta = new Map(rows.map(({ name, value }) => [name, value]))
    const found = Number(meta.get('schema') ?? STORE_VERSION)
    if (found > STORE_VERSION) {
      throw new SluiceError('store-newer', `The store has version ${found}; this Sluice knows ${STORE_VERSION}.`, {
        retry: 'never',
        remedy: 'Start the version of cap-sluice that deployed it, or a newer one.',
      })
    }
    if (found < STORE_VERSION) {
      await tx.change(
        UPDATE('sluice.Meta')
          .with({ value: String(STORE_VERSION) })
          .where({ name: 'schema' }),
      )
    }
    const planted = [
      { name: 'registry', value: tx.now },
      { name: 'schema', value: String(STORE_VERSION) },
    ]
    await tx.insert(
      'sluice.Meta',
      planted.filter(({ name }) => !meta.has(name)),
    )
  })
}

async function health(database: CqlDatabase, ours: () => Date): Promise<StoreHealth> {
  try {
    const before = ours().getTime()
    const moment = await database.transaction(async (tx) => Date.parse(tx.now))
    return { ok: true, clockOffsetMs: Math.round(moment - (before + ours().getTime()) / 2) }
  } catch (error) {
    return { ok: false, reason: toStoreError(error).code }
  }
}
