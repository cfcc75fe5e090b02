import { caller } from './caller.ts'
import { type DeliveryStyle, type DeliveryStyleName, routerHeaders } from './delivery-style.ts'
import type { Message } from './queues.ts'
import { authorizer, type SecuritySchema } from './security-schema.ts'

/** The body of `POST subscriptions`, as CAP and the cockpit send it. */
export interface SubscriptionRequest {
  readonly name: string
  /** `queue:<name>` */
  readonly address: string
  readonly qos: 0 | 1
  readonly pushConfig: {
    readonly type: 'webhook'
    readonly endpoint: string
    readonly exemptHandshake?: boolean
    readonly defaultContentType?: string
    readonly securitySchema?: SecuritySchema | null
  }
  /** Not of the API: another of SAP's brokers pushes. */
  readonly style?: DeliveryStyleName
  /** PEM; not of the API: a router in between ended the TLS of a broker with this certificate. */
  readonly behindRouter?: string
}

/** What the broker calls; knows nothing of queues. */
export interface Webhook {
  /** @returns whether the endpoint allowed the origin. */
  handshake(): Promise<boolean>
  /** @returns whether it was acknowledged. */
  deliver(message: Message): Promise<boolean>
}

export interface WebhookOptions {
  readonly origin: string
  readonly answerTimeoutMs: number
  readonly trustedCa?: string | undefined
  readonly reach?: ((url: string) => string) | undefined
}

export const webhook = (
  { pushConfig, behindRouter }: SubscriptionRequest,
  style: DeliveryStyle,
  { origin, answerTimeoutMs: timeoutMs, trustedCa: ca, reach }: WebhookOptions,
): Webhook => {
  const { endpoint: url, defaultContentType = 'application/json', securitySchema } = pushConfig
  const authorization = authorizer(securitySchema, { timeoutMs, ca, reach })
  const call = caller({ timeoutMs, ca, ...(securitySchema?.type === 'x509' && securitySchema) })
  const added = behindRouter ? routerHeaders(behindRouter) : {}

  const send = async (method: 'OPTIONS' | 'POST', headers: Record<string, string>, body?: Buffer) => {
    const proof = await authorization.headers()
    if (!proof) return undefined
    const answer = await call({ method, url, headers: { ...headers, ...added, ...proof }, ...(body && { body }) })
    if (answer?.status === 401) authorization.forget()
    return answer
  }

  return {
    async handshake() {
      const answer = await send('OPTIONS', { 'WebHook-Request-Origin': origin })
      const allowed = String(answer?.headers['webhook-allowed-origin'] ?? '')
      return answer !== undefined && answer.status >= 200 && answer.status < 300 && ['*', origin].includes(allowed)
    },
    async deliver(message) {
      const { headers, body } = style.request(message, defaultContentType)
      const answer = await send('POST', headers, body)
      return answer !== undefined && style.isAcknowledged(answer.status)
    },
  }
}
