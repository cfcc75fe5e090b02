import { checkDraft, LIMITS } from '#domain/check-draft'
import type { EventDraft } from '#domain/event'
import type { NewEvent, NewItem } from '#domain/ports'
import type { Awaitable, Delivery, Item, Source } from '#domain/source'
import type { Trace } from '#domain/telemetry'
import type { Verified } from '#domain/verification'
import { newKey, sha256 } from './ids.ts'

/** What the store's column holds. */
const MAX_REASON_LENGTH = 255

/** Runs the source's own code over verified bytes. Whatever it throws is quarantine, never an error of the process. */
export function normalize(
  source: Source,
  delivery: Delivery,
  verified: Verified,
  bodyHash: string,
): Awaitable<Normalized> {
  const body = { bytes: delivery.body, hash: bodyHash }
  const toItems = (items: readonly Item[]) => ({
    items: items.map((item) => toNewItem(item, delivery.receivedAt, verified, body)),
  })
  try {
    const items = source.normalize(delivery, verified)
    return items instanceof Promise ? items.then(toItems).catch(normalizerFailed) : toItems(items)
  } catch (thrown) {
    return normalizerFailed(thrown)
  }
}

export interface Normalized {
  readonly items: readonly NewItem[]
  readonly failed?: { readonly thrown: unknown }
}

export const normalizerFailed = (thrown: unknown): Normalized => ({
  items: [{ kind: 'bad', reason: 'normalizer-failed' }],
  failed: { thrown },
})

/** Bytes whose hash is known. */
interface Hashed {
  readonly bytes: Uint8Array
  readonly hash: string
}

/** Checks and bounds one item; what does not pass is quarantine with the reason. */
export function toNewItem(item: Item, receivedAt: Date, verified: Pick<Verified, 'authlevel'>, body?: Hashed): NewItem {
  if ('ignored' in item) return { kind: 'ignored', reason: item.ignored.slice(0, MAX_REASON_LENGTH) }
  if (!item.ok) {
    const detail = item.detail?.slice(0, MAX_REASON_LENGTH)
    return { kind: 'bad', reason: item.reason, ...(detail ? { detail } : {}) }
  }
  const checked = checkDraft(item.draft)
  if (!checked.ok) return { kind: 'bad', reason: checked.reason, detail: checked.detail }
  return { kind: 'event', event: toNewEvent(item.draft, receivedAt, verified, body) }
}

function toNewEvent(
  draft: EventDraft,
  receivedAt: Date,
  verified: Pick<Verified, 'authlevel'>,
  body: Hashed | undefined,
): NewEvent {
  const { identity, attributes, nature, object, data, dataBase64 } = draft
  const dataIsBody = body !== undefined && data !== undefined && isText(body.bytes, data)
  const dataHash = dataIsBody ? body.hash : sha256(data ?? dataBase64 ?? '')
  const contentHash = sha256(JSON.stringify([attributes.type, attributes.subject ?? null, dataHash]))
  const event: Writable<NewEvent> = {
    key: newKey(),
    contentHash,
    attributes: known(attributes, receivedAt, verified),
    nature,
  }
  if ('id' in identity) event.identity = `id:${identity.id}`
  if ('hash' in identity) {
    event.identity = `hash:${contentHash}`
    event.identityWindowMs = identity.windowMs
  }
  if (object) event.object = object
  if (data !== undefined) event.data = data
  if (dataBase64 !== undefined) event.dataBase64 = dataBase64
  if (dataIsBody) event.dataIsBody = true
  return event
}

/**
 * Events carry the trace they came by. Where a sender has begun one, that stays, and ours refers to it.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/distributed-tracing.md
 */
export const traced = (items: readonly NewItem[], trace: Trace): readonly NewItem[] =>
  items.map((item) => {
    if (item.kind !== 'event') return item
    const { traceparent, tracestate } = item.event.attributes
    if (traceparent === undefined) {
      return { ...item, event: { ...item.event, attributes: { ...item.event.attributes, ...trace.context } } }
    }
    trace.link({ traceparent, ...(tracestate === undefined ? {} : { tracestate }) })
    return item
  })

type Writable<T> = { -readonly [Name in keyof T]: T[Name] }

/** Most often an event's data is the whole body, which then is neither hashed nor stored twice. */
const isText = (bytes: Uint8Array, text: string): boolean =>
  text.length <= bytes.length && Buffer.byteLength(text) === bytes.length && Buffer.from(text).equals(bytes)

const KEPT = Object.keys(LIMITS) as (keyof typeof LIMITS)[]

/** The attributes the store keeps. Another extension was neither checked nor bounded. */
function known(
  attributes: EventDraft['attributes'],
  receivedAt: Date,
  verified: Pick<Verified, 'authlevel'>,
): NewEvent['attributes'] {
  const given = attributes as Partial<Record<keyof typeof LIMITS, string>>
  const kept: Partial<Record<keyof typeof LIMITS | 'specversion', string>> = { specversion: '1.0' }
  for (const name of KEPT) {
    const value = given[name]
    if (value !== undefined) kept[name] = value
  }
  kept.recordedtime = receivedAt.toISOString()
  kept.authlevel ??= verified.authlevel
  return kept as NewEvent['attributes']
}
