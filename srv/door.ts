import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Inbox, Log } from '#domain/ports'
import type { GuardedFetch, Headers, Reply, Source, SourceContext } from '#domain/source'
import { discardRest, distinctHeaders, type NodeRequest, peerOf, readBody, sendReply } from './http.ts'
import { byteBudget } from './runtime/byte-budget.ts'
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
  readonly reject: (source: string, reason: string) => void
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
  const { inbox, clock, log, authenticate, fetch, limits } = parts
  const publicUrl = withoutSlash(parts.publicUrl)
  const budget = byteBudget(limits.budgetBytes)
  const sources = new Map(Object.entries(parts.sources))
  const fixed = new Map([...sources.keys()].map((name) => [name, fixedContext(name)]))
  const receiveFrom = createReceiver({
    intake: inbox.intake,
    clock,
    log,
    context,
    reject: parts.reject,
    stored: parts.stored,
    verifyTimeoutMs: limits.verifyTimeoutMs,
  })
  let waiting = 0

  function fixedContext(name: string) {
    const state: SourceContext['state'] = {
      get: (key) => inbox.journal.sourceState(name, key),
      set: (key, value) => inbox.journal.setSourceState(name, key, value),
    }
    return { fetch, authenticate, state, cache: ttlCache(clock) }
  }

  function context(name: string, now: Date): SourceContext {
    const known = fixed.get(name) ?? fixedContext(name)
    let signal: AbortSignal | undefined
    return {
      ...known,
      now,
      // Made only if a source asks for it: most never look, and a timer per delivery is not free.
      get signal() {
        signal ??= AbortSignal.timeout(limits.verifyTimeoutMs)
        return signal
      },
    }
  }

  /** What decides before a body is worth reading. */
  function admit(name: string): { source: Source } | { refused: Reply } {
    if (!parts.isOpen()) return { refused: retryLater('not-started', 1_000) }
    const source = sources.get(name)
    if (!source) return { refused: problem('unknown-source') }
    if (waiting >= limits.waiting) return { refused: retryLater('overloaded', 1_000) }
    return { source }
  }

  async function take(name: string, source: Source, incoming: Incoming): Promise<Reply> {
    const [path, query] = splitUrl(incoming.url)
    waiting += 1
    try {
      return await receiveFrom(name, source, {
        method: incoming.method,
        url: `${publicUrl}${incoming.url}`,
        path,
        query: new URLSearchParams(query),
        headers: incoming.headers,
        body: incoming.body,
        oversized: incoming.oversized,
        ...(incoming.peer ? { peer: incoming.peer } : {}),
      })
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
    const name = sourceName(url)
    const admitted = admit(name)
    if ('refused' in admitted) {
      if (next && admitted.refused.status === 404) return next()
      return sendReply(response, admitted.refused)
    }
    const { source } = admitted
    const maxBytes = source.limits?.maxBytes ?? limits.maxBytes
    if (source.acknowledge !== 'always-ok' && Number(request.headers['content-length']) > maxBytes) {
      parts.reject(name, 'too-large')
      discardRest(request, limits.bodyTimeoutMs)
      return sendReply(response, problem('too-large'))
    }
    const body = await readBody(request, { maxBytes, timeoutMs: limits.bodyTimeoutMs }, budget)
    if ('failed' in body) {
      if (body.failed === 'gone') return
      if (body.failed.status === 500)
        log.error('a body parser ran before Sluice', { source: name, remedy: BODY_CONSUMED_REMEDY })
      return sendReply(response, body.failed)
    }
    try {
      const incoming = {
        method: request.method ?? 'GET',
        url,
        headers: distinctHeaders(request),
        peer: peerOf(request),
      }
      sendReply(response, await take(name, source, { ...incoming, body: body.bytes, oversized: body.oversized }))
    } finally {
      budget.give(body.bytes.length)
    }
  }

  return {
    receive: async ({ method, url, headers, body, source: given }) => {
      const name = given ?? sourceName(url)
      const admitted = admit(name)
      if ('refused' in admitted) return admitted.refused
      const { source } = admitted
      const kept = body.subarray(0, source.limits?.maxBytes ?? limits.maxBytes)
      const oversized = kept.length < body.length
      return take(name, source, { method, url, headers: toDistinct(headers), body: kept, oversized })
    },
    express: (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => {
      serve(request, response, next).catch((thrown) => {
        log.error('a request failed', faultFields(thrown))
        sendReply(response, problem('internal'))
      })
    },
  }
}

interface Incoming {
  readonly method: string
  readonly url: string
  readonly headers: Headers
  readonly body: Uint8Array
  readonly oversized: boolean
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
  const segment =
    splitUrl(url)[0]
      .split('/')
      .findLast((each) => each !== '') ?? ''
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
