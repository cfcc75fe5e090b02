import type { StoredEvent } from '#domain/event'
import type { EventFilter } from '#domain/filter'
import { wants } from '#domain/filter'
import { dispatchId, lanePartition, type NewEvent } from '#domain/ports'
import type { OrderPolicy, RegisteredSubscription } from '#domain/subscription'
import { laneId } from './hash.ts'

/** A row of `Subscriptions`, as every database returns it. */
export interface SubscriptionRow {
  readonly name: string
  readonly filter: string
  readonly order: string | null
  readonly paused: boolean | number | null
  readonly removedAt: unknown
}

export interface Registration extends RegisteredSubscription {
  readonly paused: boolean
}

/** The subscriptions in force, by name. Read once and kept until the store says that they changed. */
export type Registry = ReadonlyMap<string, Registration>

export const toRegistry = (rows: readonly SubscriptionRow[]): Registry =>
  new Map(rows.filter(({ removedAt }) => removedAt === null).map((row) => [row.name, toRegistration(row)]))

const toRegistration = ({ name, filter, order, paused }: SubscriptionRow): Registration => ({
  name,
  filter: JSON.parse(filter) as EventFilter,
  paused: Boolean(paused),
  ...(order === null ? {} : { order: order as OrderPolicy }),
})

interface PlannedDispatch {
  /** `<event key>:<subscription>:<run>` */
  readonly id: string
  readonly event: string
  readonly run: number
}

/** The new dispatches of one lane, in commit order: they take the positions `tail` … `tail + dispatches.length - 1`. */
export interface PlannedLane {
  readonly id: string
  readonly subscription: string
  readonly partitionkey: string
  readonly dispatches: PlannedDispatch[]
}

export interface FanOut {
  /** Ascending by `id`. Every statement that locks more than one lane uses this order: no deadlocks. */
  readonly lanes: readonly PlannedLane[]
  /** Keys of the events that no subscription wants. */
  readonly unrouted: ReadonlySet<string>
}

/** Which lanes new events enter. `events` are those of the whole batch that are no duplicates, in commit order. */
export function planFanOut(
  registry: Registry,
  events: readonly { readonly origin: string; readonly event: NewEvent }[],
): FanOut {
  const lanes = new Map<string, PlannedLane>()
  const unrouted = new Set<string>()
  for (const { origin, event } of events) {
    let wanted = false
    for (const { name, filter, order } of registry.values()) {
      if (!wants(filter, { origin, attributes: event.attributes })) continue
      wanted = true
      const partitionkey = lanePartition(order, event)
      const id = laneId(name, partitionkey)
      const lane = lanes.get(id) ?? { id, subscription: name, partitionkey, dispatches: [] }
      lanes.set(id, lane)
      lane.dispatches.push({ id: dispatchId(event.key, name, 1), event: event.key, run: 1 })
    }
    if (!wanted) unrouted.add(event.key)
  }
  return { lanes: [...lanes.values()].sort((a, b) => (a.id < b.id ? -1 : 1)), unrouted }
}

/**
 * The lanes an operator's replay enters, ascending by `id`: one new run for each subscription in force that wants the
 * event, also where it never had a run (nobody wanted it then).
 * @param only the subscription the operator named
 * @param runs the last run of each subscription that had one
 */
export function planReplay(
  registry: Registry,
  event: StoredEvent,
  only: string | undefined,
  runs: readonly { readonly subscription: string; readonly run: number }[],
): PlannedLane[] {
  const last = new Map(runs.map(({ subscription, run }) => [subscription, run]))
  return [...registry.values()]
    .filter(({ name, filter }) => (only === undefined || only === name) && wants(filter, event))
    .map(({ name: subscription, order }): PlannedLane => {
      const partitionkey = lanePartition(order, event)
      const run = (last.get(subscription) ?? 0) + 1
      const dispatches = [{ id: dispatchId(event.key, subscription, run), event: event.key, run }]
      return { id: laneId(subscription, partitionkey), subscription, partitionkey, dispatches }
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}
