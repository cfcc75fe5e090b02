import { refuseForeign } from './answers.ts'
import { classify } from './classify.ts'
import type { MeshClient, MeshConnection } from './connection.ts'
import { createTokens, type Tokens } from './token.ts'
import { createTransport, type MeshAnswer, type MeshRequest, type Transport } from './transport.ts'

interface RestRequest extends Pick<MeshRequest, 'method' | 'body' | 'headers' | 'signal'> {
  readonly path: string
  /** Statuses of 300 and more that are answers here and no errors. */
  readonly expect?: readonly number[]
  /** For messages: what was asked, without names of secrets. */
  readonly what: string
  /** What is answered may be of any type: a publisher's message. */
  readonly anyContent?: boolean
}

/** The APIs of one message client, with its tokens. */
export interface MeshRest {
  /** Messages and webhook subscriptions: help.sap.com/doc/3dfdf81b17b744ea921ce7ad464d1bd7. */
  messaging(request: RestRequest): Promise<MeshAnswer>
  /** Queues and topics: help.sap.com/doc/75c9efd00fc14183abc4c613490c53f4. Absent where the binding has none. */
  readonly management?: (request: RestRequest) => Promise<MeshAnswer>
  now(): Date
  close(): void
}

export interface RestOptions {
  /** For one request. 30 s: a broker that says nothing must not hold a consumer for ever. */
  readonly timeoutMs?: number
  readonly now?: () => Date
}

const DEFAULT_TIMEOUT_MS = 30_000
const MESSAGING = '/messagingrest/v1'

/** @throws SluiceError of `classify.ts` and `transport.ts` from every call, and nothing else */
export function createRest(connection: MeshConnection, options: RestOptions = {}): MeshRest {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, now = () => new Date() } = options
  const { ca, messaging, management } = connection
  const trusted = ca ? { ca } : {}
  const transport = createTransport({ timeoutMs, ...trusted })
  const opened: Transport[] = [transport]
  const byClient = new Map<string, Tokens>()

  function tokensOf(client: MeshClient): Tokens {
    const key = JSON.stringify([client.tokenUrl, client.clientId])
    const known = byClient.get(key)
    if (known) return known
    const { certificate, key: privateKey } = client
    // A client certificate is shown to the token server only.
    const mine =
      certificate && privateKey ? createTransport({ timeoutMs, certificate, key: privateKey, ...trusted }) : transport
    if (mine !== transport) opened.push(mine)
    const tokens = createTokens(client, mine, now)
    byClient.set(key, tokens)
    return tokens
  }

  const api = (base: string, client: MeshClient) => {
    const tokens = tokensOf(client)
    return async ({
      path,
      what,
      expect = [],
      anyContent = false,
      headers = {},
      ...rest
    }: RestRequest): Promise<MeshAnswer> => {
      const url = base + path
      for (let renewed = false; ; renewed = true) {
        const authorization = await tokens.header()
        const answer = await transport.exchange({ ...rest, url, headers: { ...headers, authorization } })
        if (answer.status < 300 && !anyContent) refuseForeign(answer, what)
        if (answer.status < 300 || expect.includes(answer.status)) return answer
        if (answer.status === 401) tokens.drop(authorization)
        if (answer.status !== 401 || renewed) throw classify(answer, what, now())
      }
    }
  }

  return {
    messaging: api(messaging.url + MESSAGING, messaging.client),
    ...(management ? { management: api(management.url + management.basePath, management.client) } : {}),
    now,
    close() {
      for (const each of opened) each.close()
    },
  }
}

/** Names and topics contain slashes, and each is one segment. */
export const segment = (name: string): string => encodeURIComponent(name)
