import http, { type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import https from 'node:https'
import axios, { type AxiosError, AxiosHeaders, isAxiosError } from 'axios'

interface Exchange {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal
  /** URL of an HTTP proxy; for `http:` addresses only, because nothing is tunneled. */
  readonly proxy?: string
}

export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly setCookies: readonly string[]
  readonly text: string
}

export type FailureReason = 'unreachable' | 'timeout' | 'lost' | 'aborted' | 'too-large'

/** No complete answer. Carries nothing of the request: an axios error would take the credentials into the log. */
export class TransportFailure extends Error {
  readonly reason: FailureReason
  /** Node's or the system's code, e.g. `ECONNREFUSED`. */
  readonly code: string
  /** Whether the server may have seen the request. */
  readonly sent: boolean

  constructor(reason: FailureReason, code: string, sent: boolean) {
    super(`${reason} (${code})`)
    this.name = 'TransportFailure'
    this.reason = reason
    this.code = code
    this.sent = sent
  }
}

export interface Transport {
  /** One request, one answer of any status. @throws TransportFailure */
  exchange(request: Exchange): Promise<Answer>
  close(): void
}

/** Unused connections go before SAP's ICM or a BTP router drops them (60 s, 90 s): a write must not meet a dead one. */
const IDLE_CONNECTION_MS = 15_000

/**
 * HTTP over axios with kept connections: no redirects (a base URL comes from configuration, never from an answer), no
 * proxy from the environment, and an answer above `maxResponseBytes` is cut off while it is read.
 */
export function createTransport(limits: { timeoutMs: number; maxResponseBytes: number }): Transport {
  const agentOptions = { keepAlive: true, timeout: IDLE_CONNECTION_MS }
  const [httpAgent, httpsAgent] = [new http.Agent(agentOptions), new https.Agent(agentOptions)]
  const connected = new WeakSet<object>()
  const client = axios.create({
    adapter: 'http',
    httpAgent,
    httpsAgent,
    proxy: false,
    maxRedirects: 0,
    maxContentLength: limits.maxResponseBytes,
    responseType: 'text',
    transformResponse: [(body: unknown) => body],
    validateStatus: () => true,
  })
  return {
    async exchange({ method, url, headers, body, signal, proxy }) {
      const deadline = new AbortController()
      const timer = setTimeout(() => deadline.abort(), limits.timeoutMs)
      try {
        const response = await client.request<string>({
          method,
          url,
          headers,
          data: body,
          signal: signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal,
          ...(proxy === undefined ? {} : { proxy: proxyOf(proxy) }),
          transport: watched(url.startsWith('https:') ? https : http, connected),
        })
        return answerOf(response)
      } catch (thrown) {
        if (!isAxiosError(thrown)) throw thrown
        const code = thrown.code ?? thrown.name
        const sent = thrown.request !== undefined && connected.has(thrown.request)
        throw new TransportFailure(signal?.aborted ? 'aborted' : reasonOf(thrown, sent), code, sent)
      } finally {
        clearTimeout(timer)
      }
    },
    close() {
      httpAgent.destroy()
      httpsAgent.destroy()
    },
  }
}

function proxyOf(url: string) {
  const { hostname, port } = new URL(url)
  return { protocol: 'http', host: hostname, port: Number(port || 80) }
}

/** Notes which requests got a connection, TLS included: before that the server cannot have seen anything. */
const watched = (native: typeof http | typeof https, connected: WeakSet<object>) => ({
  request(options: RequestOptions, onResponse: (response: IncomingMessage) => void): ClientRequest {
    const request = native.request(options, onResponse)
    const note = () => connected.add(request)
    request.once('socket', (socket) => {
      if (request.reusedSocket || !socket.connecting) note()
      else socket.once(native === https ? 'secureConnect' : 'connect', note)
    })
    return request
  },
})

function reasonOf(error: AxiosError, sent: boolean): FailureReason {
  if (error.code === 'ERR_CANCELED') return 'timeout'
  if (error.message.startsWith('maxContentLength')) return 'too-large'
  return sent ? 'lost' : 'unreachable'
}

function answerOf(response: { status: number; headers: object; data: string }): Answer {
  const headers: Record<string, string> = {}
  let setCookies: string[] = []
  for (const [name, value] of Object.entries(AxiosHeaders.from({ ...response.headers }).toJSON())) {
    if (name.toLowerCase() === 'set-cookie') setCookies = Array.isArray(value) ? value : [String(value)]
    else if (value !== null && value !== undefined) headers[name.toLowerCase()] = String(value)
  }
  return { status: response.status, headers, setCookies, text: response.data }
}
