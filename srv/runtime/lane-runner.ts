import { planAttempt } from '#domain/plan-attempt'
import { blocksLane, planLane } from '#domain/plan-lane'
import { type ClaimedDispatch, type ClaimedLane, type DispatchSettlement, objectName, type Work } from '#domain/ports'
import { type ActiveSubscription, type AttemptParts, runAttempt } from './attempt.ts'
import type { HeldLease } from './held-leases.ts'

export interface LaneParts extends AttemptParts {
  readonly work: Pick<Work, 'effects' | 'payload' | 'settle'>
  readonly random: () => number
  /** True once the worker stops: what is not started is given back. */
  readonly stopping: () => boolean
}

/**
 * Works a claimed lane off, in order, and settles each dispatch before the next one starts: after a crash the effect of
 * a later event can never stand before that of an earlier one.
 */
export async function runLane(
  parts: LaneParts,
  subscription: ActiveSubscription,
  lane: ClaimedLane,
  lease: HeldLease,
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
    const settlement = await runDispatch(parts, subscription, dispatch, lane.recovered && index === 0, lease)
    pending.push(settlement)
    const over = settlement.to === 'waiting' || settlement.block === true || index === dispatches.length - 1
    if (!(await settle(parts, lane, lease, pending.splice(0), over)) || over) return
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
    if (lost.to === 'dead') return { dispatch: dispatch.id, to: 'dead', reason: 'lost', block }
  }
  const { end, record, effects, result } = await runAttempt(parts, subscription, dispatch, lease)
  const plan = planAttempt(end, failuresBefore + 1, retry, parts.random())
  if (end.kind === 'fault') logFault(parts, subscription, dispatch, end.fault, plan.to)
  return {
    dispatch: dispatch.id,
    to: plan.to,
    attempt: record,
    effects,
    ...(plan.reason === undefined ? {} : { reason: plan.reason.slice(0, 255) }),
    ...(plan.delayMs === undefined ? {} : { delayMs: plan.delayMs }),
    ...(result === undefined ? {} : { result }),
    ...(plan.to === 'dead' || plan.to === 'unsure' ? { block } : {}),
  }
}

async function settle(
  parts: LaneParts,
  lane: ClaimedLane,
  lease: HeldLease,
  settled: DispatchSettlement[],
  release: boolean,
): Promise<boolean> {
  const [held] = await parts.work.settle([{ lane: lane.lane, owner: lane.owner, settled, release }])
  if (!held) lease.lose()
  return held === true
}

function logFault(
  { log }: LaneParts,
  subscription: ActiveSubscription,
  dispatch: ClaimedDispatch,
  fault: { code: string; message: string; httpStatus?: number },
  to: string,
): void {
  const fields = {
    subscription: subscription.name,
    dispatch: dispatch.id,
    event: dispatch.event.attributes.id,
    code: fault.code,
    httpStatus: fault.httpStatus,
    to,
  }
  if (to === 'waiting') log.info('an attempt failed and will be repeated', fields)
  else log.warn('a dispatch needs an operator', fields)
}

const toEntry = ({ event }: ClaimedDispatch) => ({
  nature: event.nature,
  ...(event.object ? { object: objectName(event.object) } : {}),
})
