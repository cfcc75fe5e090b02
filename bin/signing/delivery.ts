import { recipeOf } from '../../testing/signing/recipe.ts'
import { secretBytes, signatureHeaders, timestampAt } from '../../testing/signing/sign.ts'
import { usage } from '../exit.ts'
import { EXAMPLES, type Wish } from './examples.ts'
import { setAt } from './pointer.ts'

export interface Order extends Wish {
  readonly kind: string
  readonly url: string
  /** The signing secret; kinds without a signature have none. */
  readonly secret?: string | undefined
  /** Sent as it is, instead of the example. */
  readonly body?: Uint8Array | undefined
}

export interface SignedDelivery {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export const KINDS = Object.keys(EXAMPLES)

/** Of all others the caller is proved (by user, token or header), not the body. */
export const isSigned = (kind: string): boolean => SIGNED.has(kind)

const SIGNED: ReadonlySet<string> = new Set(['github', 'stripe', 'shopify', 'standard-webhooks', 'hmac'])

/**
 * A delivery as the provider would make it at this moment.
 * @throws SluiceError `usage` where the secret is not in the form this kind takes, or options are missing
 */
export function makeDelivery(order: Order): SignedDelivery {
  const { kind, id, at, url, options, secret } = order
  const example = EXAMPLES[kind]?.(order) ?? { body: '{}', headers: {} }
  const recipe = recipeOf(kind, options)
  const unit = recipe?.timestamp?.unit ?? 's'
  const body = order.body ?? Buffer.from(dated(example.body, recipe?.timestamp?.from, at, unit))
  if (!isSigned(kind)) return { headers: example.headers, body }
  if (!recipe) throw usage(`Kind ${kind} needs to know how to sign.`, 'Give --source NAME, or -o header=X-Signature.')
  const key = secret === undefined ? undefined : secretBytes(secret, recipe.secret)
  if (!key) throw usage(`The secret is not ${FORMS[recipe.secret]}.`, 'Copy it again from the provider.')
  const signed = { body, id, url, method: 'POST', timestamp: timestampAt(at, unit) }
  return { headers: { ...example.headers, ...signatureHeaders(recipe, key, signed) }, body }
}

const FORMS = { utf8: 'text', hex: 'hexadecimal', base64: 'base64', whsec: 'base64, with or without whsec_' } as const

/** Where the provider signs its timestamp inside the body (Linear), the example carries it there. */
function dated(body: string, from: string | undefined, at: Date, unit: 's' | 'ms' | 'rfc3339'): string {
  if (!from?.startsWith('/')) return body
  const json = JSON.parse(body) as Record<string, unknown>
  setAt(json, from, unit === 'rfc3339' ? at.toISOString() : Number(timestampAt(at, unit)))
  return JSON.stringify(json)
}
