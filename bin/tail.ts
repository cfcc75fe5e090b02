import type { GatewayClient } from './gateway/client.ts'
import { collect, readEvents } from './gateway/events.ts'
import type { EventFilters } from './gateway/filters.ts'
import { firstKeyAt, madeAt } from './gateway/odata.ts'
import { DISPATCH_COLUMNS, type DispatchRow, type EventRow } from './gateway/rows.ts'

export type News =
  | { readonly kind: 'event'; readonly event: EventRow }
  | { readonly kind: 'dispatch'; readonly event: string; readonly dispatch: DispatchRow }

export interface Follower {
  /** What is new since the last look, in order; what fails half-way is told by the next look. */
  look(): Promise<News[]>
}

/**
 * A key is made before its commit, and several instances commit at once: an event may appear behind one with a later
 * key. So every look reads this much again, and what was told is remembered. Later than that, it would be missed.
 */
const OVERLAP_MS = 30_000
/** Events whose dispatches are watched; older ones are let go. */
const MAX_WATCHED = 500
const KEYS_PER_REQUEST = 50

const NO_KEY = '00000000-0000-0000-0000-000000000000'

/** The newest events, oldest first: as many as asked for, and whatever else lies in the overlap before the last. */
export async function readStart(client: GatewayClient, filters: EventFilters, lines: number): Promise<EventRow[]> {
  const rows: EventRow[] = []
  for await (const row of readEvents(client, filters, { order: 'newest', limit: Number.POSITIVE_INFINITY })) {
    const newest = rows[0]?.event ?? row.event
    if (rows.length >= lines && row.event < overlapBefore(newest)) break
    rows.push(row)
  }
  return rows.reverse()
}

/**
 * Follows the inbox: each event once, and each of its dispatches whenever its status or its attempts change.
 * @param start what was there before, oldest first; only the last `lines` of it are told
 */
export function follow(
  client: GatewayClient,
  filters: EventFilters,
  start: readonly EventRow[],
  lines: number,
): Follower {
  let first = lines > 0 ? start.slice(-lines) : []
  const told = new Set(start.filter((row) => !first.includes(row)).map(({ event }) => event))
  const watched = new Map<string, Map<string, string>>()
  /** Found, but not yet told, because a later request of the same look failed. */
  let pending: News[] = []
  let last = start.at(-1)?.event ?? NO_KEY

  function takeEvents(rows: readonly EventRow[]): News[] {
    const news: News[] = []
    for (const event of rows) {
      if (event.event > last) last = event.event
      if (told.has(event.event)) continue
      told.add(event.event)
      watched.set(event.event, new Map())
      news.push({ kind: 'event', event }, ...takeDispatches(event.event, event.dispatches))
    }
    return news
  }

  function takeDispatches(event: string, dispatches: readonly DispatchRow[]): News[] {
    const known = watched.get(event)
    const changed = dispatches.filter(({ ID, status, attempts }) => known?.get(ID) !== `${status} ${attempts}`)
    for (const { ID, status, attempts } of changed) known?.set(ID, `${status} ${attempts}`)
    const ended = dispatches.length > 0 && dispatches.every(({ status }) => status !== 'waiting')
    if (ended || dispatches.length === 0) watched.delete(event)
    // That a new dispatch waits goes without saying.
    return changed
      .filter(({ status, attempts }) => status !== 'waiting' || attempts > 0)
      .map((dispatch) => ({ kind: 'dispatch', event, dispatch }))
  }

  async function lookAtEvents(): Promise<EventRow[]> {
    const after = overlapBefore(last)
    return collect(readEvents(client, filters, { order: 'oldest', limit: Number.POSITIVE_INFINITY, after }))
  }

  async function lookAtDispatches(): Promise<void> {
    const keys = [...watched.keys()]
    for (const key of keys.slice(0, -MAX_WATCHED)) watched.delete(key)
    for (let at = Math.max(0, keys.length - MAX_WATCHED); at < keys.length; at += KEYS_PER_REQUEST) {
      const rows = await client.read<EventRow>('Events', {
        filter: `event in (${keys.slice(at, at + KEYS_PER_REQUEST).join(',')})`,
        select: 'event',
        expand: `dispatches($select=${DISPATCH_COLUMNS};$orderby=ID)`,
      })
      for (const { event, dispatches } of rows) pending.push(...takeDispatches(event, dispatches))
    }
  }

  return {
    async look() {
      const rows = await lookAtEvents()
      pending.push(...takeEvents([...first, ...rows]))
      first = []
      await lookAtDispatches()
      forget()
      const news = pending
      pending = []
      return news
    },
  }

  function forget(): void {
    const oldest = overlapBefore(last)
    for (const key of told) if (key < oldest) told.delete(key)
  }
}

const overlapBefore = (key: string): string => firstKeyAt(madeAt(key) - OVERLAP_MS)
