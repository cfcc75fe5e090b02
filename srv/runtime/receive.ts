import { SluiceError, toFault } from '#domain/errors'
import type { Clock, Intake, Log, NewDelivery } from '#domain/ports'
import type { Delivery, Outcome, Reply, Source, SourceContext } from '#domain/source'
import type { Verified } from '#domain/verification'
import { newKey, sha256 } from './ids.ts'
import { normalize } from './intake-item.ts'
import { problem, type RejectionReason, refusalProblem, retryLater } from './problem.ts'
import { safeHeaders } from './safe-headers.ts'

/** A delivery as the HTTP layer hands it over. `oversized`: the body was cut at the limit. */
export interface IncomingDelivery extends Omit<Delivery, 'receivedAt'> {
  readonly oversized?: boolean
}

export interface ReceiverParts {
  readonly intake: Intake
  readonly clock: Clock
  readonly log: Log
  /** Per delivery; carries what a source may use of the outside world. */
  readonly context: (sourceName: string, now: Date) => SourceContext
  readonly reject: (sourceName: string, reason: RejectionReason) => void
  /** Called after a commit that brought new events: there is work. */
  readonly stored: () => void
}

const STORE_RETRY_MS = 5_000

/** The closed order of an arrival: handshake, verify the bytes, control, normalize, store, answer. Nothing steps between. */
export function createReceiver(parts: ReceiverParts) {
  const { intake, clock, log, reject } = parts

  return async function receive(name: string, source: Source, incoming: IncomingDelivery): Promise<Reply> {
    const now = clock.now()
    const delivery: Delivery = { ...incoming, receivedAt: now }
    const context = parts.context(name, now)
    const tolerant = source.acknowledge === 'always-ok'
    if (incoming.oversized && !tolerant) return rejected(name, 'too-large', problem('too-large'))
    try {
      const greeting = await source.handshake?.(delivery, context)
      if (greeting) return greeting
      if (!(source.limits?.methods ?? ['POST']).includes(delivery.method)) {
        return rejected(name, 'method-not-allowed', problem('method-not-allowed', { allow: allowed(source) }))
      }
      const verification = await source.verify(delivery, context)
      if (verification.ok === 'unknown') {
        return rejected(name, 'verifier-unavailable', retryLater('verifier-unavailable', verification.retryAfterMs))
      }
      if (!verification.ok) return rejected(name, verification.reason, refusalProblem(verification.status))
      const challenge = await source.control?.(delivery, verification, context)
      if (challenge) return challenge
      return await store(name, source, delivery, verification, incoming.oversized === true)
    } catch (thrown) {
      return faulty(name, thrown)
    }
  }

  async function store(
    name: string,
    source: Source,
    delivery: Delivery,
    verified: Verified,
    oversized: boolean,
  ): Promise<Reply> {
    const { items, fault } = oversized
      ? { items: [{ kind: 'bad' as const, reason: 'too-large' as const }], fault: undefined }
      : normalize(source, delivery, verified)
    if (fault)
      log.error('a source failed to normalize a verified delivery', {
        source: name,
        code: fault.code,
        kind: source.kind,
      })
    const row: NewDelivery = {
      key: newKey(),
      origin: name,
      channel: 'push',
      receivedAt: delivery.receivedAt,
      method: delivery.method,
      url: delivery.path,
      headers: safeHeaders(delivery.headers),
      body: delivery.body,
      bodyHash: sha256(delivery.body),
      authlevel: verified.authlevel,
      items,
      ...(verified.secretId ? { secretId: verified.secretId } : {}),
      ...(verified.principal ? { principal: verified.principal.name } : {}),
    }
    const [outcome] = await intake.store([row])
    if (!outcome) throw new SluiceError('store-unavailable', 'The inbox gave no outcome for a delivery.')
    if (outcome.outcome === 'accepted') parts.stored()
    else log.info('delivery', { source: name, delivery: outcome.delivery, outcome: outcome.outcome })
    return source.reply?.(outcome, delivery) ?? acknowledge(outcome)
  }

  function rejected(name: string, reason: RejectionReason, reply: Reply): Reply {
    reject(name, reason)
    return reply
  }

  /** A broken store and a broken source are both ours, never the sender's: 503, so that it comes again. */
  function faulty(name: string, thrown: unknown): Reply {
    const fault = toFault(thrown)
    log.error('a delivery could not be taken', { source: name, code: fault.code, message: fault.message })
    if (fault.code === 'store-unavailable') return retryLater('store-unavailable', STORE_RETRY_MS)
    return rejected(name, 'verifier-failed', retryLater('verifier-unavailable', STORE_RETRY_MS))
  }
}

const allowed = (source: Source): string =>
  [...(source.limits?.methods ?? ['POST']), ...(source.handshake ? ['OPTIONS'] : [])].join(', ')

const acknowledge = ({ outcome, delivery }: Outcome): Reply => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: `{"status":"${outcome}","delivery":"${delivery}"}`,
})
