import axios, { isAxiosError } from 'axios'
import { SluiceError } from '#domain/errors'
import { isLoopback } from './gateway/address.ts'
import { unreachable } from './gateway/unreachable.ts'
import type { SignedDelivery } from './signing/delivery.ts'

export interface SendResult {
  /** The sender's id of the event. */
  readonly id: string
  readonly status: number
  /** What the receiver called it: accepted, duplicate, …, or a problem's title. */
  readonly answer: string
  /** The gateway's key of the delivery. */
  readonly delivery?: string
}

const TIMEOUT_MS = 30_000
const MAX_ANSWER_BYTES = 1_048_576

/** @throws SluiceError `gateway-unreachable`; `gateway-foreign` where a web page answers instead of a webhook */
export async function post(
  url: URL,
  { headers, body }: SignedDelivery,
  extra: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Omit<SendResult, 'id'>> {
  const answer = await request(url, 'POST', { ...headers, ...extra }, signal, Buffer.from(body))
  const type = String(answer.headers['content-type'] ?? '')
  if (/\bhtml\b/i.test(type)) {
    throw new SluiceError('gateway-foreign', `${url.href} answered ${answer.status} with a web page: no webhook.`, {
      retry: 'never',
      remedy: 'Check --url: it ends in /webhooks/<source>.',
    })
  }
  return { status: answer.status, ...read(answer.data) }
}

/**
 * A CSRF token and its session, as SAP's HTTPS sender wants them before a modifying call; nothing where the receiver
 * gives none.
 */
export async function fetchToken(
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const answer = await request(url, 'HEAD', { ...headers, 'x-csrf-token': 'Fetch' }, signal)
  const token = answer.headers['x-csrf-token']
  const cookies = ((answer.headers['set-cookie'] as string[] | undefined) ?? []).map((each) => each.split(';')[0])
  if (typeof token !== 'string') return {}
  return { 'x-csrf-token': token, ...(cookies.length > 0 ? { cookie: cookies.join('; ') } : {}) }
}

async function request(
  url: URL,
  method: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
  data?: Buffer,
) {
  try {
    return await axios.request<string>({
      method,
      url: url.href,
      headers,
      ...(data ? { data } : {}),
      timeout: TIMEOUT_MS,
      maxContentLength: MAX_ANSWER_BYTES,
      maxRedirects: 0,
      responseType: 'text',
      transformResponse: (text) => text,
      validateStatus: () => true,
      signal,
      ...(isLoopback(url) ? { proxy: false as const } : {}),
    })
  } catch (thrown) {
    throw isAxiosError(thrown) ? unreachable(url.origin, thrown.code, signal) : thrown
  }
}

function read(text: string): { answer: string; delivery?: string } {
  try {
    const { status, title, delivery } = Object(JSON.parse(text)) as Record<string, unknown>
    const answer = typeof title === 'string' ? title : typeof status === 'string' ? status : ''
    return { answer, ...(typeof delivery === 'string' ? { delivery } : {}) }
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return { answer: text.slice(0, 200) }
    throw thrown
  }
}
