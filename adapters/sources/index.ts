import { cloudevents } from './cloudevents.ts'
import { eventMesh } from './event-mesh.ts'
import { github } from './github.ts'
import { hmac } from './hmac.ts'
import { shopify } from './shopify.ts'
import { standardWebhooks } from './standard-webhooks.ts'
import { stripe } from './stripe.ts'

export type { CloudeventsOptions } from './cloudevents.ts'
export type { EventMeshOptions } from './event-mesh.ts'
export type { GithubOptions } from './github.ts'
export type { HmacOptions } from './hmac.ts'
export type { ShopifyOptions } from './shopify.ts'
export type { StandardWebhooksOptions } from './standard-webhooks.ts'
export type { StripeOptions } from './stripe.ts'
export { cloudevents, eventMesh, github, hmac, shopify, standardWebhooks, stripe }

/**
 * Every factory by its kind, as configuration names it: `sources[kind](options)`, secrets already resolved.
 * Each throws SluiceError `configuration` for an unknown option and for an empty or badly encoded secret.
 */
export const sources = {
  github,
  stripe,
  shopify,
  'standard-webhooks': standardWebhooks,
  hmac,
  cloudevents,
  'event-mesh': eventMesh,
} as const

export type SourceKind = keyof typeof sources
