import type { GatewayClient } from './client.ts'
import { type EventFilters, eventCondition } from './filters.ts'
import { and } from './odata.ts'
import { DISPATCH_COLUMNS, EVENT_COLUMNS, type EventRow } from './rows.ts'

/** The operator API's own limit. */
const PAGE = 1_000

export interface Reading {
  readonly order: 'newest' | 'oldest'
  readonly limit: number
  /** Read on from here, exclusively. */
  readonly after?: string | undefined
}

/** Events in the order of their keys, page by page: each page asks for what lies behind the last key, never for `$skip`. */
export async function* readEvents(
  client: GatewayClient,
  filters: EventFilters,
  { order, limit, after }: Reading,
): AsyncGenerator<EventRow> {
  const [behind, direction] = order === 'newest' ? ['lt', 'desc'] : ['gt', 'asc']
  let last = after
  for (let left = limit; left > 0; ) {
    const top = Math.min(left, PAGE)
    const rows = await client.read<EventRow>('Events', {
      filter: and(eventCondition(filters), last && `event ${behind} ${last}`),
      orderby: `event ${direction}`,
      top,
      select: EVENT_COLUMNS,
      expand: `dispatches($select=${DISPATCH_COLUMNS};$orderby=ID)`,
    })
    yield* rows
    last = rows.at(-1)?.event
    left -= rows.length
    if (rows.length < top) return
  }
}

export async function collect<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const row of rows) all.push(row)
  return all
}
