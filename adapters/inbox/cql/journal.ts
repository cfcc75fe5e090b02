import { NO_CHECKPOINT } from '#domain/plan-poll'
import type { Journal, Lease } from '#domain/ports'
import { iso, LAST_PUSH } from '../rows.ts'
import { quarantining, storeDeliveries } from './intake.ts'
import { SELECT, type Select, UPDATE, UPSERT } from './ql.ts'
import type { CqlDatabase, Tx } from './session.ts'

export function cqlJournal(database: CqlDatabase): Journal {
  return {
    lease: (name, owner, leaseMs) => database.transaction((tx) => takeLease(tx, name, owner, leaseMs)),
    releaseLease: async ({ name, owner }) => {
      await database.transaction((tx) =>
        tx.change(UPDATE('sluice.Leases').with({ until: null }).where({ name, owner })),
      )
    },
    checkpoint: (poll) =>
      database.transaction(async (tx) => {
        const row = await tx.row<CheckpointRow>(CHECKPOINT(poll))
        if (!row) return { state: NO_CHECKPOINT, revision: 0 }
        const { revision, watermark, slotAt, completedAt } = row
        return { state: { watermark, slotAt: canonical(slotAt), completedAt: canonical(completedAt) }, revision }
      }),
    advance: ({ poll, lease, expectedRevision, state, deliveries }) =>
      quarantining(deliveries, (batch) =>
        database.transaction(async (tx) => {
          const held = await holdLease(tx, lease.name)
          if (held?.owner !== lease.owner || held.fence !== lease.fence || !isHeld(tx, held)) return undefined
          const revision = (await tx.row<CheckpointRow>(CHECKPOINT(poll)))?.revision ?? 0
          if (revision !== expectedRevision) return undefined
          const { watermark, slotAt, completedAt } = state
          const next = { poll, revision: revision + 1, watermark, slotAt, completedAt }
          // Nobody else writes this row: its writers hold the lease.
          await tx.change(UPSERT.into('sluice.Checkpoints').entries([next]))
          return storeDeliveries(tx, batch)
        }),
      ),
    sourceState: (source, name) =>
      database.transaction(async (tx) => {
        const row = await tx.row<StateRow>(selectState(source, name))
        return typeof row?.value === 'string' ? JSON.parse(row.value) : undefined
      }),
    setSourceState: async (source, name, value) => {
      const row = { source, name, value: JSON.stringify(value) ?? null }
      await database.transaction((tx) => tx.change(UPSERT.into('sluice.SourceStates').entries([row])))
    },
    lastDeliveryAt: (source) =>
      database.transaction(async (tx) => {
        // In this order: retention moves the moment from here to there.
        const kept = await tx.row<{ at: string | null }>(
          SELECT.from('sluice.Deliveries')
            .columns('max(receivedAt) as at')
            .where({ source, channel: 'push', outcome: { '!=': 'quarantined' } }),
        )
        const removed = await tx.row<StateRow>(selectState(source, LAST_PUSH))
        const moments = [kept?.at, JSON.parse(removed?.value ?? 'null')].filter((at) => typeof at === 'string')
        return moments.length === 0 ? undefined : new Date(Math.max(...moments.map((at) => Date.parse(at))))
      }),
    countRejections: (counts) =>
      database.transaction(async (tx) => {
        for (const { source, reason, minute, count } of counts) {
          const key = { source, reason, minute: iso(minute) }
          const added = await tx.change(
            UPDATE('sluice.Rejections')
              .with({ count: { '+=': count } })
              .where(key),
          )
          if (added === 0) await tx.insert('sluice.Rejections', [{ ...key, count }])
        }
      }),
  }
}

interface StateRow {
  readonly value: string | null
}

export const selectState = (source: string, name: string): Select =>
  SELECT.from('sluice.SourceStates').columns('value').where({ source, name })

interface CheckpointRow {
  readonly revision: number
  readonly watermark: string | null
  readonly slotAt: string | null
  readonly completedAt: string | null
}

const CHECKPOINT = (poll: string) =>
  SELECT.from('sluice.Checkpoints').columns('revision', 'watermark', 'slotAt', 'completedAt').where({ poll })

const canonical = (moment: string | null): string | null => (moment === null ? null : iso(new Date(moment)))

interface LeaseRow {
  readonly owner: string | null
  readonly fence: number
  readonly until: string | null
}

/** Locked until the transaction ends: nobody takes the lease over in between. */
const holdLease = (tx: Tx, name: string): Promise<LeaseRow | undefined> =>
  tx.row<LeaseRow>(SELECT.from('sluice.Leases').columns('owner', 'fence', 'until').where({ name }).forUpdate())

const isHeld = (tx: Tx, { until }: LeaseRow): boolean => until !== null && !tx.isPast(until)

/** The fence grows with every new holder, also when the one before is the same process after a pause. */
async function takeLease(tx: Tx, name: string, owner: string, leaseMs: number): Promise<Lease | undefined> {
  const until = tx.later(leaseMs)
  const known = await holdLease(tx, name)
  const held = known !== undefined && isHeld(tx, known)
  if (held && known.owner !== owner) return undefined
  const fence = held ? known.fence : (known?.fence ?? 0) + 1
  if (known) await tx.change(UPDATE('sluice.Leases').with({ owner, fence, until }).where({ name }))
  else await tx.insert('sluice.Leases', [{ name, owner, fence, until }])
  return { name, owner, fence, until: new Date(until) }
}
