import { NO_CHECKPOINT } from '#domain/plan-poll'
import type { Journal } from '#domain/ports'
import { harmless, iso, LAST_PUSH } from '../rows.ts'
import type { StoreDeliveries } from './intake.ts'
import type { Tx } from './session.ts'
import type { Writer } from './writer.ts'

export function sqliteJournal(writer: Writer, storeDeliveries: StoreDeliveries): Journal {
  const call = <T>(run: (tx: Tx) => T) => writer.submit('call', 0, run)
  return {
    lease: (name, owner, leaseMs) =>
      call((tx) => {
        const until = tx.later(leaseMs)
        const row = tx.get<{ fence: number }>(TAKE_LEASE, name, owner, until, tx.now, tx.now)
        return row && { name, owner, fence: row.fence, until: new Date(until) }
      }),
    releaseLease: ({ name, owner }) =>
      call((tx) => {
        tx.run(RELEASE_LEASE, name, owner)
      }),
    checkpoint: (poll) =>
      call((tx) => {
        const row = tx.get<CheckpointRow>(SELECT_CHECKPOINT, poll)
        if (!row) return { state: NO_CHECKPOINT, revision: 0 }
        const { revision, watermark, slotAt, completedAt } = row
        return { state: { watermark, slotAt, completedAt }, revision }
      }),
    advance: ({ poll, lease, expectedRevision, state, deliveries }) =>
      call((tx) => {
        const held = tx.get(HOLDS_LEASE, lease.name, lease.owner, lease.fence, tx.now)
        const revision = tx.get<CheckpointRow>(SELECT_CHECKPOINT, poll)?.revision ?? 0
        if (!held || revision !== expectedRevision) return undefined
        const { watermark, slotAt, completedAt } = state
        tx.run(UPSERT_CHECKPOINT, poll, revision + 1, watermark, canonical(slotAt), canonical(completedAt))
        return storeDeliveries(tx, deliveries.map(harmless))
      }),
    sourceState: (source, key) =>
      call((tx) => {
        const value = tx.get<{ value: string | null }>(SELECT_STATE, source, key)?.value ?? null
        return value === null ? undefined : JSON.parse(value)
      }),
    setSourceState: (source, key, value) =>
      call((tx) => {
        tx.run(UPSERT_STATE, source, key, JSON.stringify(value) ?? null)
      }),
    lastDeliveryAt: (source) =>
      call((tx) => {
        const row = tx.get<{ value: string }>(SELECT_STATE, source, LAST_PUSH)
        return row && new Date(JSON.parse(row.value))
      }),
    countRejections: (counts) =>
      call((tx) => {
        for (const { source, reason, minute, count } of counts) {
          tx.run(ADD_REJECTIONS, source, reason, iso(minute), count)
        }
      }),
  }
}

interface CheckpointRow {
  readonly revision: number
  readonly watermark: string | null
  readonly slotAt: string | null
  readonly completedAt: string | null
}

const canonical = (moment: string | null): string | null => (moment === null ? null : iso(new Date(moment)))

/** A lease that ran out or was given back has a new holder, even where the name is the same: its fence grows. */
const TAKE_LEASE = `INSERT INTO sluice_Leases(name, owner, until, fence) VALUES(?,?,?,1)
  ON CONFLICT(name) DO UPDATE SET owner = excluded.owner, until = excluded.until, fence = fence + (until IS NULL OR until <= ?)
  WHERE until IS NULL OR until <= ? OR owner = excluded.owner RETURNING fence`
const RELEASE_LEASE = `UPDATE sluice_Leases SET until = NULL, owner = NULL WHERE name = ? AND owner = ?`
const HOLDS_LEASE = 'SELECT 1 FROM sluice_Leases WHERE name = ? AND owner = ? AND fence = ? AND until > ?'
const SELECT_CHECKPOINT = 'SELECT revision, watermark, slotAt, completedAt FROM sluice_Checkpoints WHERE poll = ?'
const UPSERT_CHECKPOINT = `INSERT INTO sluice_Checkpoints(poll, revision, watermark, slotAt, completedAt) VALUES(?,?,?,?,?)
  ON CONFLICT(poll) DO UPDATE SET revision = excluded.revision, watermark = excluded.watermark,
    slotAt = excluded.slotAt, completedAt = excluded.completedAt`
const SELECT_STATE = 'SELECT value FROM sluice_SourceStates WHERE source = ? AND name = ?'
const UPSERT_STATE = `INSERT INTO sluice_SourceStates(source, name, value) VALUES(?,?,?)
  ON CONFLICT(source, name) DO UPDATE SET value = excluded.value`
const ADD_REJECTIONS = `INSERT INTO sluice_Rejections(source, reason, minute, count) VALUES(?,?,?,?)
  ON CONFLICT(source, reason, minute) DO UPDATE SET count = count + excluded.count`
