import { advancedEventMesh } from './advanced-event-mesh.ts'
import { cloudevents } from './cloudevents.ts'
import { eventBroker } from './event-broker.ts'
import { eventHub } from './event-hub.ts'
import { eventMesh } from './event-mesh.ts'
import { github } from './github.ts'
import { hmac } from './hmac.ts'
import { http } from './http.ts'
import { shopify } from './shopify.ts'
import { standardWebhooks } from './standard-webhooks.ts'
import { stripe } from './stripe.ts'
import { xmlToJson } from './xml-conversion.ts'

export type { AdvancedEventMeshOptions } from './advanced-event-mesh.ts'
export type { CloudeventsOptions } from './cloudevents.ts'
export type { EventHubOptions } from './event-hub.ts'
export type { EventMeshOptions } from './event-mesh.ts'
export type { GithubOptions } from './github.ts'
export type { HmacOptions } from './hmac.ts'
export type { HttpOptions } from './http.ts'
export type { ShopifyOptions } from './shopify.ts'
export type { StandardWebhooksOptions } from './standard-webhooks.ts'
export type { StripeOptions } from './stripe.ts'
export type { XmlToJsonOptions } from './xml-conversion.ts'
export {
  advancedEventMesh,
  cloudevents,
  eventBroker,
  eventHub,
  eventMesh,
  github,
  hmac,
  http,
  shopify,
  standardWebhooks,
  stripe,
  xmlToJson,
}

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
  'event-hub': eventHub,
  'event-broker': eventBroker,
  'advanced-event-mesh': advancedEventMesh,
  http,
} as const

/** The kinds that configuration may name. */
export type SourceKind = keyof typeof sources
