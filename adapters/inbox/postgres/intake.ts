import { SluiceError } from '#domain/errors'
import type { Intake, NewDelivery, NewEvent } from '#domain/ports'
import type { Outcome } from '#domain/source'
import { type Decided, decide } from '../identities.ts'
import { planFanOut } from '../registry.ts'
import { DELIVERY_COLUMNS, deliveryValues, EVENT_COLUMNS, eventValues, harmless, iso, quarantined } from '../rows.ts'
import { kindOf } from './errors.ts'
import { groupCommit } from './group.ts'
import { recognize } from './identities.ts'
import { appending, laneRows } from './lanes.ts'
import { READS_REGISTRY, type RegistryCache } from './registry.ts'
import type { Database, Session } from './session.ts'
import { bytesIn, insertRows, packed, record, statement, textIn } from './sql.ts'

/** One commit's share: beyond it, the first caller would wait longer for the others than for the disk. */
const GROUP = { items: 256, bytes: 8_000_000 }

export interface IntakeContext {
  readonly database: Database
  readonly registry: RegistryCache
  /** The test's clock as stored; null for the database's. */
  moment(): string | null
}

export type StoreIn = (session: Session, deliveries: readonly NewDelivery[]) => Promise<readonly Outcome[]>

export function postgresIntake(context: IntakeContext): Intake {
  const commit = (batch: readonly NewDelivery[]) => storing(context, (session, store) => store(session, batch))
  return { store: groupCommit(commit, ({ body }) => body.length, GROUP) }
}

/**
 * A transaction that stores deliveries. Where Postgres refuses one of them as data, the transaction is run again with
 * each delivery on its own, and the guilty one is kept as quarantined.
 */
export async function storing<T>(
  context: IntakeContext,
  work: (session: Session, store: StoreIn) => Promise<T>,
): Promise<T> {
  const together: StoreIn = (session, batch) => storeTogether(context, session, batch.map(harmless))
  const oneByOne: StoreIn = (session, batch) => storeOneByOne(session, batch, together)
  try {
    return await context.database.transaction((session) => work(session, together), READS_REGISTRY)
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'store-rejected') throw error
    return await context.database.transaction((session) => work(session, oneByOne), READS_REGISTRY)
  }
}

async function storeOneByOne(session: Session, batch: readonly NewDelivery[], store: StoreIn): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const delivery of batch) {
    await session.exec('SAVEPOINT one')
    try {
      outcomes.push(...(await store(session, [delivery])))
    } catch (error) {
      if (kindOf(error) !== 'data') throw error
      await session.exec('ROLLBACK TO SAVEPOINT one')
      outcomes.push(...(await store(session, [quarantined(delivery, 'refused by the database')])))
    }
    await session.exec('RELEASE SAVEPOINT one')
  }
  return outcomes
}

async function storeTogether(
  { registry, moment }: IntakeContext,
  session: Session,
  batch: readonly NewDelivery[],
): Promise<readonly Outcome[]> {
  const { holders, registryVersion } = await recognize(session, batch, moment())
  const { decided, accepted } = decide(batch, holders)
  const { lanes, unrouted } = planFanOut(await registry(session, registryVersion), accepted)
  const long = packed()
  const deliveries = decided.map((one) => deliveryRow(one, long))
  const payloads = decided.filter(({ keepsBytes }) => keepsBytes).map((one) => payloadRow(one, long))
  const events = accepted.map((one) => eventRow(one, unrouted, long))
  const records = [deliveries, payloads, events].map((list) => JSON.stringify(list))
  await session.run(WRITE, [...records, ...laneRows(lanes), moment(), long.bytes()])
  return decided.map(({ delivery, outcome, items }) => ({ delivery: delivery.key, outcome, items }))
}

type Packed = ReturnType<typeof packed>

const deliveryRow = ({ delivery, ...summary }: Decided, long: Packed) => ({
  ...record(DELIVERY_COLUMNS, deliveryValues(delivery, iso(delivery.receivedAt), summary)),
  headers: long.put(delivery.headers),
})

const payloadRow = ({ delivery: { key, body } }: Decided, long: Packed) => ({ delivery: key, bytes: long.put(body) })

function eventRow(
  { delivery, event }: { delivery: NewDelivery; event: NewEvent },
  unrouted: ReadonlySet<string>,
  long: Packed,
) {
  const { data, dataBase64, ...rest } = event
  return {
    ...record(EVENT_COLUMNS, eventValues(delivery, iso(delivery.receivedAt), rest)),
    unrouted: unrouted.has(event.key),
    ...(data === undefined ? {} : { data: long.put(data) }),
    ...(dataBase64 === undefined ? {} : { dataBase64: long.put(dataBase64) }),
  }
}

const MOMENT = { type: 'timestamp' }
const DELIVERY_PLAN = { receivedAt: MOMENT, bodyBytes: { type: 'integer' }, headers: textIn('$7') }
const EVENT_PLAN = { receivedAt: MOMENT, unrouted: { type: 'boolean' }, data: textIn('$7'), dataBase64: textIn('$7') }

/** The whole batch in one round trip. */
const WRITE = statement(
  'intake_write',
  `WITH stored AS (
     ${insertRows('sluice_deliveries', DELIVERY_COLUMNS, '$1', DELIVERY_PLAN)} ON CONFLICT DO NOTHING),
   kept AS (
     ${insertRows('sluice_payloads', ['delivery', 'bytes'], '$2', { bytes: bytesIn('$7') })} ON CONFLICT DO NOTHING),
   happened AS (
     ${insertRows('sluice_events', [...EVENT_COLUMNS, 'unrouted'], '$3', EVENT_PLAN)}),
   ${appending('$4', '$5', '$6')}`,
)
