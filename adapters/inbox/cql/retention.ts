import type { Admin } from '#domain/ports'
import { iso, LAST_PUSH } from '../rows.ts'
import { selectState } from './journal.ts'
import type { LaneRow } from './lanes.ts'
import { DELETE, SELECT, UPDATE } from './ql.ts'
import { type CqlDatabase, inChunks, type Tx } from './session.ts'

/** Rows looked at in one transaction, so that it is short however many rows must stay. */
const CHUNK = 200

const OPEN = { status: { in: ['waiting', 'dead', 'unsure'] } }

interface Removed {
  readonly rows: number
  readonly lanes: number
}

interface Walk {
  readonly name: string
  readonly before: string
  readonly limit: number
  /** The next keys in order, with the moment of each. */
  find(tx: Tx, after: string): Promise<{ key: string; at: string | null }[]>
  /** @returns what it removed; fewer where something must stay. */
  remove(tx: Tx, keys: readonly string[]): Promise<Removed>
}

/**
 * Keys are UUID v7, so key order is nearly time order: each walk starts at the oldest key, passes what must stay and
 * ends at the first chunk that is young throughout.
 */
export function cqlRetention(database: CqlDatabase): Admin['retain'] {
  /** Where each walk goes on: what has open work is not looked at again until the walk is over. */
  const passed = new Map<string, string>()

  async function walk({ name, before, limit, find, remove }: Walk): Promise<Removed> {
    const total = { rows: 0, lanes: 0 }
    while (total.rows < limit) {
      const after = passed.get(name) ?? ''
      const step = await database.transaction(async (tx) => {
        const chunk = (await find(tx, after)).map(({ key, at }) => ({
          key,
          old: at !== null && iso(new Date(at)) < before,
        }))
        const old = chunk.filter((one) => one.old).slice(0, limit - total.rows)
        const removed =
          old.length === 0
            ? { rows: 0, lanes: 0 }
            : await remove(
                tx,
                old.map(({ key }) => key),
              )
        const complete = old.length === chunk.filter((one) => one.old).length
        const last = complete ? chunk.at(-1)?.key : old.at(-1)?.key
        return { ...removed, last: last ?? '', over: complete && (chunk.length < CHUNK || old.length === 0) }
      })
      total.rows += step.rows
      total.lanes += step.lanes
      passed.set(name, step.over ? '' : step.last)
      if (step.over) break
    }
    return total
  }

  return async ({ payloadsBefore, eventsBefore, limit }) => {
    const before = iso(eventsBefore)
    const payloads = await walk({ name: 'payloads', before: iso(payloadsBefore), limit, ...PAYLOADS })
    const events = await walk({ name: 'events', before, limit, ...EVENTS })
    // A delivery's row goes last and counts as its payload, so that the caller comes again while there are any.
    const deliveries = await walk({ name: 'deliveries', before, limit: limit - payloads.rows, ...DELIVERIES })
    await database.transaction(async (tx) => {
      await tx.change(DELETE.from('sluice.Identities').where({ expiresAt: { '<=': tx.now } }))
      await tx.change(DELETE.from('sluice.Rejections').where({ minute: { '<': before } }))
    })
    return { payloads: payloads.rows + deliveries.rows, events: events.rows, lanes: events.lanes }
  }
}

type Plan = Pick<Walk, 'find' | 'remove'>

const PAYLOADS: Plan = {
  async find(tx, after) {
    const rows = await tx.rows<{ delivery: string }>(
      SELECT.from('sluice.Payloads')
        .columns('delivery')
        .where({ delivery: { '>': after } })
        .orderBy('delivery')
        .limit(CHUNK),
    )
    const keys = rows.map(({ delivery }) => delivery)
    const moments = new Map<string, string>()
    for (const chunk of inChunks(keys)) {
      for (const { ID, receivedAt } of await tx.rows<{ ID: string; receivedAt: string }>(
        SELECT.from('sluice.Deliveries')
          .columns('ID', 'receivedAt')
          .where({ ID: { in: chunk } }),
      )) {
        moments.set(ID, receivedAt)
      }
    }
    return keys.map((key) => ({ key, at: moments.get(key) ?? null }))
  },
  remove: async (tx, keys) => ({
    rows: await tx.change(DELETE.from('sluice.Payloads').where({ delivery: { in: keys } })),
    lanes: 0,
  }),
}

const DELIVERIES: Plan = {
  find: async (tx, after) =>
    (
      await tx.rows<{ ID: string; receivedAt: string }>(
        SELECT.from('sluice.Deliveries')
          .columns('ID', 'receivedAt')
          .where({ ID: { '>': after } })
          .orderBy('ID')
          .limit(CHUNK),
      )
    ).map(({ ID, receivedAt }) => ({ key: ID, at: receivedAt })),
  async remove(tx, keys) {
    const kept = await distinct(tx, 'sluice.Events', 'delivery', { delivery: { in: keys } })
    const gone = keys.filter((key) => !kept.has(key))
    if (gone.length === 0) return { rows: 0, lanes: 0 }
    await noteLastPush(tx, gone)
    await tx.change(DELETE.from('sluice.Payloads').where({ delivery: { in: gone } }))
    return { rows: await tx.change(DELETE.from('sluice.Deliveries').where({ ID: { in: gone } })), lanes: 0 }
  },
}

const EVENTS: Plan = {
  find: async (tx, after) =>
    (
      await tx.rows<{ event: string; receivedAt: string }>(
        SELECT.from('sluice.Events')
          .columns('event', 'receivedAt')
          .where({ event: { '>': after } })
          .orderBy('event')
          .limit(CHUNK),
      )
    ).map(({ event, receivedAt }) => ({ key: event, at: receivedAt })),
  /** Locked first, so that no replay adds work; an event goes with its runs, and the lanes that nothing is left of. */
  async remove(tx, keys) {
    const events: string[] = []
    for (const event of keys) {
      const held = SELECT.from('sluice.Events').columns('event').where({ event }).forUpdate()
      if (await tx.row(held)) events.push(event)
    }
    const open = await distinct(tx, 'sluice.Dispatches', 'event', { event: { in: events }, ...OPEN })
    const gone = events.filter((event) => !open.has(event))
    if (gone.length === 0) return { rows: 0, lanes: 0 }
    const lanes = await distinct(tx, 'sluice.Dispatches', 'lane', { event: { in: gone } })
    const runs = await distinct(tx, 'sluice.Dispatches', 'ID', { event: { in: gone } })
    for (const chunk of inChunks([...runs])) {
      await tx.change(DELETE.from('sluice.Attempts').where({ dispatch: { in: chunk } }))
      await tx.change(DELETE.from('sluice.Dispatches').where({ ID: { in: chunk } }))
    }
    const rows = await tx.change(DELETE.from('sluice.Events').where({ event: { in: gone } }))
    return { rows, lanes: await removeEmptyLanes(tx, [...lanes].sort()) }
  },
}

/** Whether a source is silent is asked for longer than its deliveries are kept. */
async function noteLastPush(tx: Tx, deliveries: readonly string[]): Promise<void> {
  const pushes = await tx.rows<{ source: string; at: string }>(
    SELECT.from('sluice.Deliveries')
      .columns('source', 'max(receivedAt) as at')
      .where({ ID: { in: deliveries }, channel: 'push', outcome: { '!=': 'quarantined' } })
      .groupBy('source')
      .orderBy('source'),
  )
  for (const { source, at } of pushes) {
    const key = { source, name: LAST_PUSH }
    const value = JSON.stringify(iso(new Date(at)))
    const known = await tx.row<{ value: string }>(selectState(source, LAST_PUSH).forUpdate())
    if (!known) await tx.insert('sluice.SourceStates', [{ ...key, value }])
    else if (known.value < value) await tx.change(UPDATE('sluice.SourceStates').with({ value }).where(key))
  }
}

/** Passes over lanes that somebody holds; whoever adds work to one gives it a due time. */
async function removeEmptyLanes(tx: Tx, ids: readonly string[]): Promise<number> {
  let removed = 0
  for (const ID of ids) {
    const select = SELECT.from('sluice.Lanes').columns('ID', 'availableAt', 'owner', 'blocked').where({ ID })
    const lane = await tx.row<LaneRow>(select.forUpdate({ ignoreLocked: true }))
    if (!lane || lane.availableAt !== null || lane.owner !== null || lane.blocked) continue
    const used = SELECT.from('sluice.Dispatches').columns('ID').where({ lane: ID }).limit(1)
    if (!(await tx.row(used))) removed += await tx.change(DELETE.from('sluice.Lanes').where({ ID }))
  }
  return removed
}

async function distinct(tx: Tx, entity: string, column: string, where: object): Promise<Set<string>> {
  const rows = await tx.rows<Record<string, string>>(SELECT.from(entity).columns(column).where(where).groupBy(column))
  return new Set(rows.flatMap((row) => row[column] ?? []))
}
