import { type CheckpointState, NO_CHECKPOINT } from '#domain/plan-poll'
import type { Journal, Lease } from '#domain/ports'
import { iso, LAST_PUSH } from '../rows.ts'
import { type IntakeContext, storing } from './intake.ts'
import { now, rows, statement } from './sql.ts'

/** The fence grows with every new holder, also when the one before is the same process after a pause. */
const TAKE_LEASE = statement(
  'lease_take',
  `INSERT INTO sluice_leases AS lease (name, owner, fence, until)
   VALUES ($1, $2, 1, ${now('$4')} + $3::double precision * interval '1 millisecond')
   ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until,
     fence = lease.fence + CASE WHEN lease.until > ${now('$4')} THEN 0 ELSE 1 END
     WHERE lease.owner = excluded.owner OR lease.until <= ${now('$4')}
   RETURNING name, owner, fence, until`,
)
const RELEASE_LEASE = statement(
  'lease_release',
  `UPDATE sluice_leases SET until = 'epoch' WHERE name = $1 AND owner = $2`,
)
/** Locked until the page is committed: nobody takes the lease over in between. */
const HOLD_LEASE = statement(
  'lease_hold',
  `SELECT 1 FROM sluice_leases WHERE name = $1 AND owner = $2 AND fence = $3 AND until > ${now('$4')} FOR UPDATE`,
)

const READ_CHECKPOINT = statement(
  'checkpoint_read',
  `SELECT revision, watermark, slotat AS "slotAt", completedat AS "completedAt" FROM sluice_checkpoints WHERE poll = $1`,
)
/** Compare-and-set: no row comes back where another revision is there. */
const WRITE_CHECKPOINT = statement(
  'checkpoint_write',
  `INSERT INTO sluice_checkpoints AS checkpoint (poll, revision, watermark, slotat, completedat)
   SELECT $1::text, 1, $3::text, $4::timestamp, $5::timestamp WHERE $2::integer = 0
     OR EXISTS (SELECT FROM sluice_checkpoints WHERE poll = $1::text)
   ON CONFLICT (poll) DO UPDATE SET revision = checkpoint.revision + 1, watermark = excluded.watermark,
     slotat = excluded.slotat, completedat = excluded.completedat
     WHERE checkpoint.revision = $2::integer
   RETURNING revision`,
)

const READ_STATE = statement('state_read', 'SELECT value FROM sluice_sourcestates WHERE source = $1 AND name = $2')
const WRITE_STATE = statement(
  'state_write',
  `INSERT INTO sluice_sourcestates (source, name, value) VALUES ($1, $2, $3)
   ON CONFLICT (source, name) DO UPDATE SET value = excluded.value`,
)

/** Of the deliveries that are there, and of those that retention has removed. */
const LAST_DELIVERY = statement(
  'last_delivery',
  `SELECT greatest(
     (SELECT max(receivedat) FROM sluice_deliveries
      WHERE source = $1 AND channel = 'push' AND outcome <> 'quarantined'),
     (SELECT (value::json #>> '{}')::timestamp FROM sluice_sourcestates
      WHERE source = $1 AND name = '${LAST_PUSH}')) AS at`,
)

const COUNT_REJECTIONS = statement(
  'rejections_count',
  `INSERT INTO sluice_rejections AS known (source, reason, minute, count)
   SELECT r.source, r.reason, r.minute, sum(r.count)
   FROM ${rows('$1', { source: 'text', reason: 'text', minute: 'timestamp', count: 'integer' })}
   GROUP BY r.source, r.reason, r.minute
   ORDER BY r.source COLLATE "C", r.reason COLLATE "C", r.minute
   ON CONFLICT (source, reason, minute) DO UPDATE SET count = known.count + excluded.count`,
)

export function postgresJournal(context: IntakeContext): Journal {
  const { database, moment } = context
  return {
    lease: async (name, owner, leaseMs) => {
      const [row] = await database.run<Lease>(TAKE_LEASE, [name, owner, leaseMs, moment()])
      return row
    },
    releaseLease: async ({ name, owner }) => {
      await database.run(RELEASE_LEASE, [name, owner])
    },
    checkpoint: async (poll) => {
      const [row] = await database.run<CheckpointRow>(READ_CHECKPOINT, [poll])
      return row ? { state: checkpointState(row), revision: row.revision } : { state: NO_CHECKPOINT, revision: 0 }
    },
    advance: ({ poll, lease, expectedRevision, state, deliveries }) =>
      storing(context, async (session, store) => {
        const held = await session.run(HOLD_LEASE, [lease.name, lease.owner, lease.fence, moment()])
        if (held.length === 0) return undefined
        const { watermark, slotAt, completedAt } = state
        const next = [poll, expectedRevision, watermark, slotAt, completedAt]
        const moved = await session.run(WRITE_CHECKPOINT, next)
        return moved.length === 0 ? undefined : store(session, deliveries)
      }),
    sourceState: async (source, key) => {
      const [row] = await database.run<{ value: string | null }>(READ_STATE, [source, key])
      return typeof row?.value === 'string' ? JSON.parse(row.value) : undefined
    },
    setSourceState: async (source, key, value) => {
      await database.run(WRITE_STATE, [source, key, JSON.stringify(value)])
    },
    lastDeliveryAt: async (source) => {
      const [row] = await database.run<{ at: Date | null }>(LAST_DELIVERY, [source])
      return row?.at ?? undefined
    },
    countRejections: async (counts) => {
      const records = counts.map(({ minute, ...rest }) => ({ ...rest, minute: iso(minute) }))
      if (records.length > 0) await database.run(COUNT_REJECTIONS, [JSON.stringify(records)])
    },
  }
}

interface CheckpointRow {
  readonly revision: number
  readonly watermark: string | null
  readonly slotAt: Date | null
  readonly completedAt: Date | null
}

const checkpointState = ({ watermark, slotAt, completedAt }: CheckpointRow): CheckpointState => ({
  watermark,
  slotAt: slotAt && iso(slotAt),
  completedAt: completedAt && iso(completedAt),
})
