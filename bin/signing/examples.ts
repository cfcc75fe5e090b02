import { setAt } from './pointer.ts'

/** What an example is made of. */
export interface Wish {
  /** The sender's id of the fact. */
  readonly id: string
  readonly at: Date
  /** The provider's own type; each kind has a default. */
  readonly type?: string | undefined
  /** The source's options: kind `hmac` has its facts where these say. */
  readonly options: Readonly<Record<string, unknown>>
}

export interface Example {
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

const JSON_TYPE = { 'content-type': 'application/json' }

const S4_TYPE = 'sap.s4.beh.salesorder.v1.SalesOrder.Created.v1'

/** One delivery as each kind's provider sends it, small and without anybody's data. */
export const EXAMPLES: Readonly<Record<string, (wish: Wish) => Example>> = {
  github: ({ id, at, type = 'issues' }) => ({
    headers: { ...JSON_TYPE, 'x-github-event': type, 'x-github-delivery': id },
    body: JSON.stringify({
      action: 'opened',
      issue: { id: 1, number: 1, title: 'Sent by sluice', updated_at: seconds(at) },
      repository: { id: 1, full_name: 'example/example', html_url: 'https://github.com/example/example' },
    }),
  }),

  stripe: ({ id, at, type = 'payment_intent.succeeded' }) => ({
    headers: { 'content-type': 'application/json; charset=utf-8' },
    // Stripe sends its JSON with line breaks.
    body: JSON.stringify(
      {
        id,
        object: 'event',
        api_version: '2026-10-28',
        created: Math.floor(at.getTime() / 1_000),
        type,
        livemode: false,
        pending_webhooks: 1,
        data: { object: { id: `pi_${id}`, object: 'payment_intent', amount_received: 1999, currency: 'eur' } },
      },
      null,
      2,
    ),
  }),

  shopify: ({ id, at, type = 'orders/create' }) => ({
    headers: {
      ...JSON_TYPE,
      'x-shopify-topic': type,
      'x-shopify-shop-domain': 'example.myshopify.com',
      'x-shopify-event-id': id,
      'x-shopify-webhook-id': id,
      'x-shopify-triggered-at': at.toISOString(),
    },
    // Shopify's ids are beyond what a JavaScript number holds.
    body: `{"id":9007199254740993,"name":"#1001","updated_at":"${seconds(at)}","total_price":"19.99","currency":"EUR"}`,
  }),

  'standard-webhooks': ({ at, type = 'invoice.paid' }) => ({
    headers: JSON_TYPE,
    body: JSON.stringify({ type, timestamp: at.toISOString(), data: { id: 'inv_1', total: '19.99' } }),
  }),

  hmac: ({ id, at, type = 'order.created', options }) => {
    const body: Record<string, unknown> = { message: 'Sent by sluice' }
    const headers: Record<string, string> = { ...JSON_TYPE }
    const put = (locator: unknown, value: string) => {
      if (typeof locator !== 'string') return
      if (locator.startsWith('/')) setAt(body, locator, value)
      else headers[locator.toLowerCase()] = value
    }
    for (const locator of [options.id].flat()) put(locator, id)
    put(options.type, type)
    put(options.time, at.toISOString())
    put(options.subject, '1')
    for (const locator of [(options.object as { key?: unknown } | undefined)?.key].flat()) put(locator, '1')
    return { headers, body: JSON.stringify(body) }
  },

  cloudevents: ({ id, at, type = 'com.example.order.created.v1' }) => ({
    headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
    body: cloudEvent({ id, at, type, source: '/sluice/send', subject: '1' }, { order: '1' }),
  }),

  'event-mesh': brokered,
  'advanced-event-mesh': brokered,
  'event-hub': eventHub,
  'event-broker': eventHub,

  http: ({ id, at, type = 'order', options }) => ({
    headers: {
      ...JSON_TYPE,
      ...(typeof options.id === 'string' && !options.id.startsWith('/') ? { [options.id]: id } : {}),
    },
    body: JSON.stringify({ id, type, sentAt: at.toISOString() }),
  }),
}

/** A message of a queue, with its topic in the header that Event Mesh and REST delivery points set. */
function brokered({ id, at, type = S4_TYPE, options }: Wish): Example {
  const header = typeof options.topicHeader === 'string' ? options.topicHeader.toLowerCase() : 'x-address'
  return {
    headers: {
      'content-type': 'application/cloudevents+json; charset=utf-8',
      [header]: `topic:sluice/send/1/ce/${type.replaceAll('.', '/')}`,
    },
    body: cloudEvent({ id, at, type, source: '/default/sap.s4.beh/SLUICE' }, { SalesOrder: '1' }),
  }
}

function eventHub({ id, at, type = S4_TYPE, options }: Wish): Example {
  return {
    headers: {
      ...JSON_TYPE,
      'ce-specversion': '1.0',
      'ce-id': id,
      'ce-source': '/default/sap.s4.beh/SLUICE',
      'ce-type': type,
      'ce-time': at.toISOString(),
      ...(typeof options.tenant === 'string' ? { 'ce-sapconsumertenant': options.tenant } : {}),
    },
    body: '{"SalesOrder":"1"}',
  }
}

const seconds = (at: Date): string => at.toISOString().replace(/\.\d+Z$/, 'Z')

const cloudEvent = (
  { at, ...attributes }: { id: string; at: Date; type: string; source: string; subject?: string },
  data: unknown,
): string =>
  JSON.stringify({
    specversion: '1.0',
    ...attributes,
    time: at.toISOString(),
    datacontenttype: 'application/json',
    data,
  })
