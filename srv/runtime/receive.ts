import { toFault } from '#domain/errors'
import type { Clock, Intake, Log, NewDelivery } from '#domain/ports'
import type { Awaitable, Delivery, Outcome, Reply, Source, SourceContext } from '#domain/source'
import type { Verified } from '#domain/verification'
import { faultFields } from './fault-fields.ts'
import { newKey, sha256 } from './ids.ts'
import { normalize } from './intake-item.ts'
import { checkReply, problem, type RejectionReason, refusalProblem, retryLater } from './problem.ts'
import { safeHeaders } from './safe-headers.ts'
import { orTimeout } from './within-time.ts'

/** One delivery on its way through. */
export interface Arrival {
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
  readonly reject: (source: string, reason: RejectionReason, correlationId: string) => void
  /** Called after a commit that brought new events: there is work. */
  readonly stored: () => void
  /** Longest time for each of a source's checks, in ms. */
  readonly verifyTimeoutMs: number
}

const RETRY_MS = 5_000

/** The closed order of an arrival: handshake, verify the bytes, control, normalize, store, answer. Nothing steps between. */
export function createReceiver(parts: ReceiverParts) {
  const { intake, clock, log, reject } = parts

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
    const greeting = source.handshake && (await inTime(source.handshake(delivery, context)))
    if (greeting) return greeting
    if (!(source.limits?.methods ?? ['POST']).includes(delivery.method)) {
      return rejected(arrival, 'method-not-allowed', problem('method-not-allowed', { allow: allowed(source) }))
    }
    const verification = await inTime(source.verify(delivery, context))
    if (verification.ok === 'unknown') {
      return rejected(arrival, 'verifier-unavailable', retryLater('verifier-unavailable', verification.retryAfterMs))
    }
    if (verification.ok !== true) return rejected(arrival, verification.reason, refusalProblem(verification.status))
    const answered = source.control && (await inTime(source.control(delivery, verification, context)))
    return answered ?? verification
  }

  /** Only what is really asynchronous gets a timer: most sources are not, and a timer for each delivery is not free. */
  function inTime<T>(value: Awaitable<T>): Awaitable<T> {
    return value instanceof Promise ? orTimeout(clock, parts.verifyTimeoutMs, 'A check of the source', value) : value
  }

  async function store(arrival: Arrival, verified: Verified): Promise<Reply> {
    const { name: source, correlationId } = arrival
    let outcome: Outcome | undefined
    try {
      ;[outcome] = await intake.store([toRow(arrival, verified)])
    } catch (thrown) {
      log.error('a delivery could not be stored', { source, correlationId, ...faultFields(thrown) })
    }
    // Ours, never the sender's: 503, so that it comes again.
    if (!outcome) return retryLater('store-unavailable', RETRY_MS)
    if (outcome.items.some((item) => item.outcome === 'accepted')) parts.stored()
    if (outcome.outcome !== 'accepted') {
      log.info('delivery', { source, correlationId, delivery: outcome.delivery, outcome: outcome.outcome })
    }
    return answer(arrival, outcome)
  }

  function toRow(arrival: Arrival, verified: Verified): NewDelivery {
    const { name, source, delivery, oversized, correlationId } = arrival
    const bodyHash = sha256(delivery.body)
    const { items, failed } = oversized ? TOO_LARGE : normalize(source, delivery, verified, bodyHash)
    if (failed) {
      const fields = { source: name, kind: source.kind, correlationId, ...faultFields(failed.thrown) }
      log.error('a source failed to normalize a verified delivery', fields)
    }
    return {
      key: newKey(),
      origin: name,
      channel: 'push',
      receivedAt: delivery.receivedAt,
      method: delivery.method,
      // Without the query, which may hold a token.
      url: delivery.path.slice(0, MAX_URL_LENGTH),
      headers: safeHeaders(delivery.headers),
      body: delivery.body,
      bodyHash,
      authlevel: verified.authlevel,
      items,
      ...(verified.secretId ? { secretId: verified.secretId } : {}),
      ...(verified.principal ? { principal: verified.principal.name.slice(0, MAX_PRINCIPAL_LENGTH) } : {}),
    }
  }

  /** From here on the delivery is stored, and no fault of the answer may make the sender believe otherwise. */
  function answer({ name, source, delivery, correlationId }: Arrival, outcome: Outcome): Reply {
    if (!source.reply) return acknowledge(outcome)
    try {
      const reply = source.reply(outcome, delivery)
      checkReply(reply)
      return reply
    } catch (thrown) {
      log.error('a source failed to answer a stored delivery', { source: name, correlationId, ...faultFields(thrown) })
      return acknowledge(outcome)
    }
  }

  function rejected({ name, correlationId }: Arrival, reason: RejectionReason, reply: Reply): Reply {
    reject(name, reason, correlationId)
    return reply
  }

  /** A broken source is ours, never the sender's: 503, so that it comes again. */
  function faulty(arrival: Arrival, thrown: unknown): Reply {
    const { name: source, correlationId } = arrival
    log.error('a delivery could not be verified', { source, correlationId, ...faultFields(thrown) })
    if (toFault(thrown).code === 'store-unavailable') return retryLater('store-unavailable', RETRY_MS)
    return rejected(arrival, 'verifier-failed', retryLater('verifier-unavailable', RETRY_MS))
  }
}

/** What the store's columns hold. */
const MAX_URL_LENGTH = 2_048
const MAX_PRINCIPAL_LENGTH = 255

const TOO_LARGE: ReturnType<typeof normalize> = { items: [{ kind: 'bad', reason: 'too-large' }] }

const allowed = (source: Source): string =>
  [...(source.limits?.methods ?? ['POST']), ...(source.handshake ? ['OPTIONS'] : [])].join(', ')

const acknowledge = ({ outcome, delivery }: Outcome): Reply => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: `{"status":"${outcome}","delivery":"${delivery}"}`,
})
