import type { Admin } from '#domain/ports'
import { iso, LAST_PUSH } from '../rows.ts'
import type { Database, Statement } from './session.ts'
import { now, statement } from './sql.ts'

/** Rows looked at and removed in one step, so that every transaction is short however many rows must stay. */
const CHUNK = 500

interface Found {
  readonly key: string
  readonly old: boolean
  readonly removable: boolean
}

interface Removed {
  readonly rows: number
  readonly lanes: number
}

interface Walk {
  /** Rows after a key, oldest first. */
  readonly find: Statement
  readonly before: Date
  readonly limit: number
  remove(keys: readonly string[]): Promise<Removed>
}

/** `key > ''` is every key: the first chunk of a walk. */
const walking = (name: string, table: string, key: string, old: string, removable: string): Statement =>
  statement(
    `retain_find_${name}`,
    `SELECT one.${key} AS key, ${old} < $1::timestamp AS old, ${removable} AS removable
     FROM ${table} WHERE one.${key} > $2 ORDER BY one.${key} LIMIT ${CHUNK}`,
  )

const OPEN = `status IN ('waiting', 'dead', 'unsure')`

const FIND_PAYLOADS = walking(
  'payloads',
  'sluice_payloads one JOIN sluice_deliveries delivery ON delivery.id = one.delivery',
  'delivery',
  'delivery.receivedat',
  'true',
)
const FIND_EVENTS = walking(
  'events',
  'sluice_events one',
  'event',
  'one.receivedat',
  `NOT EXISTS (SELECT FROM sluice_dispatches open WHERE open.event = one.event AND open.${OPEN})`,
)
const FIND_DELIVERIES = walking(
  'deliveries',
  'sluice_deliveries one',
  'id',
  'one.receivedat',
  'NOT EXISTS (SELECT FROM sluice_events event WHERE event.delivery = one.id)',
)

const REMOVE_PAYLOADS = statement('retain_payloads', 'DELETE FROM sluice_payloads WHERE delivery = ANY($1) RETURNING 1')
/** Notes the last push of what goes: whether a source is silent is asked for longer than its deliveries are kept. */
const REMOVE_DELIVERIES = statement(
  'retain_deliveries',
  `WITH bytes AS (DELETE FROM sluice_payloads WHERE delivery = ANY($1)),
   gone AS (DELETE FROM sluice_deliveries WHERE id = ANY($1) RETURNING source, channel, outcome, receivedat),
   noted AS (
     INSERT INTO sluice_sourcestates AS known (source, name, value)
     SELECT source, '${LAST_PUSH}', to_json(to_char(max(receivedat), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))::text
     FROM gone WHERE channel = 'push' AND outcome <> 'quarantined'
     GROUP BY source ORDER BY source COLLATE "C"
     ON CONFLICT (source, name) DO UPDATE SET value = excluded.value WHERE known.value < excluded.value)
   SELECT 1 FROM gone`,
)

/** Held, so that no replay adds work; whether there is any is asked by the next statement, which sees the last one's. */
const HOLD_EVENTS = statement(
  'retain_hold_events',
  'SELECT event FROM sluice_events WHERE event = ANY($1) ORDER BY event COLLATE "C" FOR UPDATE SKIP LOCKED',
)
const REMOVE_EVENTS = statement(
  'retain_events',
  `WITH gone AS (
     DELETE FROM sluice_events one WHERE event = ANY($1)
       AND NOT EXISTS (SELECT FROM sluice_dispatches open WHERE open.event = one.event AND open.${OPEN})
     RETURNING event),
   runs AS (DELETE FROM sluice_dispatches one USING gone WHERE one.event = gone.event RETURNING one.id, one.lane),
   tries AS (DELETE FROM sluice_attempts one USING runs WHERE one.dispatch = runs.id)
   SELECT (SELECT count(*) FROM gone) AS rows, (SELECT coalesce(json_agg(DISTINCT lane), '[]') FROM runs) AS lanes`,
)
/** Whoever adds work gives the lane a due time, and this condition is asked again where the row has changed meanwhile. */
const REMOVE_LANES = statement(
  'retain_lanes',
  `DELETE FROM sluice_lanes WHERE id IN (
     SELECT id FROM sluice_lanes lane
     WHERE id = ANY($1) AND availableat IS NULL AND owner IS NULL AND NOT blocked
       AND NOT EXISTS (SELECT FROM sluice_dispatches one WHERE one.lane = lane.id)
     ORDER BY id COLLATE "C" FOR UPDATE SKIP LOCKED)
   RETURNING 1`,
)

const REMOVE_IDENTITIES = statement(
  'retain_identities',
  `DELETE FROM sluice_identities WHERE hash IN (
     SELECT hash FROM sluice_identities WHERE expiresat <= ${now('$1')} LIMIT $2 FOR UPDATE SKIP LOCKED)`,
)
const REMOVE_REJECTIONS = statement('retain_rejections', 'DELETE FROM sluice_rejections WHERE minute < $1::timestamp')

/**
 * Keys are UUID v7, so key order is nearly time order: each walk starts at the oldest key, passes what must stay and
 * ends at the first chunk that is young throughout.
 */
export function postgresRetention(database: Database, moment: () => string | null): Admin['retain'] {
  /** Where each walk goes on: what has open work is not looked at again until the walk is over. */
  const passed = new Map<Statement, string>()

  async function walk({ find, before, limit, remove }: Walk): Promise<Removed> {
    const total = { rows: 0, lanes: 0 }
    while (total.rows < limit) {
      const chunk = await database.run<Found>(find, [iso(before), passed.get(find) ?? ''])
      const candidates = chunk.filter(({ old, removable }) => old && removable).slice(0, limit - total.rows)
      const removed = await remove(candidates.map(({ key }) => key))
      total.rows += removed.rows
      total.lanes += removed.lanes
      if (total.rows >= limit) passed.set(find, candidates.at(-1)?.key ?? '')
      else if (chunk.length === CHUNK && chunk.some(({ old }) => old)) passed.set(find, chunk.at(-1)?.key ?? '')
      else return ended(find, total)
    }
    return total
  }

  function ended(find: Statement, total: Removed): Removed {
    passed.delete(find)
    return total
  }

  async function removeRows(remove: Statement, keys: readonly string[]): Promise<Removed> {
    return { rows: keys.length === 0 ? 0 : (await database.run(remove, [keys])).length, lanes: 0 }
  }

  return async ({ payloadsBefore, eventsBefore, limit }) => {
    const payloads = await walk({
      find: FIND_PAYLOADS,
      before: payloadsBefore,
      limit,
      remove: (keys) => removeRows(REMOVE_PAYLOADS, keys),
    })
    const events = await walk({
      find: FIND_EVENTS,
      before: eventsBefore,
      limit,
      remove: (keys) => removeEvents(database, keys),
    })
    // A delivery's row goes last and counts as its payload, so that the caller comes again while there are any.
    const deliveries = await walk({
      find: FIND_DELIVERIES,
      before: eventsBefore,
      limit: limit - payloads.rows,
      remove: (keys) => removeRows(REMOVE_DELIVERIES, keys),
    })
    await database.run(REMOVE_IDENTITIES, [moment(), limit])
    await database.run(REMOVE_REJECTIONS, [iso(eventsBefore)])
    return { payloads: payloads.rows + deliveries.rows, events: events.rows, lanes: events.lanes }
  }
}

/** An event goes with its dispatches and attempts, and with the lanes that nothing is left of. */
async function removeEvents(database: Database, keys: readonly string[]): Promise<Removed> {
  if (keys.length === 0) return { rows: 0, lanes: 0 }
  return database.transaction(async (session) => {
    const held = (await session.run<{ event: string }>(HOLD_EVENTS, [keys])).map(({ event }) => event)
    const [removed] = await session.run<{ rows: number; lanes: string[] }>(REMOVE_EVENTS, [held])
    const lanes = await session.run(REMOVE_LANES, [removed?.lanes ?? []])
    return { rows: removed?.rows ?? 0, lanes: lanes.length }
  })
}
