import { checkDraft } from '#domain/check-draft'
import { type Fault, toFault } from '#domain/errors'
import type { EventDraft } from '#domain/event'
import type { NewItem } from '#domain/ports'
import type { Delivery, Item, Source } from '#domain/source'
import type { Verified } from '#domain/verification'
import { newKey, sha256 } from './ids.ts'

/** Runs the source's own code over verified bytes. Whatever it throws is quarantine, never an error of the process. */
export function normalize(source: Source, delivery: Delivery, verified: Verified): { items: NewItem[]; fault?: Fault } {
  try {
    return { items: source.normalize(delivery, verified).map((item) => toNewItem(item, delivery, verified)) }
  } catch (thrown) {
    return { items: [{ kind: 'bad', reason: 'normalizer-failed' }], fault: toFault(thrown) }
  }
}

function toNewItem(item: Item, delivery: Delivery, verified: Verified): NewItem {
  if ('ignored' in item) return { kind: 'ignored', reason: item.ignored }
  if (!item.ok) return { kind: 'bad', reason: item.reason, ...(item.detail ? { detail: item.detail } : {}) }
  const checked = checkDraft(item.draft)
  if (!checked.ok) return { kind: 'bad', reason: checked.reason, detail: checked.detail }
  return { kind: 'event', event: toNewEvent(item.draft, delivery.receivedAt, verified) }
}

export function toNewEvent(draft: EventDraft, receivedAt: Date, verified: Pick<Verified, 'authlevel'>) {
  const { identity, attributes, nature, object, data, dataBase64 } = draft
  const contentHash = sha256(JSON.stringify([attributes.type, attributes.subject ?? null]) + (data ?? dataBase64 ?? ''))
  return {
    key: newKey(),
    contentHash,
    attributes: {
      ...attributes,
      specversion: '1.0' as const,
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
