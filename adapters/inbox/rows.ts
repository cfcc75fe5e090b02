import { LIMITS, OBJECT_LIMITS } from '#domain/check-draft'
import type { EventAttributes, Nature, StoredEvent } from '#domain/event'
import { type DeliveryLabels, LABEL_LIMITS } from '#domain/labels'
import type { NewDelivery, NewEvent, NewItem } from '#domain/ports'
import type { DispatchEnd, ItemOutcome, Outcome } from '#domain/source'
import type { DispatchStatus } from '#domain/status'

/** Moments as every database of ours stores and compares them: `YYYY-MM-DDTHH:mm:ss.sssZ`. */
export function iso(moment: Date): string {
  const at = moment.getTime()
  if (at !== last.at) last = { at, text: moment.toISOString() }
  return last.text
}

/** What one transaction writes is of a few milliseconds, and most of it of the same. */
let last = { at: Number.NaN, text: '' }

/** Name under which a source's last push is kept in `SourceStates`. */
export const LAST_PUSH = '$lastDeliveryAt'

/** Of an event, as its table has them; `specversion` is always 1.0. */
export const ATTRIBUTES = [
  'id',
  'source',
  'type',
  'subject',
  'time',
  'datacontenttype',
  'dataschema',
  'partitionkey',
  'sequence',
  'traceparent',
  'tracestate',
  'recordedtime',
  'providertype',
  'authlevel',
] as const satisfies readonly (keyof EventAttributes)[]

/** Columns of `Events` in the order of `eventValues`. `unrouted` comes extra: databases spell booleans differently. */
export const EVENT_COLUMNS = [
  'event',
  'delivery',
  'origin',
  'receivedAt',
  ...ATTRIBUTES,
  'nature',
  'objectType',
  'objectKey',
  'objectVersion',
  'data',
  'dataBase64',
] as const

type EventColumn = (typeof EVENT_COLUMNS)[number]

/** A row of `Events`; keys spelled as in the model. */
export type EventRow = Readonly<Record<Exclude<EventColumn, 'receivedAt'>, string | null>>

export function eventValues(delivery: NewDelivery, receivedAt: string, event: NewEvent): (string | null)[] {
  const { attributes: a, object } = event
  return [
    event.key,
    delivery.key,
    delivery.origin,
    receivedAt,
    a.id,
    a.source,
    a.type,
    a.subject ?? null,
    a.time ?? null,
    a.datacontenttype ?? null,
    a.dataschema ?? null,
    a.partitionkey ?? null,
    a.sequence ?? null,
    a.traceparent ?? null,
    a.tracestate ?? null,
    a.recordedtime ?? null,
    a.providertype ?? null,
    a.authlevel ?? null,
    event.nature,
    object?.type ?? null,
    object?.key ?? null,
    object?.version ?? null,
    event.data ?? null,
    event.dataBase64 ?? null,
  ]
}

/** The same order wherever an event comes from: handlers print and compare what they get. */
export function attributesIn(
  from: { readonly [Name in (typeof ATTRIBUTES)[number]]?: string | null },
): EventAttributes {
  const attributes: Record<string, string> = { specversion: '1.0' }
  for (const name of ATTRIBUTES) {
    const value = from[name]
    if (value !== null && value !== undefined) attributes[name] = value
  }
  return attributes as unknown as EventAttributes
}

export function storedEvent(row: EventRow): StoredEvent {
  const { objectType, objectKey, objectVersion } = row
  return {
    key: String(row.event),
    origin: String(row.origin),
    delivery: String(row.delivery),
    attributes: attributesIn(row),
    nature: row.nature as Nature,
    ...(objectType === null || objectKey === null
      ? {}
      : {
          object: { type: objectType, key: objectKey, ...(objectVersion === null ? {} : { version: objectVersion }) },
        }),
    ...(row.data === null ? {} : { data: row.data }),
    ...(row.dataBase64 === null ? {} : { dataBase64: row.dataBase64 }),
  }
}

/** Columns of `Deliveries` in the order of `deliveryValues`. */
export const DELIVERY_COLUMNS = [
  'ID',
  'source',
  'channel',
  'receivedAt',
  'method',
  'url',
  'headers',
  'bodyHash',
  'bodyBytes',
  'authlevel',
  'secretId',
  'principal',
  'outcome',
  'reason',
  'applicationId',
  'correlationId',
  'sender',
  'receiver',
  'messageType',
] as const

export const deliveryValues = (
  delivery: NewDelivery,
  receivedAt: string,
  { outcome, reason }: Summary,
): (string | number | null)[] => [
  delivery.key,
  delivery.origin,
  delivery.channel,
  receivedAt,
  delivery.method,
  delivery.url,
  delivery.headers,
  delivery.bodyHash,
  delivery.body.length,
  delivery.authlevel,
  delivery.secretId ?? null,
  delivery.principal ?? null,
  outcome,
  reason ?? null,
  delivery.labels?.applicationId ?? null,
  delivery.labels?.correlationId ?? null,
  delivery.labels?.sender ?? null,
  delivery.labels?.receiver ?? null,
  delivery.labels?.messageType ?? null,
]

/** A row of `Dispatches`, as far as its end goes. */
export interface EndRow {
  readonly subscription: string
  readonly run: number
  readonly status: DispatchStatus
  readonly reason: string | null
  readonly result: string | null
}

export const toEnd = ({ subscription, run, status, reason, result }: EndRow): DispatchEnd => ({
  subscription,
  run,
  status,
  ...(reason === null ? {} : { reason }),
  ...(result === null ? {} : { result }),
})

const SERIOUSNESS: readonly ItemOutcome[] = ['ignored', 'duplicate', 'accepted', 'conflict', 'quarantined']

export interface Summary {
  readonly outcome: ItemOutcome
  readonly reason?: string
  /** Whether the bytes are kept: a repetition brings nothing new. */
  readonly keepsBytes: boolean
}

/** The only event of a delivery whose body is that event's data and nothing else: the same text is kept and sent once. */
export const wholeBody = ([item, more]: readonly NewItem[]): NewEvent | undefined =>
  item?.kind === 'event' && more === undefined && item.event.dataIsBody ? item.event : undefined

/** What becomes of an item that is no event. */
export const plainOutcome = (item: Exclude<NewItem, { kind: 'event' }>): Outcome['items'][number] => ({
  outcome: item.kind === 'bad' ? 'quarantined' : 'ignored',
  reason: item.reason,
})

/** A delivery is what the most serious of its items is. */
export function summarize({ items }: NewDelivery, outcomes: Outcome['items']): Summary {
  let worst = -1
  let reason: string | undefined
  for (const [index, one] of outcomes.entries()) {
    const rank = SERIOUSNESS.indexOf(one.outcome)
    if (rank <= worst) continue
    worst = rank
    const item = items[index]
    reason = item?.kind === 'bad' && item.detail ? `${item.reason}: ${item.detail}` : one.reason
  }
  return {
    outcome: SERIOUSNESS[worst] ?? 'ignored',
    keepsBytes: worst > SERIOUSNESS.indexOf('duplicate'),
    ...(reason === undefined ? {} : { reason: clean(reason, 255) }),
  }
}

const DELIVERY_LIMITS = { key: 36, origin: 100, method: 10, url: 2048, bodyHash: 64, authlevel: 16 } as const
const OPTIONAL_LIMITS = { secretId: 16, principal: 255 } as const
const REQUIRED: ReadonlySet<string> = new Set(['id', 'source', 'type'])

/**
 * Names what some database of ours would refuse or cut in this delivery; undefined where all of them take it as it is.
 * Asked before the transaction, so that a delivery ends the same way on every database.
 */
function unstorable(delivery: NewDelivery): string | undefined {
  for (const name in DELIVERY_LIMITS) {
    const key = name as keyof typeof DELIVERY_LIMITS
    if (!fits(delivery[key], DELIVERY_LIMITS[key])) return name
  }
  for (const name in OPTIONAL_LIMITS) {
    const key = name as keyof typeof OPTIONAL_LIMITS
    if (delivery[key] !== undefined && !fits(delivery[key], OPTIONAL_LIMITS[key])) return name
  }
  if (!fits(delivery.headers, Number.POSITIVE_INFINITY)) return 'headers'
  for (const name in delivery.labels) {
    const key = name as keyof DeliveryLabels
    if (!fits(delivery.labels[key], LABEL_LIMITS[key])) return name
  }
  for (const item of delivery.items) {
    const problem = item.kind === 'event' ? unstorableEvent(item.event) : undefined
    if (problem) return problem
  }
  return undefined
}

function unstorableEvent({ key, contentHash, attributes, object, data, dataBase64 }: NewEvent): string | undefined {
  if (!fits(key, 36)) return 'event key'
  if (!fits(contentHash, 64)) return 'contentHash'
  for (const name of ATTRIBUTES) {
    const value = attributes[name]
    if ((value !== undefined || REQUIRED.has(name)) && !fits(value, LIMITS[name])) return name
  }
  if (object && !(fits(object.type, OBJECT_LIMITS.type) && fits(object.key, OBJECT_LIMITS.key))) return 'object'
  if (object?.version !== undefined && !fits(object.version, OBJECT_LIMITS.version)) return 'object.version'
  if (data !== undefined && !fits(data, Number.POSITIVE_INFINITY)) return 'data'
  if (dataBase64 !== undefined && !fits(dataBase64, Number.POSITIVE_INFINITY)) return 'dataBase64'
  return undefined
}

const fits = (value: unknown, limit: number): boolean =>
  typeof value === 'string' && value.length <= limit && !value.includes('\u0000') && value.isWellFormed()

/** The delivery as it can be kept: its bytes, no events, every text made harmless. */
export const quarantined = (delivery: NewDelivery, detail: string): NewDelivery => ({
  key: delivery.key,
  origin: clean(delivery.origin, DELIVERY_LIMITS.origin),
  channel: delivery.channel,
  receivedAt: delivery.receivedAt,
  method: clean(delivery.method, DELIVERY_LIMITS.method),
  url: clean(delivery.url, DELIVERY_LIMITS.url),
  headers: clean(delivery.headers, 65_536),
  body: delivery.body,
  bodyHash: clean(delivery.bodyHash, DELIVERY_LIMITS.bodyHash),
  authlevel: delivery.authlevel,
  ...(delivery.secretId === undefined ? {} : { secretId: clean(delivery.secretId, OPTIONAL_LIMITS.secretId) }),
  ...(delivery.principal === undefined ? {} : { principal: clean(delivery.principal, OPTIONAL_LIMITS.principal) }),
  items: (delivery.items.length > 0 ? delivery.items : [undefined]).map(() => ({
    kind: 'bad',
    reason: 'store-rejected',
    detail,
  })),
})

/** What goes into the transaction: the delivery, or what can be kept of one that some database would refuse. */
export function harmless(delivery: NewDelivery): NewDelivery {
  const problem = unstorable(delivery)
  return problem === undefined ? delivery : quarantined(delivery, problem)
}

/** A text that every database takes. */
export const clean = (text: unknown, limit: number): string =>
  String(text ?? '')
    .replaceAll('\u0000', '')
    .slice(0, limit)
    .toWellFormed()
