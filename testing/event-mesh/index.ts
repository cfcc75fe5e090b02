import { startSimulator } from '../simulator-process.ts'
import { caller } from './caller.ts'
import type { Certificate } from './certificates.ts'
import type { EventMeshOptions, EventMeshSwitches, TokenClient } from './options.ts'
import type { QueueConfig } from './queues.ts'
import type { SecuritySchema } from './security-schema.ts'
import type { SubscriptionRequest } from './webhook.ts'

export { type Authority, authority, type Certificate } from './certificates.ts'
export type { EventMeshOptions, EventMeshSwitches, Fault, TokenClient, TopicRules } from './options.ts'
export type { QueueConfig } from './queues.ts'
export type { SecuritySchema } from './security-schema.ts'
export type { SubscriptionRequest } from './webhook.ts'

/** What became of a queue's messages so far. */
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
  /** Patterns it has subscribed to. */
  readonly topics: readonly string[]
}

/** Everything the simulator knows at the moment. */
export interface EventMeshState {
  /** Simulated time. */
  readonly now: string
  readonly handshakes: number
  readonly tokensIssued: number
  /** Published to topics nobody had subscribed to. */
  readonly unrouted: number
  readonly queues: readonly QueueState[]
  readonly subscriptions: readonly {
    readonly name: string
    readonly subscriptionStatus: 'ACTIVE' | 'PAUSED'
    readonly handshakeStatus: 'NOT_INITIATED' | 'REQUESTED' | 'COMPLETED' | 'FAILED' | 'EXEMPTED'
    readonly slotsUsed: number
    readonly qos: 0 | 1
    readonly endpoint: string
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
  /** PEM of the authority of this run; with TLS only. */
  readonly ca?: string
  readonly pid: number
  /** A token of the broker's own client, or of another configured one. */
  token(client?: Pick<TokenClient, 'clientId' | 'clientSecret'>): Promise<string>
  /** Creates or updates a queue and lets it subscribe to topic patterns. */
  queue(name: string, topics?: readonly string[], config?: Partial<QueueConfig>): Promise<void>
  /** Registers a webhook for a queue; its calls carry a token of the broker's own client unless told otherwise. */
  subscribe(queue: string, endpoint: string, options?: Partial<SubscribeOptions>): Promise<void>
  /** A system of a Cloud Application Event Hub that delivers a queue's events: binary mode, no handshake. */
  eventHub(queue: string, endpoint: string, options?: PushOptions): Promise<void>
  /** A REST delivery point of an Advanced Event Mesh on a queue: only 200 acknowledges. */
  restDeliveryPoint(queue: string, endpoint: string, options?: PushOptions): Promise<void>
  /** A certificate by the authority of this run, for a server's names or a client's; with TLS only. */
  certificate(commonName: string, names?: readonly string[]): Promise<Certificate>
  /** Publishes to a topic; `contentType` is `application/cloudevents+json` if absent. */
  publish(topic: string, body: string | object, contentType?: string): Promise<void>
  /** Moves the simulated time on: what is due is redelivered, what is too old dies. */
  advance(ms: number): Promise<EventMeshState>
  state(): Promise<EventMeshState>
  /** `METHOD /path` of the latest calls of its APIs, this handle's own included; 1,000 at most. */
  calls(): Promise<readonly string[]>
  switch(switches: Partial<EventMeshSwitches>): Promise<void>
  /** Signs tokens with a new key from now on. @returns its `kid` */
  rotateKeys(): Promise<string>
  /** Every token that was issued is refused from now on. */
  revokeTokens(): Promise<void>
  stop(): Promise<void>
}

/** How a webhook is registered. */
export interface SubscribeOptions extends Omit<SubscriptionRequest['pushConfig'], 'type' | 'endpoint'> {
  /** The queue's if absent. */
  readonly name: string
  readonly qos: 0 | 1
}

/** How messages are pushed. */
export interface PushOptions {
  /** None if absent. */
  readonly securitySchema?: SecuritySchema
  /** PEM: a router in between ended the TLS of a broker with this certificate, and tells it in headers. */
  readonly behindRouter?: string
}

type Ready = Pick<EventMeshBroker, 'url' | 'tokenUrl' | 'jwksUrl' | 'origin' | 'client' | 'ca'>

type Method = 'GET' | 'POST' | 'PUT'

const management = 'hub/rest/api/v1/management/messaging'

/**
 * Starts a broker that treats webhooks as SAP Event Mesh does: nothing before the handshake, 18 messages at a time, any
 * 2xx acknowledges, everything else comes again after 15 minutes and then ever later. In a process of its own, on
 * 127.0.0.1, with a clock that `advance` moves.
 */
export const eventMeshBroker = async (options: EventMeshOptions = {}): Promise<EventMeshBroker> => {
  const { ready, pid, stop } = await startSimulator<Ready>(import.meta.filename, 'main', { ...options })
  const { url, tokenUrl, jwksUrl, origin, client, ca } = ready
  const request = caller({ timeoutMs: 30_000, ca })

  const call = async (
    method: Method,
    path: string,
    headers: Record<string, string> = {},
    body = '',
  ): Promise<string> => {
    const answer = await request({ method, url: `${url}/${path}`, headers, body: Buffer.from(body) })
    if (answer && answer.status < 300) return answer.body
    throw new Error(`Event Mesh simulator: ${method} ${path}: ${answer?.status} ${answer?.body}`)
  }
  const token: EventMeshBroker['token'] = async ({ clientId, clientSecret } = client) => {
    const authorization = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`
    const form = { authorization, 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await call('POST', 'oauth/token', form, 'grant_type=client_credentials')
    return (JSON.parse(answer) as { access_token: string }).access_token
  }
  const send = async (method: Method, path: string, body: string | object, headers: Record<string, string> = {}) => {
    const content = typeof body === 'string' ? body : JSON.stringify(body)
    const authorization = `Bearer ${await token()}`
    await call(method, path, { 'content-type': 'application/json', authorization, ...headers }, content)
  }
  const control = async <T>(path: string, body: unknown): Promise<T> =>
    JSON.parse(await call('POST', `sim/${path}`, {}, JSON.stringify(body))) as T

  const push = async (
    style: NonNullable<SubscriptionRequest['style']>,
    queue: string,
    endpoint: string,
    { securitySchema, behindRouter }: PushOptions = {},
  ): Promise<void> => {
    const pushConfig = { type: 'webhook', endpoint, ...(securitySchema && { securitySchema }) }
    const name = `${style}:${queue}`
    await control('subscriptions', { name, address: `queue:${queue}`, qos: 1, style, behindRouter, pushConfig })
  }

  return {
    ...{ url, tokenUrl, jwksUrl, origin, client, pid, token, stop },
    ...(ca && { ca }),
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
    eventHub: (queue, endpoint, given) => push('event-hub', queue, endpoint, given),
    restDeliveryPoint: (queue, endpoint, given) => push('advanced-event-mesh', queue, endpoint, given),
    certificate: (commonName, names = [commonName]) => control('certificates', [commonName, names]),
    publish: (topic, body, contentType = 'application/cloudevents+json') =>
      send('POST', `messagingrest/v1/topics/${encodeURIComponent(topic)}/messages`, body, {
        'content-type': contentType,
        'x-qos': '1',
      }),
    advance: (ms) => control('time', { advanceMs: ms }),
    state: async () => JSON.parse(await call('GET', 'sim/state')) as EventMeshState,
    calls: async () => JSON.parse(await call('GET', 'sim/calls')) as readonly string[],
    async switch(switches) {
      await control('switches', switches)
    },
    rotateKeys: async () => (await control<{ kid: string }>('rotate-keys', {})).kid,
    async revokeTokens() {
      await control('revoke-tokens', {})
    },
  }
}
