import type { NewDelivery, NewEvent } from '#domain/ports'
import type { Outcome } from '#domain/source'
import { identityHash } from '../hash.ts'
import { repetition } from '../identities.ts'
import { planFanOut } from '../registry.ts'
import {
  DELIVERY_COLUMNS,
  deliveryValues,
  EVENT_COLUMNS,
  eventValues,
  iso,
  LAST_PUSH,
  plainOutcome,
  type Summary,
  summarize,
  wholeBody,
} from '../rows.ts'
import { appendToLane } from './lanes.ts'
import type { Tx } from './session.ts'

interface Arrived {
  readonly delivery: NewDelivery
  readonly receivedAt: string
  readonly outcome: Outcome
  readonly summary: Summary
}

interface Winner {
  readonly origin: string
  readonly delivery: NewDelivery
  readonly receivedAt: string
  readonly event: NewEvent
}

export type StoreDeliveries = (tx: Tx, deliveries: readonly NewDelivery[]) => Outcome[]

/** Writes deliveries, identities, events, dispatches and lanes of one commit, in the order the deliveries came. */
export function deliveryStore(): StoreDeliveries {
  const lastPushSecond = new Map<string, string>()

  /** Once a second is enough for a silence detector, and spares a row per delivery. */
  function notePush(tx: Tx, { delivery: { origin, channel }, receivedAt, summary }: Arrived): void {
    const second = receivedAt.slice(0, 19)
    if (channel !== 'push' || summary.outcome === 'quarantined' || second <= (lastPushSecond.get(origin) ?? '')) return
    tx.run(UPSERT_LAST_PUSH, origin, LAST_PUSH, JSON.stringify(receivedAt))
    tx.afterCommit(() => lastPushSecond.set(origin, second))
  }

  return (tx, deliveries) => {
    const winners: Winner[] = []
    const arrived = deliveries.map((delivery) => recognizeAll(tx, delivery, winners))
    const { lanes, unrouted } = planFanOut(tx.registry(), winners)
    for (const one of arrived) {
      const { delivery, receivedAt, outcome, summary } = one
      tx.run(INSERT_DELIVERY, ...deliveryValues(delivery, receivedAt, summary))
      if (summary.keepsBytes && !isEvent(delivery, outcome)) tx.run(INSERT_PAYLOAD, delivery.key, delivery.body)
      notePush(tx, one)
    }
    for (const { delivery, receivedAt, event } of winners) {
      tx.run(INSERT_EVENT, ...eventValues(delivery, receivedAt, event), unrouted.has(event.key) ? 1 : 0)
    }
    for (const lane of lanes) appendToLane(tx, lane)
    return arrived.map(({ outcome }) => outcome)
  }
}

/**
 * Most senders' bodies are the data of their only event, and nobody needs the same text twice on disk: such a delivery has
 * no payload of its own, and `readPayload` finds the event.
 */
const isEvent = ({ items }: NewDelivery, { outcome }: Outcome): boolean =>
  outcome === 'accepted' && wholeBody(items) !== undefined

function recognizeAll(tx: Tx, delivery: NewDelivery, winners: Winner[]): Arrived {
  const receivedAt = iso(delivery.receivedAt)
  const items = delivery.items.map((item): Outcome['items'][number] => {
    if (item.kind !== 'event') return plainOutcome(item)
    const { event } = item
    const known = recognize(tx, delivery.origin, event)
    if (known) return repetition(known, event)
    winners.push({ origin: delivery.origin, delivery, receivedAt, event })
    return { outcome: 'accepted', event: event.key }
  })
  const summary = summarize(delivery, items)
  return { delivery, receivedAt, summary, outcome: { delivery: delivery.key, outcome: summary.outcome, items } }
}

/** Who has this identity already; undefined where it is ours now. An expired one is taken over. */
function recognize(tx: Tx, origin: string, { key, identity, identityWindowMs, contentHash }: NewEvent) {
  if (identity === undefined) return undefined
  const hash = identityHash(origin, identity)
  const expiresAt = identityWindowMs === undefined ? null : tx.later(identityWindowMs)
  if (tx.run(CLAIM_IDENTITY, hash, key, contentHash, expiresAt, tx.now) === 1) return undefined
  return tx.get<{ event: string; contentHash: string }>(SELECT_IDENTITY, hash)
}

const marks = (count: number): string => Array(count).fill('?').join(',')

const CLAIM_IDENTITY = `INSERT INTO sluice_Identities(hash, event, contentHash, expiresAt) VALUES(?,?,?,?)
  ON CONFLICT(hash) DO UPDATE SET event = excluded.event, contentHash = excluded.contentHash, expiresAt = excluded.expiresAt
  WHERE expiresAt <= ?`
const SELECT_IDENTITY = 'SELECT event, contentHash FROM sluice_Identities WHERE hash = ?'
const INSERT_DELIVERY = `INSERT INTO sluice_Deliveries(${DELIVERY_COLUMNS}) VALUES(${marks(DELIVERY_COLUMNS.length)})`
const INSERT_PAYLOAD = 'INSERT INTO sluice_Payloads(delivery, bytes) VALUES(?,?)'
const INSERT_EVENT = `INSERT INTO sluice_Events(${EVENT_COLUMNS}, unrouted) VALUES(${marks(EVENT_COLUMNS.length + 1)})`
const UPSERT_LAST_PUSH = `INSERT INTO sluice_SourceStates(source, name, value) VALUES(?,?,?)
  ON CONFLICT(source, name) DO UPDATE SET value = excluded.value WHERE value < excluded.value`
