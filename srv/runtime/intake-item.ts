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
): { readonly items: readonly NewItem[]; readonly failed?: { readonly thrown: unknown } } {
  try {
    return { items: source.normalize(delivery, verified).map((item) => toNewItem(item, delivery.receivedAt, verified)) }
  } catch (thrown) {
    return { items: [{ kind: 'bad', reason: 'normalizer-failed' }], failed: { thrown } }
  }
}

/** Checks and bounds one item; what does not pass is quarantine with the reason. */
export function toNewItem(item: Item, receivedAt: Date, verified: Pick<Verified, 'authlevel'>): NewItem {
  if ('ignored' in item) return { kind: 'ignored', reason: item.ignored.slice(0, MAX_REASON_LENGTH) }
  if (!item.ok) {
    const detail = item.detail?.slice(0, MAX_REASON_LENGTH)
    return { kind: 'bad', reason: item.reason, ...(detail ? { detail } : {}) }
  }
  const checked = checkDraft(item.draft)
  if (!checked.ok) return { kind: 'bad', reason: checked.reason, detail: checked.detail }
  return { kind: 'event', event: toNewEvent(item.draft, receivedAt, verified) }
}

function toNewEvent(draft: EventDraft, receivedAt: Date, verified: Pick<Verified, 'authlevel'>): NewEvent {
  const { identity, attributes, nature, object, data, dataBase64 } = draft
  const contentHash = sha256(JSON.stringify([attributes.type, attributes.subject ?? null]) + (data ?? dataBase64 ?? ''))
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

/** The attributes the store keeps. Another extension was neither checked nor bounded. */
const known = (attributes: EventDraft['attributes']): EventDraft['attributes'] =>
  Object.fromEntries(Object.entries(attributes).filter(([name]) => KEPT.has(name))) as EventDraft['attributes']

const KEPT: ReadonlySet<string> = new Set(Object.keys(LIMITS))
