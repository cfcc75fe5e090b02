import { checkDraft } from '#domain/check-draft'
import type { EventDraft } from '#domain/event'
import type { AuthSpec, Delivery, Item, Source, SourceContext } from '#domain/source'
import type { Verification } from '#domain/verification'

export const NOW = new Date('2026-03-01T12:00:00.000Z')
export const seconds = (date: Date): string => String(Math.floor(date.getTime() / 1_000))
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export interface Request {
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Uint8Array
  readonly method?: string
  readonly url?: string
  readonly receivedAt?: Date
}

/** A delivery as the HTTP layer hands it over: lower-case names, one value per header line. */
export function deliver(request: Request = {}): Delivery {
  const { headers = {}, body = '', method = 'POST', url = 'https://gateway.example/webhooks/test' } = request
  const { pathname, searchParams } = new URL(url)
  return {
    method,
    url,
    path: pathname,
    query: searchParams,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value].flat()])),
    body: typeof body === 'string' ? bytes(body) : body,
    receivedAt: request.receivedAt ?? NOW,
  }
}

/** A context that knows the time, and the callers it is told of. Everything else is out of a source's reach here. */
export function contextAt(now: Date = NOW, authenticate?: SourceContext['authenticate']): SourceContext {
  return {
    now,
    signal: new AbortController().signal,
    fetch: () => Promise.reject(new Error('this source must not call out')),
    cache: { get: () => undefined, set: () => undefined },
    state: { get: async () => undefined, set: async () => undefined },
    authenticate:
      authenticate ?? ((_delivery: Delivery, _spec: AuthSpec) => Promise.reject(new Error('no caller expected'))),
    later: () => {
      throw new Error('this source must leave nothing for later')
    },
  }
}

export const verify = async (source: Source, request: Request, now: Date = NOW): Promise<Verification> =>
  source.verify(deliver(request), contextAt(now))

const VERIFIED = { ok: true, authlevel: 'body' } as const

export function normalize(source: Source, request: Request): readonly Item[] {
  const items = source.normalize(deliver(request), VERIFIED)
  if (items instanceof Promise) throw new Error('this body is long: await source.normalize')
  return items
}

/** The only event of a delivery, which must also pass the check that every draft passes before it is stored. */
export function draftOf(source: Source, request: Request): EventDraft {
  const items = normalize(source, request)
  const [item] = items
  if (items.length !== 1 || !item || !('ok' in item) || !item.ok) throw new Error(`no event: ${JSON.stringify(items)}`)
  const checked = checkDraft(item.draft)
  if (!checked.ok) throw new Error(`a draft that would go to quarantine: ${checked.reason} ${checked.detail}`)
  return item.draft
}
