import { randomUUID } from 'node:crypto'
import type { Recipe } from '../signing/recipe.ts'
import * as recipes from '../signing/recipe.ts'
import { secretBytes, signatureHeaders, timestampAt } from '../signing/sign.ts'

/** A delivery as a provider sends it. */
export interface SimulatedDelivery {
  /** `POST` unless given. */
  readonly method?: string
  /** Path and query; `/webhooks/<source>` unless given. */
  readonly url?: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

/** Signs at the moment of sending, as providers do: a repeated delivery gets a fresh timestamp. */
export type Signer = (at: Date) => SimulatedDelivery

interface Content {
  /** What the provider sends: an object, or the text itself where the bytes matter. */
  readonly body?: object | string
  /** The sender's id of the fact; a random one unless given. Two deliveries with one id are one event. */
  readonly id?: string
}

interface Secret {
  /** The same as in the source's `secrets`. */
  readonly secret: string
}

/** A GitHub webhook. */
export interface SignedGithub extends Content, Secret {
  /** `X-GitHub-Event`, e.g. `issues`; the action is in the body. */
  readonly event: string
}

/** A Stripe snapshot event. */
export interface SignedStripe extends Secret {
  /** e.g. `payment_intent.succeeded` */
  readonly type: string
  /** The event's `data.object`. */
  readonly object?: object
  readonly id?: string
}

/** A Shopify webhook. */
export interface SignedShopify extends Content, Secret {
  /** e.g. `orders/create` */
  readonly topic: string
  /** `example.myshopify.com` unless given. */
  readonly shop?: string
}

/** A Standard Webhooks message. */
export interface SignedStandardWebhooks extends Content, Secret {}

/** A webhook with an HMAC over its body. */
export interface SignedHmac extends Content, Secret {
  /** The header that holds the signature. */
  readonly header: string
  /** Text before it, e.g. `sha256=`. */
  readonly prefix?: string
  readonly algorithm?: 'sha1' | 'sha256' | 'sha384' | 'sha512'
  readonly encoding?: 'hex' | 'base64' | 'base64url'
  /** Further headers, e.g. that of the event's type. */
  readonly headers?: Readonly<Record<string, string>>
}

/** An event as a CloudEvents sender or Event Mesh delivers it. */
export interface SentCloudEvent {
  readonly type: string
  /** `/simulated` unless given. */
  readonly source?: string
  readonly id?: string
  readonly subject?: string
  readonly partitionkey?: string
  readonly data?: unknown
  /** `Authorization`; the simulation's own caller unless given (it stands in for the authenticator). */
  readonly authorization?: string
}

/** Whoever shows this is known to the gateway of a simulation that was given no authenticator of its own. */
export const SIMULATED_CALLER = 'Bearer simulated'

const text = (body: object | string = {}): string => (typeof body === 'string' ? body : JSON.stringify(body))
const JSON_TYPE = { 'content-type': 'application/json' }

/**
 * The headers that prove a body at a moment.
 * @throws Error where the secret is not in the form of the provider's
 */
function proof(recipe: Recipe, secret: string, body: string, at: Date, id = ''): Record<string, string> {
  const key = secretBytes(secret, recipe.secret)
  if (!key) throw new Error('The secret is not base64, with or without whsec_.')
  const timestamp = timestampAt(at, 's')
  return signatureHeaders(recipe, key, { body: Buffer.from(body), timestamp, id, method: 'POST', url: '' })
}

const github = ({ secret, event, body, id = randomUUID() }: SignedGithub): Signer => {
  const content = text(body)
  const headers = { ...JSON_TYPE, 'x-github-event': event, 'x-github-delivery': id }
  return (at) => ({ headers: { ...headers, ...proof(recipes.GITHUB, secret, content, at) }, body: content })
}

const stripe = ({ secret, type, object = {}, id = `evt_${randomUUID()}` }: SignedStripe): Signer => {
  let created: number | undefined
  return (at) => {
    // Of the fact, not of the try: a repeated delivery must be the same event.
    created ??= Math.floor(at.getTime() / 1_000)
    const body = JSON.stringify({ id, object: 'event', created, type, livemode: false, data: { object } }, null, 2)
    return { headers: { ...JSON_TYPE, ...proof(recipes.stripe(), secret, body, at) }, body }
  }
}

const shopify = ({ secret, topic, shop = 'example.myshopify.com', body, id = randomUUID() }: SignedShopify): Signer => {
  const content = text(body)
  const headers = {
    ...JSON_TYPE,
    'x-shopify-topic': topic,
    'x-shopify-shop-domain': shop,
    'x-shopify-event-id': id,
  }
  return (at) => ({
    headers: { ...headers, ...proof(recipes.shopify('x-shopify-'), secret, content, at) },
    body: content,
  })
}

const standardWebhooks = ({ secret, body, id = `msg_${randomUUID()}` }: SignedStandardWebhooks): Signer => {
  const content = text(body)
  const recipe = recipes.standardWebhooks('webhook-')
  return (at) => ({ headers: { ...JSON_TYPE, ...proof(recipe, secret, content, at, id) }, body: content })
}

/** A signature over the body alone; other schemes of kind `hmac` sign by hand. */
const hmac = ({ secret, headers, body, ...scheme }: SignedHmac): Signer => {
  const content = text(body)
  const recipe = recipes.hmac(scheme, scheme.header)
  return (at) => ({ headers: { ...JSON_TYPE, ...headers, ...proof(recipe, secret, content, at) }, body: content })
}

/** Structured mode. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md */
const cloudevents = (event: SentCloudEvent): Signer => {
  const { authorization = SIMULATED_CALLER, id = randomUUID(), source = '/simulated', ...rest } = event
  const headers = { 'content-type': 'application/cloudevents+json', authorization }
  let time: string | undefined
  return (at) => {
    time ??= at.toISOString()
    return { headers, body: JSON.stringify({ specversion: '1.0', id, source, time, ...rest }) }
  }
}

/** Deliveries as each kind of source gets them, to be handed to `deliver`. The caller's token stands for the broker's. */
export const signed = { github, stripe, shopify, standardWebhooks, hmac, cloudevents, eventMesh: cloudevents } as const
