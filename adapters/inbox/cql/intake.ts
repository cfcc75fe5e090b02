import type { Intake, NewDelivery, NewEvent } from '#domain/ports'
import type { Outcome } from '#domain/source'
import { type Decided, decide } from '../identities.ts'
import { planFanOut } from '../registry.ts'
import { DELIVERY_COLUMNS, deliveryValues, EVENT_COLUMNS, eventValues, harmless, iso, quarantined } from '../rows.ts'
import { isRejected } from './errors.ts'
import { recognize } from './identities.ts'
import { appendToLanes } from './lanes.ts'
import { readRegistry } from './registry.ts'
import type { CqlDatabase, Tx } from './session.ts'

export const cqlIntake = (database: CqlDatabase): Intake => ({
  async store(batch) {
    const together = (deliveries: readonly NewDelivery[]) =>
      database.transaction((tx) => storeDeliveries(tx, deliveries))
    try {
      return await together(batch.map(harmless))
    } catch (error) {
      if (!isRejected(error)) throw error
      const outcomes: Outcome[] = []
      for (const delivery of batch) outcomes.push(...(await quarantining([delivery], together)))
      return outcomes
    }
  },
})

/**
 * Runs `store` for deliveries that must be committed together. Where the database refuses one as data, each of them is
 * suspected in turn, then all: what is suspected goes to quarantine.
 */
export async function quarantining<T>(
  deliveries: readonly NewDelivery[],
  store: (batch: readonly NewDelivery[]) => Promise<T>,
): Promise<T> {
  const batch = deliveries.map(harmless)
  const suspects = [new Set<NewDelivery>(), ...batch.map((one) => new Set([one])), new Set(batch)]
  let refusal: unknown
  for (const suspected of suspects) {
    try {
      return await store(batch.map((one) => (suspected.has(one) ? quarantined(one, 'refused by the database') : one)))
    } catch (error) {
      if (!isRejected(error)) throw error
      refusal = error
    }
  }
  throw refusal
}

/** Writes deliveries that are `harmless` in the caller's transaction. */
export async function storeDeliveries(tx: Tx, batch: readonly NewDelivery[]): Promise<readonly Outcome[]> {
  const registry = await readRegistry(tx)
  const { decided, accepted } = decide(batch, await recognize(tx, batch))
  const { lanes, unrouted } = planFanOut(registry, accepted)
  await tx.insert('sluice.Deliveries', decided.map(deliveryRow))
  await tx.insert('sluice.Payloads', decided.filter(({ keepsBytes }) => keepsBytes).map(payloadRow))
  await tx.insert(
    'sluice.Events',
    accepted.map(({ delivery, event }) => eventRow(delivery, event, unrouted.has(event.key))),
  )
  await appendToLanes(tx, lanes)
  return decided.map(({ delivery, outcome, items }) => ({ delivery: delivery.key, outcome, items }))
}

const record = (columns: readonly string[], values: readonly unknown[]): object =>
  Object.fromEntries(columns.map((column, index) => [column, values[index]]))

const deliveryRow = ({ delivery, ...summary }: Decided) =>
  record(DELIVERY_COLUMNS, deliveryValues(delivery, iso(delivery.receivedAt), summary))

/** A Buffer, because CAP encodes nothing else as LargeBinary. */
const payloadRow = ({ delivery: { key, body } }: Decided) => ({
  delivery: key,
  bytes: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
})

const eventRow = (delivery: NewDelivery, event: NewEvent, unrouted: boolean) => ({
  ...record(EVENT_COLUMNS, eventValues(delivery, iso(delivery.receivedAt), event)),
  unrouted,
})
