import type { Message } from './queues.ts'

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
}

export type SecuritySchema =
  | { readonly type: 'basic'; readonly user: string; readonly password: string }
  | {
      readonly type: 'oauth2'
      readonly grantType: 'client_credentials'
      readonly clientId: string
      readonly clientSecret: string
      readonly tokenUrl: string
    }

/** What the broker calls; knows nothing of queues. */
export interface Webhook {
  /** @returns whether the endpoint allowed the origin. */
  handshake(): Promise<boolean>
  /** @returns whether it was acknowledged: any 2xx. */
  deliver(message: Message): Promise<boolean>
}

export const webhook = (request: SubscriptionRequest, origin: string, answerTimeoutMs: number): Webhook => {
  const { endpoint, defaultContentType = 'application/json', securitySchema } = request.pushConfig
  const authorization = authorizer(securitySchema ?? undefined)

  const call = async (init: RequestInit & { headers: Record<string, string> }): Promise<Response | undefined> => {
    try {
      const authorized = { ...init.headers, ...(await authorization.header()) }
      const signal = AbortSignal.timeout(answerTimeoutMs)
      const response = await fetch(endpoint, { ...init, headers: authorized, redirect: 'manual', signal })
      await response.arrayBuffer()
      if (response.status === 401) authorization.forget()
      return response
    } catch (error) {
      // Refused, reset, timed out: a delivery that was not acknowledged.
      if (error instanceof TypeError || error instanceof DOMException) return undefined
      throw error
    }
  }

  return {
    async handshake() {
      const response = await call({ method: 'OPTIONS', headers: { 'WebHook-Request-Origin': origin } })
      return response?.ok === true && ['*', origin].includes(response.headers.get('WebHook-Allowed-Origin') ?? '')
    },
    async deliver(message) {
      const headers = { 'content-type': message.contentType ?? defaultContentType, 'x-address': message.address }
      const response = await call({ method: 'POST', headers, body: new Uint8Array(message.body) })
      return response?.ok === true
    },
  }
}

const authorizer = (schema: SecuritySchema | undefined) => {
  let token: { readonly value: string; readonly until: number } | undefined
  return {
    async header(): Promise<Record<string, string>> {
      if (!schema) return {}
      if (schema.type === 'basic') return { authorization: basic(schema.user, schema.password) }
      if (!token || token.until <= Date.now()) token = await fetchToken(schema)
      return { authorization: `Bearer ${token.value}` }
    },
    forget() {
      token = undefined
    },
  }
}

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

const fetchToken = async (schema: Extract<SecuritySchema, { type: 'oauth2' }>) => {
  const response = await fetch(schema.tokenUrl, {
    method: 'POST',
    headers: { authorization: basic(schema.clientId, schema.clientSecret) },
    body: new URLSearchParams({ grant_type: 'client_credentials', response_type: 'token' }),
  })
  if (!response.ok) throw new TypeError(`the token endpoint answered ${response.status}`)
  const { access_token, expires_in } = (await response.json()) as { access_token: string; expires_in: number }
  return { value: access_token, until: Date.now() + (expires_in - 300) * 1000 }
}
