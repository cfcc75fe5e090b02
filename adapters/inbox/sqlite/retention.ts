import type { Admin } from '#domain/ports'
import { iso } from '../rows.ts'
import { isStuck } from './lanes.ts'
import type { Tx } from './session.ts'
import type { Writer } from './writer.ts'

/** Rows looked at in one transaction, so that it is short however many rows must stay. */
const CHUNK = 500

/**
 * A walk over a table from its oldest key on. Keys are UUID v7, so key order is nearly time order: the walk passes what
 * must stay and ends at the first chunk that is young throughout. It may take many steps.
 */
interface Walk {
  readonly before: string
  readonly from: string
}

interface Found {
  readonly key: string
  readonly old: 0 | 1
  /** Something else still needs it; absent where nothing can. */
  readonly kept?: 0 | 1
}

interface Step {
  readonly rows: number
  readonly lanes: number
  /** Undefined where the walk is over. */
  readonly next: Walk | undefined
}

export function createRetention(writer: Writer): Admin['retain'] {
  let events: Walk | undefined
  let deliveries: Walk | undefined

  /** Chunk by chunk until `limit` rows are removed or the walk is over. */
  async function walk(start: Walk, limit: number, run: (tx: Tx, walk: Walk, limit: number) => Step) {
    const sum = { rows: 0, lanes: 0 }
    let next: Walk | undefined = start
    while (next && sum.rows < limit) {
      const from: Walk = next
      const step = await writer.submit('call', 0, (tx) => run(tx, from, limit - sum.rows))
      sum.rows += step.rows
      sum.lanes += step.lanes
      next = step.next
    }
    return { ...sum, next }
  }

  /** A delivery's row goes last and counts as its payload, so that the caller comes again while there are any. */
  async function sweep(limit: number): Promise<number> {
    if (!deliveries) return 0
    const { rows, next } = await walk(deliveries, limit, removeDeliveries)
    deliveries = next
    return rows
  }

  async function removeOld(before: string, limit: number): Promise<{ rows: number; lanes: number }> {
    const started: Walk = events ?? { before, from: '' }
    const { next, ...sum } = await walk(started, limit, removeEvents)
    events = next
    if (!next) deliveries = { before: started.before, from: '' }
    return sum
  }

  return async ({ payloadsBefore, eventsBefore, limit }) => {
    await writer.submit('call', 0, (tx) => {
      // Before the first payload goes: until it is said here, one that is not there is taken for the data of its event.
      tx.run(WRITE_PAYLOADS_FROM, iso(payloadsBefore))
      tx.run(DELETE_EXPIRED_IDENTITIES, tx.now, limit)
      tx.run(DELETE_REJECTIONS, iso(eventsBefore))
    })
    const { rows } = await walk({ before: iso(payloadsBefore), from: '' }, limit, removePayloads)
    let payloads = rows + (await sweep(limit - rows))
    const removed = deliveries ? { rows: 0, lanes: 0 } : await removeOld(iso(eventsBefore), limit)
    payloads += await sweep(limit - payloads)
    return { payloads, events: removed.rows, lanes: removed.lanes }
  }
}

/** The moment before which no delivery has a payload any more, not even the data of its event. */
export const payloadsFrom = (tx: Tx): string => tx.get<{ value: string }>(READ_PAYLOADS_FROM)?.value ?? ''

function removePayloads(tx: Tx, at: Walk, limit: number): Step {
  const { chunk, going } = removable(tx, PAYLOADS, at, limit)
  for (const { key } of going) tx.run(DELETE_PAYLOAD, key)
  return { rows: going.length, lanes: 0, next: after(at, chunk, going, limit) }
}

function removeEvents(tx: Tx, at: Walk, limit: number): Step {
  const { chunk, going } = removable(tx, EVENTS, at, limit)
  if (going.length > 0) tx.waiting.keepEnd(tx)
  const lanes = going.reduce((sum, { key }) => sum + removeEvent(tx, key), 0)
  return { rows: going.length, lanes, next: after(at, chunk, going, limit) }
}

function removeDeliveries(tx: Tx, at: Walk, limit: number): Step {
  const { chunk, going } = removable(tx, DELIVERIES, at, limit)
  for (const { key } of going) {
    tx.run(DELETE_PAYLOAD, key)
    tx.run(DELETE_DELIVERY, key)
  }
  return { rows: going.length, lanes: 0, next: after(at, chunk, going, limit) }
}

function removable(tx: Tx, sql: string, { before, from }: Walk, limit: number) {
  const chunk = tx.all<Found>(sql, before, from, CHUNK)
  return { chunk, going: chunk.filter(({ old, kept }) => old && !kept).slice(0, limit) }
}

/** Behind the last row removed where the limit cut the chunk, else behind the chunk; nowhere once all is young. */
function after(at: Walk, chunk: readonly Found[], going: readonly Found[], limit: number): Walk | undefined {
  const cut = going.length === limit
  if (!cut && (chunk.length < CHUNK || !chunk.some(({ old }) => old))) return undefined
  return { before: at.before, from: (cut ? going : chunk).at(-1)?.key ?? at.from }
}

/** An event goes with its dispatches and attempts, and with the lanes that nothing else is left of. */
function removeEvent(tx: Tx, key: string): number {
  const range = [`${key}:`, `${key};`] as const
  const lanes = tx.all<{ lane: string }>(LANES_OF, ...range)
  tx.run('DELETE FROM sluice_Attempts WHERE dispatch > ? AND dispatch < ?', ...range)
  tx.run('DELETE FROM sluice_Dispatches WHERE ID > ? AND ID < ?', ...range)
  tx.run('DELETE FROM sluice_Events WHERE event = ?', key)
  return lanes.reduce((sum, { lane }) => sum + (isStuck(tx, lane) ? 0 : tx.run(DELETE_EMPTY_LANE, lane)), 0)
}

const READ_PAYLOADS_FROM = `SELECT value FROM sluice_Meta WHERE name = 'payloads-from'`
const WRITE_PAYLOADS_FROM = `INSERT INTO sluice_Meta(name, value) VALUES('payloads-from', ?)
  ON CONFLICT(name) DO UPDATE SET value = excluded.value WHERE value < excluded.value`
const PAYLOADS = `SELECT p.delivery AS key, d.receivedAt < ? AS old
  FROM sluice_Payloads p CROSS JOIN sluice_Deliveries d ON d.ID = p.delivery
  WHERE p.delivery > ? ORDER BY p.delivery LIMIT ?+0`
const EVENTS = `SELECT e.event AS key, e.receivedAt < ? AS old, EXISTS (
    SELECT 1 FROM sluice_Dispatches WHERE ID > e.event || ':' AND ID < e.event || ';'
      AND status IN ('waiting', 'dead', 'unsure')) AS kept
  FROM sluice_Events e WHERE e.event > ? ORDER BY e.event LIMIT ?+0`
const DELIVERIES = `SELECT d.ID AS key, d.receivedAt < ? AS old, EXISTS (
    SELECT 1 FROM sluice_Events e WHERE e.delivery = d.ID) AS kept
  FROM sluice_Deliveries d WHERE d.ID > ? ORDER BY d.ID LIMIT ?+0`
const LANES_OF = 'SELECT DISTINCT lane FROM sluice_Dispatches WHERE ID > ? AND ID < ?'
const DELETE_PAYLOAD = 'DELETE FROM sluice_Payloads WHERE delivery = ?'
const DELETE_DELIVERY = 'DELETE FROM sluice_Deliveries WHERE ID = ?'
const DELETE_EMPTY_LANE = `DELETE FROM sluice_Lanes WHERE ID = ? AND availableAt IS NULL AND NOT blocked`
const DELETE_EXPIRED_IDENTITIES = `DELETE FROM sluice_Identities WHERE hash IN (
  SELECT hash FROM sluice_Identities WHERE expiresAt <= ? LIMIT ?+0)`
const DELETE_REJECTIONS = 'DELETE FROM sluice_Rejections WHERE minute < ?'
