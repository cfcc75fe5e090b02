import { SluiceError, toFault } from '#domain/errors'
import { labelsOf } from '#domain/labels'
import type { Clock, Intake, Log, NewDelivery } from '#domain/ports'
import type { Awaitable, Delivery, DispatchEnd, Outcome, Reply, Source, SourceContext } from '#domain/source'
import type { Meter, Trace, Tracer } from '#domain/telemetry'
import type { Refusal, Undecided, Verified } from '#domain/verification'
import { faultFields } from './fault-fields.ts'
import { sha256 } from './ids.ts'
import { type Normalized, normalize, normalizerFailed, traced } from './intake-item.ts'
import { checkReply, problem, type RejectionReason, refusalProblem, retryLater } from './problem.ts'
import { refusalLog } from './refusal-log.ts'
import type { Callers } from './reply-when.ts'
import { safeHeaders } from './safe-headers.ts'
import { orTimeout } from './within-time.ts'

/** One delivery on its way through. */
export interface Arrival {
  /** The delivery's key in the inbox, UUID v7. */
  readonly key: string
  /** The configured source's name. */
  readonly name: string
  readonly source: Source
  readonly delivery: Delivery
  readonly context: SourceContext
  /** The body was cut at the limit. */
  readonly oversized: boolean
  /** On every log line of this delivery. */
  readonly correlationId: string
}

export interface ReceiverParts {
  readonly intake: Intake
  readonly clock: Clock
  readonly log: Log
  readonly meter: Meter
  readonly tracer: Tracer
  readonly reject: (source: string, reason: RejectionReason, correlationId: string) => void
  /** Called after a commit that brought new events: there is work. */
  readonly stored: () => void
  /** For sources whose callers wait for what the handler says. */
  readonly wait: Callers['wait']
  /** Longest time for each of a source's checks, in ms. */
  readonly verifyTimeoutMs: number
}

const RETRY_MS = 5_000
/** Longest time for a source to normalize a delivery: more than all that fits into memory takes, one after another. */
const NORMALIZE_MS = 60_000

/** The closed order of an arrival: handshake, verify the bytes, control, normalize, store, answer. Nothing steps between. */
export function createReceiver(parts: ReceiverParts) {
  const { intake, clock, log, meter, tracer, reject } = parts
  const refusals = refusalLog(clock, log, 'deliveries are stored again')

  return async function receive(arrival: Arrival): Promise<Reply> {
    if (arrival.oversized && arrival.source.acknowledge !== 'always-ok') {
      return rejected(arrival, 'too-large', problem('too-large'))
    }
    let verified: Verified
    try {
      const gate = await passGate(arrival)
      if ('status' in gate) return gate
      verified = gate
    } catch (thrown) {
      return faulty(arrival, thrown)
    }
    return store(arrival, verified)
  }

  /** Everything that sees unverified bytes. A reply ends the delivery here. */
  async function passGate(arrival: Arrival): Promise<Reply | Verified> {
    const { source, delivery, context } = arrival
    if (source.retired) return rejected(arrival, 'retired', problem('retired'))
    const greeting = source.handshake && (await inTime(source.handshake(delivery, context)))
    if (greeting) return greeted(arrival, greeting)
    if (!(source.limits?.methods ?? ['POST']).includes(delivery.method)) {
      return rejected(arrival, 'method-not-allowed', problem('method-not-allowed', { allow: allowed(source) }))
    }
    const verification = await inTime(source.verify(delivery, context))
    if (verification.ok !== true) return declined(arrival, verification)
    const answered = source.control && (await inTime(source.control(delivery, verification, context)))
    return answered ?? verification
  }

  /** A handshake that fails is seen here too, and not only at the broker, which does not say why. */
  function greeted(arrival: Arrival, greeting: Reply | Refusal | Undecided): Reply {
    if ('ok' in greeting) return declined(arrival, greeting)
    return greeting.status < 400 ? greeting : rejected(arrival, 'handshake-refused', greeting)
  }

  /** Only what is really asynchronous gets a timer: most sources are not, and a timer for each delivery is not free. */
  function inTime<T>(value: Awaitable<T>): Awaitable<T> {
    return value instanceof Promise ? orTimeout(clock, parts.verifyTimeoutMs, 'A check of the source', value) : value
  }

  function readInTime(read: Promise<Normalized>): Promise<Normalized> {
    return orTimeout(clock, NORMALIZE_MS, 'Normalizing', read).catch(normalizerFailed)
  }

  async function store(arrival: Arrival, verified: Verified): Promise<Reply> {
    const { name: source, correlationId } = arrival
    let outcome: Outcome
    try {
      outcome = await tracer.store(source, async (trace) => {
        const bodyHash = sha256(arrival.delivery.body)
        const read = arrival.oversized ? TOO_LARGE : normalize(arrival.source, arrival.delivery, verified, bodyHash)
        const found = read instanceof Promise ? await readInTime(read) : read
        const row = toRow(arrival, verified, found, { trace, bodyHash })
        const committed = meter.committing()
        const [stored] = await intake.store([row]).catch((thrown) => {
          committed(false)
          throw thrown
        })
        committed(Boolean(stored))
        if (!stored) throw new SluiceError('outcome-missing', 'The inbox resolved without an outcome for the delivery.')
        return stored
      })
    } catch (thrown) {
      refusals.refused('error', 'a delivery could not be stored', { source, correlationId, ...faultFields(thrown) })
      // Ours, never the sender's: 503, so that it comes again.
      return retryLater('store-unavailable', RETRY_MS)
    }
    refusals.stored(source)
    meter.delivered(source, outcome.outcome)
    if (outcome.items.some((item) => item.outcome === 'accepted')) parts.stored()
    if (outcome.outcome !== 'accepted') {
      log.info('delivery', { source, correlationId, delivery: outcome.delivery, outcome: outcome.outcome })
    }
    return answer(arrival, outcome, await endsOf(arrival, outcome))
  }

  /** Waits where the source's callers do, for the only event of their delivery; a repetition hears what the first heard. */
  function endsOf({ source: { replyWhen }, delivery }: Arrival, { items: [item] }: Outcome) {
    const event = item?.outcome === 'accepted' || item?.outcome === 'duplicate' ? item.event : undefined
    return replyWhen && event ? parts.wait(event, replyWhen, delivery.body.length) : undefined
  }

  function toRow(
    arrival: Arrival,
    verified: Verified,
    { items, failed }: Normalized,
    { trace, bodyHash }: { trace: Trace | undefined; bodyHash: string },
  ): NewDelivery {
    const { key, name, source, delivery, correlationId } = arrival
    const labels = labelsOf(delivery.headers)
    if (failed) {
      const fields = { source: name, kind: source.kind, correlationId, ...faultFields(failed.thrown) }
      log.error('a source failed to normalize a verified delivery', fields)
    }
    return {
      key,
      origin: name,
      channel: 'push',
      receivedAt: delivery.receivedAt,
      method: delivery.method,
      // Without the query, which may hold a token.
      url: delivery.path.slice(0, MAX_URL_LENGTH),
      headers: safeHeaders(delivery.headers, source.keep?.(delivery)),
      body: delivery.body,
      bodyHash,
      authlevel: verified.authlevel,
      items: trace ? traced(items, trace) : items,
      ...(labels ? { labels } : {}),
      ...(verified.secretId ? { secretId: verified.secretId } : {}),
      ...(verified.principal ? { principal: verified.principal.name.slice(0, MAX_PRINCIPAL_LENGTH) } : {}),
    }
  }

  /** From here on the delivery is stored, and no fault of the answer may make the sender believe otherwise. */
  function answer(
    { name, source, delivery, correlationId }: Arrival,
    outcome: Outcome,
    ends: readonly DispatchEnd[] | undefined,
  ): Reply {
    if (!source.reply) return acknowledge(outcome)
    try {
      const reply = source.reply(outcome, delivery, ends)
      checkReply(reply)
      return reply
    } catch (thrown) {
      log.error('a source failed to answer a stored delivery', { source: name, correlationId, ...faultFields(thrown) })
      return acknowledge(outcome)
    }
  }

  function declined(arrival: Arrival, why: Refusal | Undecided): Reply {
    if (why.ok === false) return rejected(arrival, why.reason, refusalProblem(why))
    return rejected(arrival, 'verifier-unavailable', retryLater('verifier-unavailable', why.retryAfterMs))
  }

  function rejected({ name, correlationId }: Arrival, reason: RejectionReason, reply: Reply): Reply {
    reject(name, reason, correlationId)
    return reply
  }

  /** A broken source is ours, never the sender's: 503, so that it comes again. */
  function faulty(arrival: Arrival, thrown: unknown): Reply {
    const { name: source, correlationId } = arrival
    refusals.refused('error', 'a delivery could not be verified', { source, correlationId, ...faultFields(thrown) })
    if (toFault(thrown).code === 'store-unavailable') return retryLater('store-unavailable', RETRY_MS)
    return rejected(arrival, 'verifier-failed', retryLater('verifier-unavailable', RETRY_MS))
  }
}

/** What the store's columns hold. */
const MAX_URL_LENGTH = 2_048
const MAX_PRINCIPAL_LENGTH = 255

const TOO_LARGE: Normalized = { items: [{ kind: 'bad', reason: 'too-large' }] }

const allowed = (source: Source): string =>
  [...(source.limits?.methods ?? ['POST']), ...(source.handshake && source.path === undefined ? ['OPTIONS'] : [])].join(
    ', ',
  )

const acknowledge = ({ outcome, delivery }: Outcome): Reply => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: `{"status":"${outcome}","delivery":"${delivery}"}`,
})
