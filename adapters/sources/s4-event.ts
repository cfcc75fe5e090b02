import type { Nature, ObjectRef } from '#domain/event'
import { laneOf } from './draft.ts'
import { type Json, textAt } from './json.ts'
import { S4_OBJECTS } from './s4-objects.ts'
import { toRfc3339 } from './timestamp.ts'

/** What an S/4HANA event says beyond its envelope. */
export interface S4Facts {
  readonly object?: ObjectRef
  readonly partitionkey?: string
  readonly nature: Nature
}

/** `…<Object>.<Event>.v<n>`; custom events (`z…`, own namespaces) follow the same form. */
const TYPE = /(?:^|\.)(\w+)\.(\w+)\.v\d+$/
const STATE = /^(Item)?(Created|Changed)$/
const ITEM = /^It(em|m)[A-Z]/

/**
 * Object, lane and nature of an S/4 event. Only plain *Created* and *Changed* notifications are states; whatever names
 * what happened (Approved, Deleted, …StsChanged) or carries a previous status is a fact, and so is an unknown object:
 * a state may be skipped for a newer one, a fact never.
 */
export function readS4Event(type: string, data: Json | undefined): S4Facts {
  const [, name = '', event = ''] = TYPE.exec(type) ?? []
  const row = Object.hasOwn(S4_OBJECTS, name) ? S4_OBJECTS[name] : undefined
  if (!row || !data) return { nature: 'fact' }
  const header = keyOf(row.key, data)
  if (header === undefined) return { nature: 'fact' }
  const item = ITEM.test(event) ? row.item : undefined
  const itemKey = item && keyOf(item.key, data)
  const object = item && itemKey ? { type: item.type, key: itemKey } : { type: name, key: header }
  // An item without its key would pass for its order, and a change of one item would supersede another's.
  const known = ITEM.test(event) === (object.type !== name)
  return {
    object,
    // Items go in their document's lane, so that they keep their order with it.
    partitionkey: laneOf({ type: name, key: header }),
    nature: known && STATE.test(event) && !hasPrevious(data) ? 'state' : 'fact',
  }
}

function keyOf(fields: readonly string[], data: Json): string | undefined {
  const parts = fields.map((field) => textAt(data, field))
  return parts.every((part) => part) ? parts.join('/') : undefined
}

const hasPrevious = ({ value }: Json): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).some((name) => name.startsWith('Previous'))

/** `2018-04-08 08:31:00`, `2018-04-08T08:31:00`, `20180408083100`, each with an optional fraction: UTC, as ABAP writes it. */
const ABAP_TIME = /^(\d{4})-?(\d{2})-?(\d{2})[T ]?(\d{2}):?(\d{2}):?(\d{2})(\.\d{1,9})?Z?$/

/** A moment in RFC 3339; none where it cannot be read, because a time is only a hint and never worth a quarantine. */
export function toSloppyMoment(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const trimmed = text.trim()
  const match = ABAP_TIME.exec(trimmed)
  if (!match) return toRfc3339(trimmed)
  const [, year, month, day, hour, minute, second, fraction = ''] = match
  return toRfc3339(`${year}-${month}-${day}T${hour}:${minute}:${second}${fraction}Z`)
}
