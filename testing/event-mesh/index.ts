import { startSimulator } from '../simulator-process.ts'
import type { EventMeshOptions, EventMeshSwitches, TokenClient } from './options.ts'
import type { QueueConfig } from './queues.ts'
import type { SubscriptionRequest } from './webhook.ts'

export type { EventMeshOptions, EventMeshSwitches, TokenClient } from './options.ts'
export type { QueueConfig } from './queues.ts'
export type { SecuritySchema, SubscriptionRequest } from './webhook.ts'

export interface QueueState {
  readonly name: string
  /** Waiting for their first delivery. */
  readonly ready: number
  /** Delivered and not acknowledged, those that wait for their next try included. */
  readonly unacked: number
  readonly enqueued: number
  readonly acked: number
  /** Deliveries that were not acknowledged. */
  readonly nacked: number
  readonly redelivered: number
  /** Moved to the dead message queue. */
  readonly dead: number
  /** Expired or spent with no dead message queue to go to. */
  readonly purged: number
}

export interface EventMeshState {
  /** Simulated time. */
  readonly now: string
  readonly handshakes: number
  /** Published to topics nobody had subscribed to. */
  readonly unrouted: number
  readonly queues: readonly QueueState[]
  readonly subscriptions: readonly {
    readonly name: string
    readonly subscriptionStatus: 'ACTIVE' | 'PAUSED'
    readonly handshakeStatus: 'NOT_INITIATED' | 'REQUESTED' | 'COMPLETED' | 'FAILED' | 'EXEMPTED'
    readonly slotsUsed: number
  }[]
}

/** A running Event Mesh simulator: tokens, queues, webhooks. */
export interface EventMeshBroker {
  /** Base of the messaging, management and token APIs. */
  readonly url: string
  readonly tokenUrl: string
  readonly jwksUrl: string
  /** What it sends as `WebHook-Request-Origin`. */
  readonly origin: string
  readonly client: TokenClient
  readonly pid: number
  /** A token of the broker's own client, or of another configured one. */
  token(client?: Pick<TokenClient, 'clientId' | 'clientSecret'>): Promise<string>
  /** Creates or updates a queue and lets it subscribe to topic patterns. */
  queue(name: string, topics?: readonly string[], config?: Partial<QueueConfig>): Promise<void>
  /** Registers a webhook for a queue; its calls carry a token of the broker's own client unless told otherwise. */
  subscribe(queue: string, endpoint: string, options?: Partial<SubscribeOptions>): Promise<void>
  /** Publishes to a topic; `contentType` is `application/cloudevents+json` if absent. */
  publish(topic: string, body: string | object, contentType?: string): Promise<void>
  /** Moves the simulated time on: what is due is redelivered, what is too old dies. */
  advance(ms: number): Promise<EventMeshState>
  state(): Promise<EventMeshState>
  switch(switches: Partial<EventMeshSwitches>): Promise<void>
  /** Signs tokens with a new key from now on. @returns its `kid` */
  rotateKeys(): Promise<string>
  stop(): Promise<void>
}

export interface SubscribeOptions extends Omit<SubscriptionRequest['pushConfig'], 'type' | 'endpoint'> {
  /** The queue's if absent. */
  readonly name: string
  readonly qos: 0 | 1
}

type Ready = Pick<EventMeshBroker, 'url' | 'tokenUrl' | 'jwksUrl' | 'origin' | 'client'>

const management = 'hub/rest/api/v1/management/messaging'

/**
 * Starts a broker that treats webhooks as SAP Event Mesh does: nothing before the handshake, 18 messages at a time, any
 * 2xx acknowledges, everything else comes again after 15 minutes and then ever later. In a process of its own, on
 * 127.0.0.1, with a clock that `advance` moves.
 */
export const eventMeshBroker = async (options: EventMeshOptions = {}): Promise<EventMeshBroker> => {
  const { ready, pid, stop } = await startSimulator<Ready>(import.meta.filename, 'main', { ...options })
  const { url, tokenUrl, jwksUrl, origin, client } = ready

  const call = async (method: string, path: string, init: RequestInit = {}): Promise<Response> => {
    const answer = await fetch(`${url}/${path}`, { method, ...init })
    if (!answer.ok) throw new Error(`Event Mesh simulator: ${method} ${path}: ${answer.status} ${await answer.text()}`)
    return answer
  }
  const token: EventMeshBroker['token'] = async ({ clientId, clientSecret } = client) => {
    const basic = Buffer.from(`${clientId}:${clientSecret}`).toString('base64')
    const body = new URLSearchParams({ grant_type: 'client_credentials' })
    const answer = await call('POST', 'oauth/token', { headers: { authorization: `Basic ${basic}` }, body })
    return ((await answer.json()) as { access_token: string }).access_token
  }
  const send = async (method: string, path: string, body: string | object, headers: Record<string, string> = {}) => {
    const content = typeof body === 'string' ? body : JSON.stringify(body)
    const authorization = `Bearer ${await token()}`
    const type = { 'content-type': 'application/json' }
    await (await call(method, path, { headers: { ...type, authorization, ...headers }, body: content })).arrayBuffer()
  }
  const control = async <T>(path: string, body: object): Promise<T> =>
    (await (await call('POST', `sim/${path}`, { body: JSON.stringify(body) })).json()) as T

  return {
    ...{ url, tokenUrl, jwksUrl, origin, client, pid, token, stop },
    async queue(name, topics = [], config = {}) {
      const path = `${management}/queues/${encodeURIComponent(name)}`
      await send('PUT', path, config)
      for (const topic of topics) await send('PUT', `${path}/subscriptions/${encodeURIComponent(topic)}`, {})
    },
    async subscribe(queue, endpoint, { name = queue, qos = 1, ...push } = {}) {
      const { clientId, clientSecret } = client
      const oauth2 = { type: 'oauth2', grantType: 'client_credentials', clientId, clientSecret, tokenUrl }
      const pushConfig = { type: 'webhook', endpoint, securitySchema: oauth2, ...push }
      await send('POST', 'messagingrest/v1/subscriptions', { name, address: `queue:${queue}`, qos, pushConfig })
    },
    publish: (topic, body, contentType = 'application/cloudevents+json') =>
      send('POST', `messagingrest/v1/topics/${encodeURIComponent(topic)}/messages`, body, {
        'content-type': contentType,
        'x-qos': '1',
      }),
    advance: (ms) => control('time', { advanceMs: ms }),
    state: async () => (await (await call('GET', 'sim/state')).json()) as EventMeshState,
    async switch(switches) {
      await control('switches', switches)
    },
    rotateKeys: async () => (await control<{ kid: string }>('rotate-keys', {})).kid,
  }
}
