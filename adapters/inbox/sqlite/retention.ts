import type { Admin } from '#domain/ports'
import { iso } from '../rows.ts'
import type { Tx } from './connection.ts'
import { isStuck } from './lanes.ts'
import type { Writer } from './writer.ts'

/** Rows looked at in one transaction, so that it is short however many rows must stay. */
const CHUNK = 500

interface Walk {
  /** Rows after a key, oldest first: key, whether it is old, whether it may go. */
  readonly select: string
  readonly before: string
  readonly limit: number
  /** @returns how many lanes went with it. */
  remove(tx: Tx, key: string): number
}

interface Found {
  readonly key: string
  readonly old: 0 | 1
  readonly removable: 0 | 1
}

/**
 * Keys are UUID v7, so key order is nearly time order: each walk goes from the oldest key on, passes what must stay and
 * ends at the first chunk that is young throughout.
 */
export function createRetention(writer: Writer): Admin['retain'] {
  /** Where each walk goes on: what has open work is not looked at again until the walk is over. */
  const passed = new Map<string, string>()

  async function walk(plan: Walk): Promise<{ rows: number; lanes: number }> {
    const total = { rows: 0, lanes: 0 }
    for (;;) {
      const from = passed.get(plan.select) ?? ''
      const step = await writer.submit('call', 0, (tx) => removeChunk(tx, plan, from, plan.limit - total.rows))
      total.rows += step.rows
      total.lanes += step.lanes
      if (step.over) passed.delete(plan.select)
      else passed.set(plan.select, step.upTo)
      if (step.over || total.rows >= plan.limit) return total
    }
  }

  return async ({ payloadsBefore, eventsBefore, limit }) => {
    const before = iso(eventsBefore)
    const payloads = await walk({ select: PAYLOADS, before: iso(payloadsBefore), limit, remove: removePayload })
    const events = await walk({ select: EVENTS, before, limit, remove: removeEvent })
    // A delivery's row goes last and counts as its payload, so that the caller comes again while there are any.
    const deliveries = await walk({ select: DELIVERIES, before, limit: limit - payloads.rows, remove: removeDelivery })
    await writer.submit('call', 0, (tx) => {
      tx.run(DELETE_EXPIRED_IDENTITIES, tx.now, limit)
      tx.run(DELETE_REJECTIONS, before)
    })
    return { payloads: payloads.rows + deliveries.rows, events: events.rows, lanes: events.lanes }
  }
}

function removeChunk(tx: Tx, { select, before, remove }: Walk, from: string, limit: number) {
  const chunk = tx.all<Found>(select, before, from, CHUNK)
  const step = { rows: 0, lanes: 0, upTo: from, over: chunk.length < CHUNK || !chunk.some(({ old }) => old) }
  for (const { key, old, removable } of chunk) {
    if (step.rows >= limit) return { ...step, over: false }
    step.upTo = key
    if (!old || !removable) continue
    step.lanes += remove(tx, key)
    step.rows += 1
  }
  return step
}

function removePayload(tx: Tx, key: string): number {
  tx.run('DELETE FROM sluice_Payloads WHERE delivery = ?', key)
  return 0
}

function removeDelivery(tx: Tx, key: string): number {
  tx.run('DELETE FROM sluice_Payloads WHERE delivery = ?', key)
  tx.run('DELETE FROM sluice_Deliveries WHERE ID = ?', key)
  return 0
}

/** An event goes with its dispatches and attempts, and with the lanes that nothing else is left of. */
function removeEvent(tx: Tx, key: string): number {
  const range = [`${key}:`, `${key};`] as const
  const lanes = tx.all<{ lane: string }>(
    'SELECT DISTINCT lane FROM sluice_Dispatches WHERE ID > ? AND ID < ?',
    ...range,
  )
  tx.run('DELETE FROM sluice_Attempts WHERE dispatch > ? AND dispatch < ?', ...range)
  tx.run('DELETE FROM sluice_Dispatches WHERE ID > ? AND ID < ?', ...range)
  tx.run('DELETE FROM sluice_Events WHERE event = ?', key)
  return lanes.reduce((sum, { lane }) => sum + (isStuck(tx, lane) ? 0 : tx.run(DELETE_EMPTY_LANE, lane)), 0)
}

const PAYLOADS = `SELECT p.delivery AS key, d.receivedAt < ? AS old, 1 AS removable
  FROM sluice_Payloads p CROSS JOIN sluice_Deliveries d ON d.ID = p.delivery WHERE p.delivery > ? ORDER BY p.delivery LIMIT ?+0`
const EVENTS = `SELECT e.event AS key, e.receivedAt < ? AS old, NOT EXISTS (
    SELECT 1 FROM sluice_Dispatches WHERE ID > e.event || ':' AND ID < e.event || ';' AND status IN ('waiting', 'dead', 'unsure')) AS removable
  FROM sluice_Events e WHERE e.event > ? ORDER BY e.event LIMIT ?+0`
const DELIVERIES = `SELECT d.ID AS key, d.receivedAt < ? AS old,
    NOT EXISTS (SELECT 1 FROM sluice_Events WHERE delivery = d.ID) AS removable
  FROM sluice_Deliveries d WHERE d.ID > ? ORDER BY d.ID LIMIT ?+0`
const DELETE_EMPTY_LANE = `DELETE FROM sluice_Lanes WHERE ID = ? AND head = tail AND availableAt IS NULL AND owner IS NULL
  AND NOT blocked`
const DELETE_EXPIRED_IDENTITIES = `DELETE FROM sluice_Identities WHERE hash IN (
  SELECT hash FROM sluice_Identities WHERE expiresAt <= ? LIMIT ?+0)`
const DELETE_REJECTIONS = 'DELETE FROM sluice_Rejections WHERE minute < ?'
