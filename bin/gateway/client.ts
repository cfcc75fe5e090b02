import axios, { type AxiosResponse, isAxiosError } from 'axios'
import { SluiceError } from '#domain/errors'
import { isLoopback } from './address.ts'
import { checkAnswer } from './answers.ts'
import { type Query, toQuery } from './odata.ts'
import { unreachable } from './unreachable.ts'

/** The operator API of one gateway: srv/cockpit-service.cds. */
export interface GatewayClient {
  readonly url: URL
  /** @throws SluiceError `gateway-unreachable`, `gateway-refused`, `gateway-foreign`, `gateway-failed`, `not-found`, `conflict` */
  read<Row>(entity: string, query?: Query): Promise<Row[]>
  /** A function or an unbound action's single value. */
  call<Value>(path: string): Promise<Value>
  act<Value = unknown>(path: string, body?: Readonly<Record<string, unknown>>): Promise<Value | undefined>
  /** Any path of the gateway, whatever it answers. */
  probe(method: string, path: string, headers?: Readonly<Record<string, string>>): Promise<AxiosResponse<string>>
}

const COCKPIT = '/odata/v4/cockpit/'
const TIMEOUT_MS = 30_000
const MAX_BYTES = 64 * 1024 * 1024

export function connect(url: URL, authorization: string | undefined, signal?: AbortSignal): GatewayClient {
  const base = url.href.replace(/\/+$/, '')
  const http = axios.create({
    timeout: TIMEOUT_MS,
    maxContentLength: MAX_BYTES,
    // A redirect leads to a log-on page, and would take the credentials along.
    maxRedirects: 0,
    responseType: 'text',
    transformResponse: (text) => text,
    validateStatus: () => true,
    ...(isLoopback(url) ? { proxy: false as const } : {}),
    ...(signal ? { signal } : {}),
  })

  async function probe(method: string, path: string, headers = {}, data?: string): Promise<AxiosResponse<string>> {
    try {
      return await http.request<string>({ method, url: base + path, headers, ...(data === undefined ? {} : { data }) })
    } catch (thrown) {
      throw isAxiosError(thrown) ? unreachable(base, thrown.code, signal) : thrown
    }
  }

  async function ask(method: string, path: string, body?: unknown): Promise<Record<string, unknown> | undefined> {
    const headers: Record<string, string> = { accept: 'application/json' }
    if (authorization) headers.authorization = authorization
    if (body !== undefined) headers['content-type'] = 'application/json'
    const answer = await probe(method, COCKPIT + path, headers, body === undefined ? undefined : JSON.stringify(body))
    return checkAnswer(base, answer, authorization !== undefined)
  }

  return {
    url,
    async read<Row>(entity: string, query: Query = {}) {
      const answer = await ask('GET', `${entity}${toQuery(query)}`)
      return values<Row>(answer, base)
    },
    call: async <Value>(path: string) => (await ask('GET', path))?.value as Value,
    act: async <Value>(path: string, body = {}) => (await ask('POST', path, body))?.value as Value | undefined,
    probe: (method, path, headers) => probe(method, path, headers),
  }
}

function values<Row>(answer: Record<string, unknown> | undefined, base: string): Row[] {
  if (Array.isArray(answer?.value)) return answer.value as Row[]
  throw new SluiceError('gateway-foreign', `${base} answers, but not as a gateway's operator API.`, { retry: 'never' })
}
