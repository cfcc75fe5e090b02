import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Inbox, Log } from '#domain/ports'
import type { Delivery, GuardedFetch, Headers, Reply, Source, SourceContext } from '#domain/source'
import type { Meter, Tracer } from '#domain/telemetry'
import { discardRest, distinctHeaders, type NodeRequest, peerOf, readBody, sendReply } from './http.ts'
import { type ReceiveRequest, toBytes, toDistinct, toPathAndQuery } from './receive-request.ts'
import { byteBudget } from './runtime/byte-budget.ts'
import { correlationOf } from './runtime/correlation.ts'
import { faultFields } from './runtime/fault-fields.ts'
import { newKey } from './runtime/ids.ts'
import { checkReply, type Problem, problem, retryLater } from './runtime/problem.ts'
import { createReceiver } from './runtime/receive.ts'
import type { Callers } from './runtime/reply-when.ts'
import { sourceFinder, splitUrl } from './runtime/source-paths.ts'
import { ttlCache } from './runtime/ttl-cache.ts'

/** Bounds for what comes in: sizes in bytes, times in ms. */
export interface DoorLimits {
  /** Largest body where a source sets none. Where content is never refused, the rest is cut off and quarantined. */
  readonly maxBytes: number
  /** Longest time for a whole body. */
  readonly bodyTimeoutMs: number
  /** Body bytes in memory, over all deliveries. */
  readonly budgetBytes: number
  /** Deliveries between their last byte and their commit. */
  readonly waiting: number
  /** Callers that wait for a handler; who comes on top is answered 202. */
  readonly callers: number
  /** Longest time for each of a source's checks of one delivery. */
  readonly verifyTimeoutMs: number
}

export const DOOR_DEFAULTS: DoorLimits = {
  maxBytes: 5_242_880,
  bodyTimeoutMs: 15_000,
  budgetBytes: 134_217_728,
  waiting: 10_000,
  callers: 1_000,
  verifyTimeoutMs: 10_000,
}

interface DoorParts {
  readonly sources: Readonly<Record<string, Source>>
  readonly inbox: Inbox
  readonly clock: Clock
  readonly log: Log
  readonly meter: Meter
  readonly tracer: Tracer
  readonly stored: () => void
  readonly wait: Callers['wait']
  readonly isOpen: () => boolean
  readonly reject: (source: string, reason: string, correlationId: string) => void
  readonly authenticate: SourceContext['authenticate']
  readonly fetch: GuardedFetch
  readonly publicUrl: string
  readonly limits: DoorLimits
}

export interface Door {
  receive(request: ReceiveRequest): Promise<Reply>
  express(request: NodeRequest | IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void
}

/** Where deliveries come in: finds the source, bounds what is held in memory, and hands the bytes to `receive`. */
export function createDoor(parts: DoorParts): Door {
  const { clock, log, meter, tracer, limits } = parts
  const publicUrl = withoutSlash(parts.publicUrl)
  const budget = byteBudget(limits.budgetBytes)
  const entries = new Map(Object.keys(parts.sources).map((name) => [name, toEntry(name)]))
  const nameOf = sourceFinder(parts.sources)
  const receive = createReceiver({
    intake: parts.inbox.intake,
    clock,
    log,
    meter,
    tracer,
    reject: parts.reject,
    stored: parts.stored,
    wait: parts.wait,
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
        later: (run) => void setImmediate(apart, name, run),
      },
    }
  }

  /** What a source does on its own account: no delivery waits for it, and none can fail by it. */
  function apart(source: string, run: () => Promise<void>): void {
    Promise.resolve()
      .then(run)
      .catch((thrown) => log.warn('a source failed at what it had left for later', { source, ...faultFields(thrown) }))
  }

  /** Only counted: nothing is known of such a delivery that would be worth a row. */
  function refuse(entry: Entry | undefined, reason: Problem, refused: Reply): Refused {
    meter.refused(entry?.name ?? '', reason)
    return { refused: entry ? finished(entry.source, refused) : refused }
  }

  /** What decides before a body is worth reading. */
  function admit(name: string): Entry | Refused {
    const entry = entries.get(name)
    if (!parts.isOpen()) return refuse(entry, 'not-started', retryLater('not-started', 1_000))
    if (!entry) return refuse(entry, 'unknown-source', problem('unknown-source'))
    if (waiting >= limits.waiting) return refuse(entry, 'overloaded', retryLater('overloaded', 1_000))
    return entry
  }

  /** The source's last word on an answer. What is stored by then stays so, whatever it throws. */
  function finished(source: Source, reply: Reply, key = newKey()): Reply {
    if (!source.finish) return reply
    try {
      const last = source.finish(reply, key)
      checkReply(last)
      return last
    } catch (thrown) {
      log.error('a source failed to finish an answer', { kind: source.kind, ...faultFields(thrown) })
      return reply
    }
  }

  async function take({ name, source, surroundings }: Entry, incoming: Incoming): Promise<Reply> {
    const { method, url, headers, body, oversized, correlationId, peer } = incoming
    const [path, query] = splitUrl(url)
    const receivedAt = clock.now()
    const key = newKey()
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
      const reply = await tracer.delivery({ source: name, method, path, headers }, () =>
        receive({ key, name, source, delivery, context, oversized, correlationId }),
      )
      return finished(source, reply, key)
    } finally {
      waiting -= 1
    }
  }

  /** A mistake of the host's set-up. 500, so that the sender repeats what nobody can verify now. */
  function consumed(source: string, correlationId: string, remedy: string): Reply {
    log.error('a body parser ran before Sluice', { source, correlationId, remedy })
    meter.refused(source, 'body-consumed')
    return problem('body-consumed', {}, remedy)
  }

  async function serve(
    request: NodeRequest,
    response: ServerResponse,
    next?: (error?: unknown) => void,
  ): Promise<void> {
    const url = request.originalUrl ?? request.url ?? '/'
    const name = nameOf(url)
    // In every state: what is behind us in an application is none of ours.
    if (next && !entries.has(name)) return next()
    const entry = admit(name)
    const headers = distinctHeaders(request)
    const correlationId = correlationOf(headers)
    if ('refused' in entry) {
      return sendReply(response, entry.refused, correlationId)
    }
    const { source, maxBytes } = entry
    if (source.acknowledge !== 'always-ok' && Number(headers['content-length']?.[0]) > maxBytes) {
      parts.reject(name, 'too-large', correlationId)
      discardRest(request, limits.bodyTimeoutMs)
      return sendReply(response, finished(source, problem('too-large')), correlationId)
    }
    const read = await readBody(request, { maxBytes, timeoutMs: limits.bodyTimeoutMs }, budget)
    if ('failed' in read) {
      if (read.failed === 'gone') return
      if (read.failed === 'consumed') {
        return sendReply(response, finished(source, consumed(name, correlationId, CONSUMED_REMEDY)), correlationId)
      }
      meter.refused(name, read.failed.status === 408 ? 'body-timeout' : 'overloaded')
      return sendReply(response, finished(source, read.failed), correlationId)
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
    receive: async ({ method, url: given, headers: named, body: content, source }) => {
      const url = toPathAndQuery(given)
      const entry = admit(source ?? nameOf(url))
      if ('refused' in entry) return entry.refused
      const headers = toDistinct(named)
      const correlationId = correlationOf(headers)
      const body = toBytes(content)
      if (!body) return consumed(entry.name, correlationId, PARSED_REMEDY)
      const kept = body.subarray(0, entry.maxBytes)
      const oversized = kept.length < body.length
      return take(entry, { method, url, headers, body: kept, oversized, correlationId })
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
  readonly later: SourceContext['later']
  readonly now: Date
  readonly #timeoutMs: number
  #signal: AbortSignal | undefined

  constructor({ fetch, authenticate, cache, state, later }: Surroundings, now: Date, timeoutMs: number) {
    this.fetch = fetch
    this.authenticate = authenticate
    this.cache = cache
    this.state = state
    this.later = later
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

const CONSUMED_REMEDY = 'Mount gateway.express() before express.json() and every other body parser.'
const PARSED_REMEDY = 'Hand gateway.receive() the raw bytes or their text, not what a parser made of them.'

const withoutSlash = (url: string): string => (url.endsWith('/') ? url.slice(0, -1) : url)
