import type { StoredEvent } from '#domain/event'
import type { ClaimedLane, Work } from '#domain/ports'
import type { LaneWith } from './claim.ts'
import type { NewestEvents } from './newest-events.ts'
import { type Parcel, unpackLane, unpackStored } from './parcel.ts'
import type { RemoteStore } from './remote-store.ts'

type ToldLane = LaneWith<StoredEvent | string>

/** `work.claim` of a store in its thread, which tells the newest events by their keys. */
export function remoteClaim(call: RemoteStore['call'], held: NewestEvents<StoredEvent>): Work['claim'] {
  /** Those that were pushed out while the answer was on its way. */
  async function fetched(keys: readonly string[]): Promise<ReadonlyMap<string, StoredEvent>> {
    const parcels = (await call('store', 'events', [keys])) as Parcel[]
    return new Map(parcels.map((parcel) => unpackStored(parcel)).map((event) => [event.key, event]))
  }

  /** Where that fails too, their leases run out. */
  async function giveBack(lanes: readonly ToldLane[]): Promise<void> {
    const leases = lanes.map(({ lane, owner }) => ({ lane, owner }))
    await call('work', 'release', [leases]).catch(() => undefined)
  }

  return async (request) => {
    held.begin()
    const parcels = (await call('store', 'claim', [request])) as Parcel[]
    const lanes = parcels.map((parcel) => unpackLane(parcel, held.take))
    const keys = lanes.flatMap(({ dispatches }) => dispatches.map(({ event }) => event).filter(isKey))
    if (keys.length === 0) return lanes as ClaimedLane[]
    try {
      const events = await fetched(keys)
      return lanes.map((lane) => complete(lane, events))
    } catch (thrown) {
      // Nobody works on these: left to run out, each lease would count as a lost attempt.
      await giveBack(lanes)
      throw thrown
    }
  }
}

function complete(lane: ToldLane, events: ReadonlyMap<string, StoredEvent>): ClaimedLane {
  const dispatches = lane.dispatches.flatMap((dispatch) => {
    const event = isKey(dispatch.event) ? events.get(dispatch.event) : dispatch.event
    return event ? [{ ...dispatch, event }] : []
  })
  return { ...lane, dispatches }
}

const isKey = (event: StoredEvent | string): event is string => typeof event === 'string'
