import type { Fault } from '#domain/errors'
import { planAttempt } from '#domain/plan-attempt'
import { blocksLane, type LaneEntry, planLane } from '#domain/plan-lane'
import { type ClaimedDispatch, type ClaimedLane, type DispatchSettlement, objectName, type Work } from '#domain/ports'
import type { DispatchStatus } from '#domain/status'
import type { Meter, Tracer } from '#domain/telemetry'
import { type ActiveSubscription, type AttemptParts, runAttempt } from './attempt.ts'
import { faultFields } from './fault-fields.ts'
import type { HeldLease } from './held-leases.ts'
import { NO_TRACER } from './untold.ts'

export interface LaneParts extends AttemptParts {
  readonly work: Pick<Work, 'effects' | 'ends' | 'payload' | 'delivery' | 'settle'>
  readonly random: () => number
  readonly meter?: Meter | undefined
  readonly tracer?: Tracer | undefined
  /** True once the worker stops: what is not started is given back. */
  readonly stopping: () => boolean
}

/** Between two offers of a result to a store that does not answer. */
const SETTLE_AGAIN_MS = 1_000

/**
 * Works a claimed lane off, in order, and settles each dispatch before the next one starts: after a crash the effect of
 * a later event can never stand before that of an earlier one.
 * @param handled called when the last handler has ended: what is left is to settle its result
 */
export async function runLane(
  parts: LaneParts,
  subscription: ActiveSubscription,
  lane: ClaimedLane,
  lease: HeldLease,
  handled: () => void,
): Promise<void> {
  const { dispatches } = lane
  const plan = planLane(dispatches.map(toEntry), subscription.order)
  const pending: DispatchSettlement[] = []
  for (const [index, dispatch] of dispatches.entries()) {
    if (parts.stopping() || !lease.holds()) break
    if (plan[index] === 'superseded') {
      pending.push({ dispatch: dispatch.id, to: 'skipped', reason: 'superseded' })
      continue
    }
    if (pending.length > 0) {
      // A lost try is recorded for the head of its lane: what is skipped must be gone from there before anything is sent.
      await settle(parts, lane, lease, pending.splice(0), false)
      if (!lease.holds()) break
    }
    const settlement = await runDispatch(parts, subscription, dispatch, lane.recovered && index === 0, lease)
    pending.push(settlement)
    const over = settlement.to === 'waiting' || settlement.block === true || index === dispatches.length - 1
    const settling = settle(parts, lane, lease, pending.splice(0), over)
    if (over) handled()
    await settling
    if (over) return
  }
  await settle(parts, lane, lease, pending, true)
}

async function runDispatch(
  parts: LaneParts,
  subscription: ActiveSubscription,
  dispatch: ClaimedDispatch,
  recovered: boolean,
  lease: HeldLease,
): Promise<DispatchSettlement> {
  const { retry, order } = subscription
  const block = blocksLane(dispatch.event.nature, order)
  const failuresBefore = dispatch.attempts - dispatch.forgiven
  if (recovered) {
    const lost = planAttempt({ kind: 'lost' }, failuresBefore, retry, 0)
    if (lost.to === 'dead') {
      logEnd(parts, subscription, dispatch, { code: 'lost' }, lost.to)
      return { dispatch: dispatch.id, to: 'dead', reason: 'lost', block }
    }
  }
  const { tracer = NO_TRACER } = parts
  const { end, record, effects, result } = await tracer.attempt(subscription.name, dispatch, () =>
    runAttempt(parts, subscription, dispatch, lease),
  )
  const plan = planAttempt(end, failuresBefore + 1, retry, parts.random())
  if (end.kind === 'fault') logEnd(parts, subscription, dispatch, end.fault, plan.to)
  return {
    dispatch: dispatch.id,
    to: plan.to,
    attempt: record,
    effects,
    ...(plan.reason === undefined ? {} : { reason: plan.reason }),
    ...(plan.delayMs === undefined ? {} : { delayMs: plan.delayMs }),
    ...(result === undefined ? {} : { result }),
    ...(plan.to === 'dead' || plan.to === 'unsure' ? { block } : {}),
  }
}

/**
 * Offers the result until the store takes it, the lease is lost or its time is over: a store that is gone for a moment
 * must not make us do the work again. Where the fence does not hold, the lease is lost and nothing more is run.
 */
async function settle(
  { work, clock, log, meter }: LaneParts,
  lane: ClaimedLane,
  lease: HeldLease,
  settled: readonly DispatchSettlement[],
  release: boolean,
): Promise<void> {
  while (!lease.lost) {
    try {
      const [held] = await work.settle([{ lane: lane.lane, owner: lane.owner, settled, release }])
      if (held) for (const one of settled) meter?.settled(lane.subscription, one.to, one.attempt?.durationMs)
      else lease.lose()
      return
    } catch (thrown) {
      if (!lease.holds()) throw thrown
      log.warn('a result could not be settled and is offered again', {
        subscription: lane.subscription,
        ...faultFields(thrown),
      })
      await new Promise<void>((resolve) => clock.after(SETTLE_AGAIN_MS, resolve))
    }
  }
}

function logEnd(
  { log }: LaneParts,
  subscription: ActiveSubscription,
  dispatch: ClaimedDispatch,
  { code, httpStatus }: Pick<Fault, 'code' | 'httpStatus'>,
  to: DispatchStatus,
): void {
  const fields = {
    subscription: subscription.name,
    dispatch: dispatch.id,
    event: dispatch.event.attributes.id,
    code,
    httpStatus,
    to,
  }
  if (to === 'waiting') log.info('an attempt failed and will be repeated', fields)
  else log.warn('a dispatch needs an operator', fields)
}

const toEntry = ({ event, run, lastSentAt }: ClaimedDispatch): LaneEntry => ({
  nature: event.nature,
  replay: run > 1,
  underway: lastSentAt !== undefined,
  ...(event.object ? { object: objectName(event.object) } : {}),
  ...(event.object?.version === undefined ? {} : { version: event.object.version }),
})
