import type { Nature, ObjectRef } from '#domain/event'
import { laneOf } from './draft.ts'
import { type Json, textAt } from './json.ts'
import { S4_CATALOG, type S4Catalog, type S4Row } from './s4-catalog.ts'
import { toMoment, toRfc3339 } from './timestamp.ts'

/** What an S/4HANA event says beyond its envelope. */
export interface S4Facts {
  /** Canonical, where the catalog knows the object: `sales.order.changed.v1`. */
  readonly type?: string
  readonly object?: ObjectRef
  readonly partitionkey?: string
  readonly nature: Nature
}

/** `…<Object>.<Event>.v<n>`; custom events (`z…`, own namespaces) follow the same form. */
const TYPE = /(?:^|\.)(\w+)\.(\w+)\.(v\d+)$/
const STATE = /^(Item)?(Created|Changed)$/
const ITEM = /^It(em|m)(?=[A-Z])/

/**
 * Type, object, lane and nature of an S/4 event, by the catalog. Only plain *Created* and *Changed* notifications are
 * states; whatever names what happened (Approved, Deleted, …StsChanged) or carries a previous status is a fact, and so
 * is an unknown object: a state may be skipped for a newer one, a fact never.
 */
export function readS4Event(type: string, data: Json | undefined, catalog: S4Catalog = S4_CATALOG): S4Facts {
  const [, name = '', event = '', version = ''] = TYPE.exec(type) ?? []
  const isItem = ITEM.test(event)
  const row = catalog.find(name)
  const items = isItem ? catalog.find(name, 'items') : undefined
  const known = items ?? row
  if (!known) return { nature: 'fact' }
  const named = { type: `${known.type}.${event.replace(items ? ITEM : '', '').toLowerCase()}.${version}` }
  const whole = data && row && refOf(row, name, data)
  const part = data && items && refOf(items, `${name}Item`, data)
  const object = part ?? whole
  if (!data || !object) return { ...named, nature: 'fact' }
  // An item without its key would pass for its order, and a change of one item would supersede another's.
  const isState = (items ? part !== undefined : !isItem) && known.nature === 'state'
  return {
    ...named,
    object,
    // Items go in their document's lane, so that they keep their order with it.
    partitionkey: laneOf(whole ?? object),
    nature: isState && STATE.test(event) && !hasPrevious(data) ? 'state' : 'fact',
  }
}

function refOf({ key }: S4Row, type: string, data: Json): ObjectRef | undefined {
  const parts = key.map((field) => textAt(data, field))
  return parts.length > 0 && parts.every((part) => part) ? { type, key: parts.join('/') } : undefined
}

const hasPrevious = ({ value }: Json): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).some((name) => name.startsWith('Previous'))

/**
 * `2018-04-08 08:31:00`, `2018-04-08T08:31:00`, `20180408083100`, each with an optional fraction and offset: UTC where
 * none is given, as ABAP writes it.
 */
const ABAP_TIME = /^(\d{4})-?(\d{2})-?(\d{2})[T ]?(\d{2}):?(\d{2}):?(\d{2})(\.\d{1,9})?(?:Z|([+-]\d{2}):?(\d{2}))?$/
/** As OData V2 writes moments in JSON. */
const ODATA_TIME = /^\/Date\((\d{13})(?:[+-]\d{1,4})?\)\/$/

/** A moment in RFC 3339; none where it cannot be read, because a time is only a hint and never worth a quarantine. */
export function toSloppyMoment(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const trimmed = text.trim()
  const match = ABAP_TIME.exec(trimmed)
  if (!match) return toMoment(ODATA_TIME.exec(trimmed)?.[1] ?? trimmed)
  const [, year, month, day, hour, minute, second, fraction = '', hours, minutes] = match
  const offset = hours === undefined ? 'Z' : `${hours}:${minutes}`
  return toRfc3339(`${year}-${month}-${day}T${hour}:${minute}:${second}${fraction}${offset}`)
}
