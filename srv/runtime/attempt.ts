import { andThen } from '#domain/awaitable'
import { SluiceError, toFault } from '#domain/errors'
import type { Conversion } from '#domain/event'
import type { AttemptEnd } from '#domain/plan-attempt'
import type { AttemptRecord, ClaimedDispatch, Clock, Effect, Log, Work } from '#domain/ports'
import type { SubscriptionPolicy } from '#domain/subscription'
import type { Target } from '#domain/target'
import { AttemptScope } from './attempt-scope.ts'
import { enrich, type FetchSpec } from './enrich.ts'
import { type Handler, toHandlerContext, toHandlerEvent } from './handler.ts'
import type { HeldLease } from './held-leases.ts'

export interface ActiveSubscription extends SubscriptionPolicy {
  readonly handler: Handler
  readonly fetch?: FetchSpec
  readonly convert?: Conversion
}

export interface AttemptParts {
  readonly work: Pick<Work, 'effects' | 'ends' | 'payload' | 'delivery'>
  readonly targets: Readonly<Record<string, Target>>
  readonly clock: Clock
  readonly log: Log
}

export interface AttemptResult {
  readonly end: AttemptEnd
  readonly record: AttemptRecord
  readonly effects: readonly Effect[]
  readonly result?: string
}

/** What a handler may leave behind. */
const MAX_RESULT_LENGTH = 65_536

/** Runs one dispatch once. Never throws: whatever user code, a target or the store does becomes an end. */
export async function runAttempt(
  parts: AttemptParts,
  subscription: ActiveSubscription,
  dispatch: ClaimedDispatch,
  lease: Pick<HeldLease, 'holds' | 'onLost'>,
): Promise<AttemptResult> {
  const { clock } = parts
  const at = clock.now()
  const scope = new AttemptScope(dispatch, subscription.name, parts.targets, clock, lease)
  const forgetLease = lease.onLost(() => scope.close('lease-lost'))
  let effect: Effect | undefined
  let end: AttemptEnd
  let result: string | undefined
  try {
    const outcome = await withTimeout(clock, subscription.timeoutMs, scope, async () => {
      const enriched = await enrich(dispatch, subscription.name, subscription.fetch, parts.targets, parts.work, scope)
      effect = enriched.effect
      if (enriched.skip) return { skip: enriched.skip }
      return { value: await handle(parts, subscription, dispatch, scope, enriched.record) }
    })
    end = 'skip' in outcome && outcome.skip ? { kind: 'skip', reason: outcome.skip } : { kind: 'ok' }
    if ('value' in outcome) result = toResult(outcome.value)
  } catch (thrown) {
    end = { kind: 'fault', fault: toFault(thrown) }
  } finally {
    forgetLease()
    scope.close('attempt-over')
  }
  return {
    end,
    record: toRecord(end, at, clock.now(), scope.sent),
    effects: end.kind !== 'fault' && effect ? [...scope.effects, effect] : scope.effects,
    ...(result === undefined ? {} : { result }),
  }
}

function handle(
  parts: AttemptParts,
  subscription: ActiveSubscription,
  dispatch: ClaimedDispatch,
  scope: AttemptScope,
  record: Parameters<Handler>[1]['record'],
) {
  const context = toHandlerContext(scope, {
    dispatch: dispatch.id,
    subscription: subscription.name,
    run: dispatch.run,
    attempt: dispatch.attempts + 1,
    log: parts.log,
    record,
    targets: scope.sessions,
    payload: () => parts.work.payload(dispatch.event.delivery),
    delivery: () => parts.work.delivery(dispatch.event.delivery),
  })
  const event = subscription.convert ? subscription.convert(dispatch.event) : dispatch.event
  return andThen(event, (read) => subscription.handler(toHandlerEvent(read), context))
}

/** A handler that never ends costs its time-out and nothing more; what it does afterwards is refused by the scope. */
function withTimeout<T>(clock: Clock, timeoutMs: number, scope: AttemptScope, run: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () => {
      reject(new SluiceError('timeout', `The handler did not end within ${timeoutMs} ms.`))
      scope.close('timeout')
    })
    scope.onClose(reject)
    // Before anybody hears of the end: an error for a promise that is settled would only cost its stack.
    const ended = () => {
      cancel()
      scope.onClose(undefined)
    }
    run().then(
      (value) => {
        ended()
        resolve(value)
      },
      (thrown) => {
        ended()
        reject(thrown)
      },
    )
  })
}

function toRecord(end: AttemptEnd, at: Date, until: Date, sent: boolean): AttemptRecord {
  const base = { at, durationMs: Math.max(0, until.getTime() - at.getTime()), sent }
  if (end.kind === 'skip') return { ...base, outcome: 'skipped', code: end.reason }
  if (end.kind !== 'fault') return { ...base, outcome: 'ok' }
  const { code, message, httpStatus, effect } = end.fault
  const outcome = code === 'timeout' ? 'timeout' : effect === 'none' ? 'failed' : 'ambiguous'
  return { ...base, outcome, code: code.slice(0, 100), message, ...(httpStatus === undefined ? {} : { httpStatus }) }
}

function toResult(value: unknown): string | undefined {
  if (value === undefined) return undefined
  try {
    const text = JSON.stringify(value)
    return text === undefined || text.length > MAX_RESULT_LENGTH ? undefined : text
  } catch (thrown) {
    return JSON.stringify({ unserializable: toFault(thrown).code })
  }
}
