import { hash } from 'node:crypto'
import { LIMITS } from '#domain/check-draft'
import type { EventDraft, Identity, Nature, ObjectRef } from '#domain/event'
import type { Item } from '#domain/source'
import { bad } from './body.ts'

/** What a source found; an attribute that the sender left out is `undefined`. */
export interface Findings {
  /** `undefined`: the sender should have given an id and did not. */
  readonly identity: Identity | undefined
  readonly attributes: { readonly [K in keyof EventDraft['attributes']]: EventDraft['attributes'][K] | undefined }
  readonly nature: Nature
  readonly object?: ObjectRef | undefined
  readonly data?: string | undefined
  readonly dataBase64?: string | undefined
}

/** An accepted item, or a bad one where the event cannot be told from others. `checkDraft` checks the rest. */
export function toItem(found: Findings): Item {
  if (!found.identity) return bad('attribute-missing', 'id')
  const { partitionkey } = found.attributes
  const lane = partitionkey && bounded(partitionkey, LIMITS.partitionkey)
  const attributes = withoutUndefined({ ...found.attributes, partitionkey: lane || undefined })
  return { ok: true, draft: withoutUndefined({ ...found, attributes }) as EventDraft }
}

/** Same members without the undefined ones, because "absent" and "undefined" are stored differently. */
function withoutUndefined<T extends object>(all: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const kept: Record<string, unknown> = {}
  for (const name in all) if (all[name] !== undefined) kept[name] = all[name]
  return kept as { [K in keyof T]: Exclude<T[K], undefined> }
}

/** A sender's id, where there is one and it is not empty. */
export const byId = (id: string | undefined | null): Identity | undefined => (id ? { id } : undefined)

/** Several parts that are unique only together, joined so that no two lists give the same text. */
export const joinId = (parts: readonly string[]): string => bounded(JSON.stringify(parts), LIMITS.id)

/** The name of an object's lane, `<type>/<key>`. */
export const laneOf = ({ type, key }: Pick<ObjectRef, 'type' | 'key'>): string => `${type}/${key}`

/** Text that only has to be the same for the same thing: too long for its column, it is replaced by its hash. */
const bounded = (text: string, limit: number): string =>
  text.length <= limit ? text : `sha256:${hash('sha256', text, 'hex')}`

/** `payment_intent` → `PaymentIntent`, `checkout.session` → `CheckoutSession`: one spelling for every provider. */
export const objectType = (name: string): string =>
  name
    .split(/[._-]/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')
