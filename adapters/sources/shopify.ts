import type { Nature, ObjectRef } from '#domain/event'
import { type Delivery, type Item, onlyHeader, type Source } from '#domain/source'
import { bad, readJson } from './body.ts'
import { byId, laneOf, objectType, toItem } from './draft.ts'
import { canonicalType } from './fields.ts'
import { secretKeys, verifyBody } from './hmac-signature.ts'
import { type Json, stringAt, textAt } from './json.ts'
import { checkOptions } from './options.ts'
import { toRfc3339 } from './timestamp.ts'

/** Options of kind `shopify`. */
export interface ShopifyOptions {
  /** The app's client secret; two while it is being rotated, because Shopify signs with the oldest one not revoked. */
  readonly secrets: readonly string[]
}

/** By topic; everything else passes as `shopify.<topic>`. */
const TYPES: Readonly<Record<string, string>> = {
  'orders/create': 'commerce.order.created.v1',
  'orders/updated': 'commerce.order.updated.v1',
  'orders/paid': 'commerce.order.paid.v1',
  'orders/fulfilled': 'commerce.order.fulfilled.v1',
  'orders/cancelled': 'commerce.order.canceled.v1',
  'orders/delete': 'commerce.order.deleted.v1',
  'fulfillments/create': 'commerce.shipment.created.v1',
  'fulfillments/update': 'commerce.shipment.updated.v1',
  'customers/create': 'commerce.customer.created.v1',
  'customers/update': 'commerce.customer.updated.v1',
  'customers/delete': 'commerce.customer.deleted.v1',
  'products/create': 'commerce.product.created.v1',
  'products/update': 'commerce.product.updated.v1',
  'products/delete': 'commerce.product.deleted.v1',
  'inventory_levels/update': 'commerce.inventory.changed.v1',
}

/**
 * Shopify webhooks with the `X-Shopify-*` headers and the newer ones with `shopify-*`.
 * https://shopify.dev/docs/apps/build/webhooks/subscribe/https
 *
 * `X-Shopify-Event-Id` names what the merchant did, which may raise several topics: the identity is id and topic. The
 * signature covers the body; all headers stand outside it.
 */
export function shopify(options: ShopifyOptions): Source {
  checkOptions('shopify', options, ['secrets'])
  const keys = secretKeys('shopify', options.secrets)
  return {
    kind: 'shopify',
    limits: { methods: ['POST'], ackMs: 5_000 },
    verify: (delivery) => verifyBody(delivery, keys, { header: `${family(delivery)}hmac-sha256`, encoding: 'base64' }),
    normalize: (delivery) => [normalize(delivery)],
  }
}

const family = (delivery: Delivery): 'shopify-' | 'x-shopify-' =>
  delivery.headers['shopify-hmac-sha256'] ? 'shopify-' : 'x-shopify-'

function normalize(delivery: Delivery): Item {
  const prefix = family(delivery)
  const header = (name: string): string | undefined => onlyHeader(delivery.headers, prefix + name) || undefined
  const topic = header('topic')
  if (!topic) return bad('attribute-missing', `${prefix}topic`)
  const read = readJson(delivery)
  if (!read.ok) return read
  const { json } = read
  const eventId = header('event-id') ?? header('webhook-id')
  // A topic holds no colon, so the last one parts the two.
  const id = eventId && `${eventId}:${topic}`
  const object = objectOf(topic, header('resource-id'), json)
  const shop = header('shop-domain')
  return toItem({
    identity: byId(id),
    attributes: {
      id: id ?? '',
      source: shop ? `https://${shop}` : 'https://shopify.com',
      type: canonicalType('shopify', TYPES, topic),
      providertype: topic,
      subject: object?.key,
      time: toRfc3339(header('triggered-at')) ?? toRfc3339(stringAt(json, 'updated_at')),
      datacontenttype: 'application/json',
      partitionkey: object && laneOf(object),
    },
    nature: natureOf(topic),
    object,
    data: json.text,
  })
}

/** A full copy of a changed record makes an older copy needless; a payment or a cancellation happened. */
const natureOf = (topic: string): Nature => (/\/updated?$/.test(topic) ? 'state' : 'fact')

const GID = /^gid:\/\/shopify\/(\w+)\/([^/]+)$/

function objectOf(topic: string, resourceId: string | undefined, json: Json): ObjectRef | undefined {
  const version = toRfc3339(stringAt(json, 'updated_at'))
  const gid = GID.exec(stringAt(json, 'admin_graphql_api_id') ?? resourceId ?? '')
  const type = gid?.[1] ?? objectType((topic.split('/')[0] ?? '').replace(/s$/, ''))
  const key = gid?.[2] ?? textAt(json, 'id') ?? resourceId
  return key ? { type, key, ...(version ? { version } : {}) } : undefined
}
