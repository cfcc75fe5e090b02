import https from 'node:https'
import axios, { isAxiosError } from 'axios'
import { SluiceError } from '#domain/errors'

const TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 1024 * 1024

export interface JsonAnswer {
  readonly status: number
  /** Undefined where the answer is no JSON. */
  readonly json: unknown
}

interface JsonRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** With it a POST, a GET without. */
  readonly form?: Readonly<Record<string, string>>
  /** A client certificate in PEM, for bindings of type X.509. */
  readonly certificate?: { readonly cert: string; readonly key: string }
}

/**
 * One request to a platform service. Its address comes from a binding; no redirects, and no proxy from the environment.
 * @throws SluiceError `destination-unavailable` where no answer comes; it carries nothing of the request
 */
export async function askJson({ url, headers, form, certificate }: JsonRequest): Promise<JsonAnswer> {
  const agent = certificate && new https.Agent(certificate)
  try {
    const { status, data } = await axios.request<string>({
      adapter: 'http',
      url,
      method: form ? 'POST' : 'GET',
      headers: { accept: 'application/json', ...headers },
      ...(form ? { data: new URLSearchParams(form).toString() } : {}),
      ...(agent ? { httpsAgent: agent } : {}),
      proxy: false,
      maxRedirects: 0,
      maxContentLength: MAX_ANSWER_BYTES,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      responseType: 'text',
      transformResponse: [(body: unknown) => body],
      validateStatus: () => true,
    })
    return { status, json: parsed(data) }
  } catch (thrown) {
    if (!isAxiosError(thrown)) throw thrown
    throw unavailable(`${new URL(url).host} did not answer (${thrown.code ?? thrown.name}).`)
  } finally {
    agent?.destroy()
  }
}

export const unavailable = (message: string): SluiceError =>
  new SluiceError('destination-unavailable', message, { remedy: 'It is tried again; check the platform’s status.' })

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

/** Own properties only: an answer is the server's, and `constructor` is no element of it. */
export const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined
