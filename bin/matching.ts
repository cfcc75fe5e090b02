import type { GatewayClient } from './gateway/client.ts'
import { readEvents } from './gateway/events.ts'
import { type EventFilters, isMeant } from './gateway/filters.ts'
import type { DispatchRow, EventRow } from './gateway/rows.ts'

/** One call does not touch more events than this: the rest is for the next. */
const MAX_EVENTS = 100_000

/** The events that match, oldest first, each with those of its dispatches that match too. */
export async function* matching(
  client: GatewayClient,
  filters: EventFilters,
): AsyncGenerator<{ event: EventRow; dispatches: readonly DispatchRow[] }> {
  for await (const event of readEvents(client, filters, { order: 'oldest', limit: MAX_EVENTS })) {
    yield { event, dispatches: event.dispatches.filter((each) => isMeant(filters, each)) }
  }
}
