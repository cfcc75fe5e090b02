import { checkDraft, LIMITS } from '#domain/check-draft'
import type { EventDraft } from '#domain/event'
import type { NewEvent, NewItem } from '#domain/ports'
import type { Delivery, Item, Source } from '#domain/source'
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
): { readonly items: readonly NewItem[]; readonly failed?: { readonly thrown: unknown } } {
  try {
    const body = { bytes: delivery.body, hash: bodyHash }
    const items = source.normalize(delivery, verified)
    return { items: items.map((item) => toNewItem(item, delivery.receivedAt, verified, body)) }
  } catch (thrown) {
    return { items: [{ kind: 'bad', reason: 'normalizer-failed' }], failed: { thrown } }
  }
}

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
  const dataHash = hashOf(data ?? dataBase64 ?? '', body)
  const contentHash = sha256(JSON.stringify([attributes.type, attributes.subject ?? null, dataHash]))
  return {
    key: newKey(),
    contentHash,
    attributes: {
      ...known(attributes),
      specversion: '1.0',
      recordedtime: receivedAt.toISOString(),
      authlevel: attributes.authlevel ?? verified.authlevel,
    },
    nature,
    ...('id' in identity ? { identity: `id:${identity.id}` } : {}),
    ...('hash' in identity ? { identity: `hash:${contentHash}`, identityWindowMs: identity.windowMs } : {}),
    ...(object ? { object } : {}),
    ...(data === undefined ? {} : { data }),
    ...(dataBase64 === undefined ? {} : { dataBase64 }),
  }
}

/** Most often an event's data is the whole body, and hashing is a tenth of what a delivery costs. */
const hashOf = (text: string, body: Hashed | undefined): string =>
  body && Buffer.byteLength(text) === body.bytes.length && Buffer.from(text).equals(body.bytes)
    ? body.hash
    : sha256(text)

const KEPT = Object.keys(LIMITS) as (keyof typeof LIMITS)[]

/** The attributes the store keeps. Another extension was neither checked nor bounded. */
function known(attributes: EventDraft['attributes']): EventDraft['attributes'] {
  const kept: Partial<Record<keyof typeof LIMITS, string>> = {}
  for (const name of KEPT) {
    const value = (attributes as Partial<Record<keyof typeof LIMITS, string>>)[name]
    if (value !== undefined) kept[name] = value
  }
  return kept as EventDraft['attributes']
}
