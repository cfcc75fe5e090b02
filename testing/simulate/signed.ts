import { createHmac, randomUUID } from 'node:crypto'

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
const seconds = (at: Date): string => String(Math.floor(at.getTime() / 1_000))
const JSON_TYPE = { 'content-type': 'application/json' }

const mac = (
  key: string | Uint8Array,
  signed: string,
  encoding: 'hex' | 'base64' | 'base64url' = 'hex',
  algorithm = 'sha256',
): string => createHmac(algorithm, key).update(signed).digest(encoding)

/** https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries */
const github = ({ secret, event, body, id = randomUUID() }: SignedGithub): Signer => {
  const content = text(body)
  const headers = { ...JSON_TYPE, 'x-github-event': event, 'x-github-delivery': id }
  return () => ({ headers: { ...headers, 'x-hub-signature-256': `sha256=${mac(secret, content)}` }, body: content })
}

/** https://docs.stripe.com/webhooks/signature#verify-manually */
const stripe = ({ secret, type, object = {}, id = `evt_${randomUUID()}` }: SignedStripe): Signer => {
  let created: number | undefined
  return (at) => {
    // Of the fact, not of the try: a repeated delivery must be the same event.
    created ??= Number(seconds(at))
    const body = JSON.stringify({ id, object: 'event', created, type, livemode: false, data: { object } }, null, 2)
    const signature = `t=${seconds(at)},v1=${mac(secret, `${seconds(at)}.${body}`)}`
    return { headers: { ...JSON_TYPE, 'stripe-signature': signature }, body }
  }
}

/** https://shopify.dev/docs/apps/build/webhooks/subscribe/https */
const shopify = ({ secret, topic, shop = 'example.myshopify.com', body, id = randomUUID() }: SignedShopify): Signer => {
  const content = text(body)
  const headers = {
    ...JSON_TYPE,
    'x-shopify-topic': topic,
    'x-shopify-shop-domain': shop,
    'x-shopify-event-id': id,
    'x-shopify-hmac-sha256': mac(secret, content, 'base64'),
  }
  return () => ({ headers, body: content })
}

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
const standardWebhooks = ({ secret, body, id = `msg_${randomUUID()}` }: SignedStandardWebhooks): Signer => {
  const content = text(body)
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  return (at) => {
    const signature = `v1,${mac(key, `${id}.${seconds(at)}.${content}`, 'base64')}`
    const headers = { 'webhook-id': id, 'webhook-timestamp': seconds(at), 'webhook-signature': signature }
    return { headers: { ...JSON_TYPE, ...headers }, body: content }
  }
}

/** A signature over the body alone; other schemes of kind `hmac` sign by hand. */
const hmac = (options: SignedHmac): Signer => {
  const { secret, header, prefix = '', algorithm, encoding, headers, body } = options
  const content = text(body)
  const signature = prefix + mac(secret, content, encoding, algorithm)
  return () => ({ headers: { ...JSON_TYPE, ...headers, [header.toLowerCase()]: signature }, body: content })
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
