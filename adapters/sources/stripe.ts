import type { KeyObject } from 'node:crypto'
import type { ObjectRef } from '#domain/event'
import { type Delivery, type Item, onlyHeader, type Source } from '#domain/source'
import { refuse, type Verification } from '#domain/verification'
import { readJson } from './body.ts'
import { byId, laneOf, objectType, toItem } from './draft.ts'
import { canonicalType } from './fields.ts'
import { decodeSignature, findSigner, readSignatureList, secretKeys } from './hmac-signature.ts'
import { type Json, memberOf, stringAt, valueAt } from './json.ts'
import { checkOptions } from './options.ts'
import { checkTimestamp, checkTolerance, fromEpochSeconds, toRfc3339 } from './timestamp.ts'

/** Options of kind `stripe`. */
export interface StripeOptions {
  /** The endpoint's signing secret, `whsec_…`, verbatim (it is no base64). Stripe keeps an old one valid up to 24 h. */
  readonly secrets: readonly string[]
  /** How far `t` may lie from our clock, either way. */
  readonly toleranceMs?: number
}

/**
 * `charge.succeeded` and `checkout.session.completed` tell of the same payment as `payment_intent.succeeded`, so only
 * that one is `payment.succeeded.v1`; everything else passes as `stripe.<type>`.
 */
const TYPES: Readonly<Record<string, string>> = {
  'payment_intent.amount_capturable_updated': 'payment.authorized.v1',
  'payment_intent.succeeded': 'payment.succeeded.v1',
  'payment_intent.payment_failed': 'payment.failed.v1',
  'payment_intent.canceled': 'payment.canceled.v1',
  'charge.refunded': 'payment.refunded.v1',
  'charge.dispute.created': 'payment.disputed.v1',
  'payout.paid': 'payment.payout.paid.v1',
  'invoice.paid': 'billing.invoice.paid.v1',
  'invoice.overdue': 'billing.invoice.overdue.v1',
  'customer.subscription.created': 'billing.subscription.created.v1',
  'customer.subscription.updated': 'billing.subscription.updated.v1',
  'customer.subscription.deleted': 'billing.subscription.canceled.v1',
  'customer.created': 'commerce.customer.created.v1',
  'customer.updated': 'commerce.customer.updated.v1',
  'customer.deleted': 'commerce.customer.deleted.v1',
}

/**
 * Stripe events, snapshot (v1) and thin (v2). https://docs.stripe.com/webhooks/signature
 *
 * `data` of a snapshot event is its `data` member (`{ object, previous_attributes }`), not the whole body: Stripe
 * counts `pending_webhooks` in the envelope down between attempts, and a retry must be the same event.
 */
export function stripe(options: StripeOptions): Source {
  checkOptions('stripe', options, ['secrets', 'toleranceMs'])
  const keys = secretKeys('stripe', options.secrets)
  const toleranceMs = checkTolerance('stripe', 'toleranceMs', options.toleranceMs)
  return {
    kind: 'stripe',
    verify: (delivery, { now }) => verify(delivery, keys, now, toleranceMs),
    normalize: (delivery) => [normalize(delivery)],
  }
}

function verify(delivery: Delivery, keys: readonly KeyObject[], now: Date, toleranceMs: number): Verification {
  const header = onlyHeader(delivery.headers, 'stripe-signature')
  if (header === null) return refuse('header-duplicated')
  if (header === undefined) return refuse('signature-missing')
  const list = readSignatureList(header, ',')
  if (list.size === 0) return refuse('signature-malformed')
  const [timestamp, ...others] = list.get('t') ?? []
  if (timestamp === undefined) return refuse('timestamp-missing')
  if (others.length > 0) return refuse('timestamp-malformed')
  const signatures = (list.get('v1') ?? []).flatMap((text) => decodeSignature(text, 'hex', 'sha256') ?? [])
  if (signatures.length === 0) return refuse('signature-malformed')
  const secretId = findSigner(keys, 'sha256', [`${timestamp}.`, delivery.body], signatures)
  if (!secretId) return refuse('signature-invalid')
  const problem = checkTimestamp(timestamp, 's', now, toleranceMs)
  return problem ? refuse(problem) : { ok: true, authlevel: 'body', secretId }
}

function normalize(delivery: Delivery): Item {
  const read = readJson(delivery)
  if (!read.ok) return read
  const { json } = read
  const id = stringAt(json, 'id')
  const providertype = stringAt(json, 'type') ?? ''
  const account = stringAt(json, 'account')
  const object = objectOf(json)
  const snapshot = stringAt(json, 'object') === 'event' ? memberOf(json, 'data') : undefined
  return toItem({
    identity: byId(id),
    attributes: {
      id: id ?? '',
      source: account ? `https://api.stripe.com/v1/accounts/${account}` : 'https://api.stripe.com',
      type: canonicalType('stripe', TYPES, providertype),
      providertype,
      subject: object?.key,
      time: fromEpochSeconds(valueAt(json.value, ['created'])) ?? toRfc3339(stringAt(json, 'created')),
      datacontenttype: 'application/json',
      partitionkey: object && laneOf(object),
    },
    nature: 'fact',
    object,
    data: snapshot?.text ?? json.text,
  })
}

/** `data.object` of a snapshot, `related_object` of a thin event. Some objects (a balance) have no id. */
function objectOf(json: Json): ObjectRef | undefined {
  const key = stringAt(json, 'data', 'object', 'id')
  if (key) return { type: objectType(stringAt(json, 'data', 'object', 'object') ?? 'object'), key }
  const related = stringAt(json, 'related_object', 'id')
  return related ? { type: objectType(stringAt(json, 'related_object', 'type') ?? 'object'), key: related } : undefined
}
