import http from 'node:http'
import https from 'node:https'
import { rootCertificates } from 'node:tls'
import axios, { AxiosHeaders, isAxiosError } from 'axios'
import { SluiceError } from '#domain/errors'

export interface MeshRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal
}

export interface MeshAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface Transport {
  /** One request, one answer of any status. @throws SluiceError `mesh-unreachable`, `mesh-timeout`, `stopped` */
  exchange(request: MeshRequest): Promise<MeshAnswer>
  close(): void
}

export interface TransportOptions {
  readonly timeoutMs: number
  readonly ca?: string
  readonly certificate?: string
  readonly key?: string
}

/** A message is at most 1 MB; what is larger is no answer of an Event Mesh. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024
/** Unused connections go before a BTP router drops them after 90 s. */
const IDLE_CONNECTION_MS = 60_000

/**
 * HTTP over axios with kept connections: no redirects, no proxy from the environment. Whatever the network does becomes
 * a transient error that carries nothing of the request: an axios error would take the token into the log.
 */
export function createTransport({ timeoutMs, ca, certificate, key }: TransportOptions): Transport {
  const kept = { keepAlive: true, timeout: IDLE_CONNECTION_MS }
  const httpAgent = new http.Agent(kept)
  const httpsAgent = new https.Agent({
    ...kept,
    ...(ca ? { ca: [...rootCertificates, ca] } : {}),
    ...(certificate ? { cert: certificate } : {}),
    ...(key ? { key } : {}),
  })
  const client = axios.create({
    adapter: 'http',
    httpAgent,
    httpsAgent,
    proxy: false,
    maxRedirects: 0,
    maxContentLength: MAX_ANSWER_BYTES,
    responseType: 'arraybuffer',
    // What a publisher calls compressed and is not would fail here with every try, and hold its queue up for ever.
    decompress: false,
    headers: { 'accept-encoding': 'identity' },
    validateStatus: () => true,
  })
  return {
    async exchange({ method, url, headers = {}, body, signal }) {
      const timeout = AbortSignal.timeout(timeoutMs)
      const either = signal ? AbortSignal.any([signal, timeout]) : timeout
      try {
        const answer = await client.request<Buffer>({ method, url, headers, data: body, signal: either })
        return { status: answer.status, headers: plain(answer.headers), body: Buffer.from(answer.data ?? '') }
      } catch (thrown) {
        if (!isAxiosError(thrown)) throw thrown
        throw toError(thrown.code, url, timeout.aborted, signal?.aborted === true)
      }
    },
    close() {
      httpAgent.destroy()
      httpsAgent.destroy()
    },
  }
}

function toError(code: string | undefined, url: string, late: boolean, stopped: boolean): SluiceError {
  const { host } = new URL(url)
  // The request may have arrived: for a message that is sent twice its receivers have the id.
  if (stopped) return new SluiceError('stopped', 'The request was called off.', { effect: 'unknown' })
  if (late) return new SluiceError('mesh-timeout', `${host} did not answer in time.`, { effect: 'unknown' })
  return new SluiceError('mesh-unreachable', `${host} cannot be reached (${code ?? 'no code'}).`, { effect: 'unknown' })
}

const plain = (headers: object): Record<string, string> =>
  Object.fromEntries(
    Object.entries(AxiosHeaders.from({ ...headers }).toJSON()).flatMap(([name, value]) =>
      value === null || value === undefined ? [] : [[name.toLowerCase(), String(value)]],
    ),
  )
