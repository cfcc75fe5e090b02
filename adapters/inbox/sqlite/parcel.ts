import type { StoredEvent } from '#domain/event'
import type { ClaimedDispatch, ClaimedLane, NewDelivery, NewEvent, NewItem } from '#domain/ports'
import { ATTRIBUTES, wholeBody } from '../rows.ts'
import type { LaneWith } from './claim.ts'

/** What crosses the border between threads most often, as flat lists: objects cost three times as much there. */
export type Parcel = readonly unknown[]

const DELIVERY = [
  'key',
  'origin',
  'channel',
  'receivedAt',
  'method',
  'url',
  'headers',
  'bodyHash',
  'authlevel',
  'secretId',
  'principal',
  'labels',
  'body',
] as const satisfies readonly (keyof NewDelivery)[]
const BODY = DELIVERY.indexOf('body')

const EVENT = [
  'key',
  'identity',
  'identityWindowMs',
  'contentHash',
  'nature',
  'object',
  'data',
  'dataBase64',
  'dataIsBody',
] as const satisfies readonly (keyof NewEvent)[]

const LANE = [
  'lane',
  'subscription',
  'partitionkey',
  'owner',
  'leaseUntil',
  'recovered',
] as const satisfies readonly (keyof ClaimedLane)[]

const DISPATCH = [
  'id',
  'run',
  'attempts',
  'forgiven',
  'lastSentAt',
  'triedBefore',
] as const satisfies readonly (keyof ClaimedDispatch)[]

const STORED = [
  'key',
  'origin',
  'delivery',
  'nature',
  'object',
  'data',
  'dataBase64',
] as const satisfies readonly (keyof StoredEvent)[]

export function packDelivery(delivery: NewDelivery): Parcel {
  const parcel = values(DELIVERY, delivery)
  if (wholeBody(delivery.items)) parcel[BODY] = undefined
  for (const item of delivery.items) {
    parcel.push(item.kind === 'event' ? values(ATTRIBUTES, item.event.attributes, values(EVENT, item.event)) : item)
  }
  return parcel
}

export function unpackDelivery(parcel: Parcel): NewDelivery {
  const items = parcel.slice(DELIVERY.length).map((item) => (isParcel(item) ? unpackEvent(item) : (item as NewItem)))
  const delivery = named(DELIVERY, parcel)
  const whole = wholeBody(items)
  if (whole) delivery.body = Buffer.from(whole.data ?? '')
  delivery.items = items
  return delivery as unknown as NewDelivery
}

/** An event whose key is all that is told is one that the other side has. */
export function packLane(lane: LaneWith<StoredEvent | string>): Parcel {
  const parcel = values(LANE, lane)
  for (const dispatch of lane.dispatches) {
    const { event } = dispatch
    const packed = values(DISPATCH, dispatch)
    if (typeof event === 'string') packed.push(event)
    else packStored(event, packed)
    parcel.push(packed)
  }
  return parcel
}

/** @param take gives the event that was told by its key; where it has none, the key stays */
export function unpackLane(
  parcel: Parcel,
  take: (key: string) => StoredEvent | undefined,
): LaneWith<StoredEvent | string> {
  const lane = named(LANE, parcel)
  lane.dispatches = parcel.slice(LANE.length).map((each) => {
    const packed = each as Parcel
    const dispatch = named(DISPATCH, packed)
    const key = packed[DISPATCH.length] as string
    dispatch.event = packed.length > DISPATCH.length + 1 ? unpackStored(packed, DISPATCH.length) : (take(key) ?? key)
    return dispatch
  })
  return lane as unknown as LaneWith<StoredEvent | string>
}

export const packStored = (event: StoredEvent, before: unknown[] = []): Parcel =>
  values(ATTRIBUTES, event.attributes, values(STORED, event, before))

export const unpackStored = (parcel: Parcel, from = 0): StoredEvent =>
  withAttributes(named(STORED, parcel, from), parcel) as unknown as StoredEvent

const unpackEvent = (parcel: Parcel): NewItem => ({
  kind: 'event',
  event: withAttributes(named(EVENT, parcel), parcel) as unknown as NewEvent,
})

/** An event's attributes are the last part of its parcel. */
function withAttributes(event: Record<string, unknown>, parcel: Parcel): Record<string, unknown> {
  event.attributes = named(ATTRIBUTES, parcel, parcel.length - ATTRIBUTES.length, { specversion: '1.0' })
  return event
}

const isParcel = (item: unknown): item is Parcel => Array.isArray(item)

function values<T extends object>(names: readonly (keyof T)[], from: T, list: unknown[] = []): unknown[] {
  for (const name of names) list.push(from[name])
  return list
}

/** What is absent stays so. */
function named(
  names: readonly string[],
  parcel: Parcel,
  from = 0,
  found: Record<string, unknown> = {},
): Record<string, unknown> {
  for (let index = 0; index < names.length; index += 1) {
    const value = parcel[from + index]
    if (value !== undefined) found[names[index] as string] = value
  }
  return found
}
