import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Inbox, Log } from '#domain/ports'
import type { Delivery, GuardedFetch, Headers, Reply, Source, SourceContext } from '#domain/source'
import { discardRest, distinctHeaders, type NodeRequest, peerOf, readBody, sendReply } from './http.ts'
import { byteBudget } from './runtime/byte-budget.ts'
import { correlationOf } from './runtime/correlation.ts'
import { faultFields } from './runtime/fault-fields.ts'
import { problem, retryLater } from './runtime/problem.ts'
import { createReceiver } from './runtime/receive.ts'
import { ttlCache } from './runtime/ttl-cache.ts'

export interface DoorLimits {
  /** Largest body where a source sets none. Where content is never refused, the rest is cut off and quarantined. */
  readonly maxBytes: number
  /** Longest time for a whole body. */
  readonly bodyTimeoutMs: number
  /** Body bytes in memory, over all deliveries. */
  readonly budgetBytes: number
  /** Deliveries between their last byte and their commit. */
  readonly waiting: number
  /** Longest time for each of a source's checks of one delivery. */
  readonly verifyTimeoutMs: number
}

export const DOOR_DEFAULTS: DoorLimits = {
  maxBytes: 5_242_880,
  bodyTimeoutMs: 15_000,
  budgetBytes: 134_217_728,
  waiting: 10_000,
  verifyTimeoutMs: 10_000,
}

interface DoorParts {
  readonly sources: Readonly<Record<string, Source>>
  readonly inbox: Inbox
  readonly clock: Clock
  readonly log: Log
  readonly stored: () => void
  readonly isOpen: () => boolean
  readonly reject: (source: string, reason: string, correlationId: string) => void
  readonly authenticate: SourceContext['authenticate']
  readonly fetch: GuardedFetch
  readonly publicUrl: string
  readonly limits: DoorLimits
}

export interface ReceiveRequest {
  readonly method: string
  /** Path and query; the source's name is its last path segment unless `source` is given. */
  readonly url: string
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: Uint8Array
  readonly source?: string
}

export interface Door {
  receive(request: ReceiveRequest): Promise<Reply>
  express(request: NodeRequest | IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void
}

/** Where deliveries come in: finds the source, bounds what is held in memory, and hands the bytes to `receive`. */
export function createDoor(parts: DoorParts): Door {
  const { clock, log, limits } = parts
  const publicUrl = withoutSlash(parts.publicUrl)
  const budget = byteBudget(limits.budgetBytes)
  const entries = new Map(Object.keys(parts.sources).map((name) => [name, toEntry(name)]))
  const receive = createReceiver({
    intake: parts.inbox.intake,
    clock,
    log,
    reject: parts.reject,
    stored: parts.stored,
    verifyTimeoutMs: limits.verifyTimeoutMs,
  })
  let waiting = 0

  function toEntry(name: string): Entry {
    const source = parts.sources[name] as Source
    const { journal } = parts.inbox
    return {
      name,
      source,
      maxBytes: source.limits?.maxBytes ?? limits.maxBytes,
      surroundings: {
        fetch: parts.fetch,
        authenticate: parts.authenticate,
        cache: ttlCache(clock),
        state: {
          get: (key) => journal.sourceState(name, key),
          set: (key, value) => journal.setSourceState(name, key, value),
        },
      },
    }
  }

  /** What decides before a body is worth reading. */
  function admit(name: string): Entry | Refused {
    if (!parts.isOpen()) return { refused: retryLater('not-started', 1_000) }
    const entry = entries.get(name)
    if (!entry) return { refused: problem('unknown-source') }
    if (waiting >= limits.waiting) return { refused: retryLater('overloaded', 1_000) }
    return entry
  }

  async function take({ name, source, surroundings }: Entry, incoming: Incoming): Promise<Reply> {
    const { method, url, headers, body, oversized, correlationId, peer } = incoming
    const [path, query] = splitUrl(url)
    const receivedAt = clock.now()
    const delivery: Delivery = {
      method,
      url: publicUrl + url,
      path,
      query: new URLSearchParams(query),
      headers,
      body,
      receivedAt,
      ...(peer ? { peer } : {}),
    }
    const context = new DeliveryContext(surroundings, receivedAt, limits.verifyTimeoutMs)
    waiting += 1
    try {
      return await receive({ name, source, delivery, context, oversized, correlationId })
    } finally {
      waiting -= 1
    }
  }

  async function serve(
    request: NodeRequest,
    response: ServerResponse,
    next?: (error?: unknown) => void,
  ): Promise<void> {
    const url = request.originalUrl ?? request.url ?? '/'
    const entry = admit(sourceName(url))
    const headers = distinctHeaders(request)
    const correlationId = correlationOf(headers)
    if ('refused' in entry) {
      if (next && entry.refused.status === 404) return next()
      return sendReply(response, entry.refused, correlationId)
    }
    const { name, source, maxBytes } = entry
    if (source.acknowledge !== 'always-ok' && Number(headers['content-length']?.[0]) > maxBytes) {
      parts.reject(name, 'too-large', correlationId)
      discardRest(request, limits.bodyTimeoutMs)
      return sendReply(response, problem('too-large'), correlationId)
    }
    const read = await readBody(request, { maxBytes, timeoutMs: limits.bodyTimeoutMs }, budget)
    if ('failed' in read) {
      if (read.failed === 'gone') return
      if (read.failed.status === 500) {
        log.error('a body parser ran before Sluice', { source: name, correlationId, remedy: BODY_CONSUMED_REMEDY })
      }
      return sendReply(response, read.failed, correlationId)
    }
    const { bytes: body, oversized } = read
    try {
      const peer = peerOf(request)
      const method = request.method ?? 'GET'
      const reply = await take(entry, { method, url, headers, body, oversized, correlationId, peer })
      sendReply(response, reply, correlationId)
    } finally {
      budget.give(body.length)
    }
  }

  return {
    receive: async ({ method, url, headers: given, body, source }) => {
      const entry = admit(source ?? sourceName(url))
      if ('refused' in entry) return entry.refused
      const kept = body.subarray(0, entry.maxBytes)
      const oversized = kept.length < body.length
      const headers = toDistinct(given)
      return take(entry, { method, url, headers, body: kept, oversized, correlationId: correlationOf(headers) })
    },
    express: (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => {
      serve(request, response, next).catch((thrown) => {
        log.error('a request failed', faultFields(thrown))
        sendReply(response, problem('internal'))
      })
    },
  }
}

interface Refused {
  readonly refused: Reply
}

/** A configured source with what its checks may use of the outside world. */
interface Entry {
  readonly name: string
  readonly source: Source
  readonly maxBytes: number
  readonly surroundings: Surroundings
}

type Surroundings = Omit<SourceContext, 'now' | 'signal'>

class DeliveryContext implements SourceContext {
  readonly fetch: SourceContext['fetch']
  readonly authenticate: SourceContext['authenticate']
  readonly cache: SourceContext['cache']
  readonly state: SourceContext['state']
  readonly now: Date
  readonly #timeoutMs: number
  #signal: AbortSignal | undefined

  constructor({ fetch, authenticate, cache, state }: Surroundings, now: Date, timeoutMs: number) {
    this.fetch = fetch
    this.authenticate = authenticate
    this.cache = cache
    this.state = state
    this.now = now
    this.#timeoutMs = timeoutMs
  }

  /** Made only if a source asks for it: most never look, and a timer per delivery is not free. */
  get signal(): AbortSignal {
    this.#signal ??= AbortSignal.timeout(this.#timeoutMs)
    return this.#signal
  }
}

interface Incoming {
  readonly method: string
  readonly url: string
  readonly headers: Headers
  readonly body: Uint8Array
  readonly oversized: boolean
  readonly correlationId: string
  readonly peer?: ReturnType<typeof peerOf>
}

const BODY_CONSUMED_REMEDY = 'Mount gateway.express() before express.json() and every other body parser.'

const withoutSlash = (url: string): string => (url.endsWith('/') ? url.slice(0, -1) : url)

function splitUrl(url: string): [path: string, query: string] {
  const at = url.indexOf('?')
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)]
}

/** The last path segment. */
function sourceName(url: string): string {
  const [path] = splitUrl(url)
  let end = path.length
  while (path[end - 1] === '/') end -= 1
  const segment = path.slice(path.lastIndexOf('/', end - 1) + 1, end)
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch (malformed) {
    if (malformed instanceof URIError) return ''
    throw malformed
  }
}

/** Names in lower case; two that differ only in case are one header sent twice. */
function toDistinct(headers: ReceiveRequest['headers']): Headers {
  const distinct = new Map<string, string[]>()
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue
    const values = distinct.get(name.toLowerCase()) ?? []
    distinct.set(name.toLowerCase(), values.concat(value))
  }
  return Object.fromEntries(distinct)
}
