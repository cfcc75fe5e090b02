import type { Work } from '#domain/ports'
import type { ObjectVersion } from '#domain/version'
import { effectHash } from '../hash.ts'
import { type KeptRow, toKept } from '../kept-delivery.ts'
import { type EndRow, toEnd } from '../rows.ts'
import { backlogOf } from './backlog.ts'
import { claimLanes, loadEvent } from './claim.ts'
import { freeLane, laneById } from './lanes.ts'
import { payloadsFrom } from './retention.ts'
import type { Tx } from './session.ts'
import { settleLane } from './settle.ts'
import type { Writer } from './writer.ts'

export function sqliteWork(writer: Writer): Work {
  const call = <T>(run: (tx: Tx) => T) => writer.submit('call', 0, run)
  return {
    claim: (request) => writer.submit('claim', 0, (tx, allowance) => claimLanes(tx, request, allowance, loadEvent)),
    // Lane by lane, so that a large settlement may span transactions and one lane's fault is not another's.
    settle: (lanes) =>
      Promise.all(
        lanes.map((one) => writer.submit('settle', Math.max(1, one.settled.length), (tx) => settleLane(tx, one))),
      ),
    renew: (lanes, leaseMs) =>
      call((tx) => lanes.map(({ lane, owner }) => tx.run(RENEW, tx.later(leaseMs), lane, owner) === 1)),
    release: (lanes) =>
      call((tx) => {
        for (const { lane, owner } of lanes) {
          const found = laneById(tx, lane)
          if (found?.owner === owner) freeLane(tx, found, tx.now)
        }
      }),
    effects: (keys) =>
      call((tx) =>
        keys.map(({ scope, object }) => toVersion(tx.get<VersionRow>(SELECT_EFFECT, effectHash(scope, object)))),
      ),
    payload: (delivery) => call((tx) => readPayload(tx, delivery)),
    delivery: (key) =>
      call((tx) => {
        const row = tx.get<KeptRow>(SELECT_DELIVERY, key)
        return row && toKept(key, row)
      }),
    ends: (event) => call((tx) => tx.all<EndRow>(SELECT_ENDS, `${event}:`, `${event};`).map(toEnd)),
    nextDueAt: (subscriptions) =>
      call((tx) => {
        const active = subscriptions.filter((name) => tx.registry().get(name)?.paused === false)
        const due = active.flatMap((name) => tx.get<{ at: string | null }>(NEXT_DUE, name)?.at ?? [])
        const [first] = due.sort()
        return first === undefined ? undefined : new Date(first)
      }),
    // One at a time: others get their turn in between.
    backlog: (subscriptions, bounds) =>
      Promise.all(subscriptions.map((name) => call((tx) => backlogOf(tx, name, bounds)))),
  }
}

/** A delivery that brought an event and has no payload is that event's data, for as long as payloads are kept. */
function readPayload(tx: Tx, delivery: string): Uint8Array | undefined {
  const kept = tx.get<{ bytes: Uint8Array }>(SELECT_PAYLOAD, delivery)
  if (kept) return kept.bytes
  const event = tx.get<{ data: string }>(SELECT_DATA, delivery, payloadsFrom(tx))
  return event && new TextEncoder().encode(event.data)
}

interface VersionRow {
  readonly version: string
  readonly contentHash: string | null
}

const toVersion = (row: VersionRow | undefined): ObjectVersion | undefined =>
  row && { version: row.version, ...(row.contentHash === null ? {} : { contentHash: row.contentHash }) }

const RENEW = 'UPDATE sluice_Lanes SET availableAt = ? WHERE ID = ? AND owner = ?'
const SELECT_EFFECT = 'SELECT version, contentHash FROM sluice_Effects WHERE hash = ?'
const SELECT_PAYLOAD = 'SELECT bytes FROM sluice_Payloads WHERE delivery = ?'
const SELECT_DELIVERY = 'SELECT receivedAt, method, url, headers, principal FROM sluice_Deliveries WHERE ID = ?'
const SELECT_DATA = `SELECT e.data FROM sluice_Events e JOIN sluice_Deliveries d ON d.ID = e.delivery
  WHERE e.delivery = ? AND d.receivedAt >= ?`
const SELECT_ENDS = 'SELECT subscription, run, status, reason, result FROM sluice_Dispatches WHERE ID > ? AND ID < ?'
const NEXT_DUE = 'SELECT min(availableAt) AS at FROM sluice_Lanes WHERE subscription = ? AND availableAt IS NOT NULL'
