import type { Headers } from '#domain/source'

/** One delivery, as whatever framework has it. */
export interface ReceiveRequest {
  /** Upper case, e.g. `POST`. */
  readonly method: string
  /** Path and query, or the whole URL; the source's name is the last path segment unless `source` is given. */
  readonly url: string
  /** Node's `request.headers`, a plain object, or anything iterable in pairs such as Fetch's `Headers`. */
  readonly headers: HeadersLike
  /** The raw bytes; text where the framework has decoded UTF-8. Never what a parser made of it. */
  readonly body?: Uint8Array | ArrayBuffer | string
  /** Name of the configured source, where the path does not end with it. */
  readonly source?: string
}

/** Header values by name in any case, one or several; or pairs. */
export type HeadersLike =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [name: string, value: string]>

/** Names in lower case; two that differ only in case are one header sent twice. */
export function toDistinct(headers: HeadersLike): Headers {
  const distinct = new Map<string, string[]>()
  for (const [name, value] of isPairs(headers) ? headers : Object.entries(headers)) {
    if (value === undefined) continue
    const values = distinct.get(name.toLowerCase()) ?? []
    distinct.set(name.toLowerCase(), values.concat(value))
  }
  return Object.fromEntries(distinct)
}

/** A name may be anything, but an object's names are strings and this is none. */
const isPairs = (headers: HeadersLike): headers is Iterable<readonly [string, string]> => Symbol.iterator in headers

/** Undefined where it is no text and no bytes: somebody has parsed it, and the signature cannot be checked any more. */
export function toBytes(body: ReceiveRequest['body']): Uint8Array | undefined {
  if (body === undefined || typeof body === 'string') return Buffer.from(body ?? '')
  if (body instanceof Uint8Array) return body
  return body instanceof ArrayBuffer ? new Uint8Array(body) : undefined
}

const ORIGIN = /^https?:\/\/[^/?#]*/i

/** Path and query: what senders sign is the public URL, which only configuration knows. */
export function toPathAndQuery(url: string): string {
  const path = url.replace(ORIGIN, '')
  return path.startsWith('/') ? path : `/${path}`
}
