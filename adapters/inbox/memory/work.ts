import { randomUUID } from 'node:crypto'
import type {
  ClaimedDispatch,
  ClaimedLane,
  ClaimRequest,
  DispatchSettlement,
  LaneSettlement,
  Work,
} from '#domain/ports'
import type { DispatchEnd } from '#domain/source'
import { toKept } from '../kept-delivery.ts'
import { memoryBacklog } from './backlog.ts'
import { compose, type MemoryDispatch, type MemoryLane, type MemoryState } from './state.ts'

export function memoryWork(state: MemoryState): Work {
  const holds = ({ lane, owner }: { lane: string; owner: string }) => {
    const found = state.lanes.get(lane)
    return found?.owner === owner ? found : undefined
  }
  return {
    claim: async (request) => claim(state, request),
    settle: async (lanes) => lanes.map((settlement) => settle(state, holds(settlement), settlement)),
    renew: async (lanes, leaseMs) =>
      lanes.map((one) => {
        const lane = holds(one)
        if (lane) lane.availableAt = state.now().getTime() + leaseMs
        return lane !== undefined
      }),
    release: async (lanes) => {
      for (const one of lanes) {
        const lane = holds(one)
        if (lane) giveBack(state, lane, 0)
      }
    },
    effects: async (keys) => keys.map(({ scope, object }) => state.effects.get(compose(scope, object))),
    payload: async (delivery) => state.deliveries.get(delivery)?.payload?.slice(),
    delivery: async (key) => {
      const found = state.deliveries.get(key)
      return found && toKept(key, { ...found, principal: found.principal ?? null })
    },
    ends: async (event) => [...state.dispatches.values()].filter((one) => one.event.key === event).map(toEnd),
    nextDueAt: async (subscriptions) => {
      const due = [...state.lanes.values()]
        .filter(
          (lane) => subscriptions.includes(lane.subscription) && !state.subscriptions.get(lane.subscription)?.paused,
        )
        .flatMap((lane) => lane.availableAt ?? [])
      return due.length === 0 ? undefined : new Date(Math.min(...due))
    },
    backlog: async (subscriptions, bounds) => subscriptions.map((name) => memoryBacklog(state, name, bounds)),
  }
}

function claim(state: MemoryState, request: ClaimRequest): ClaimedLane[] {
  const now = state.now().getTime()
  return request.subscriptions.flatMap(({ name, lanes }) => {
    if (state.subscriptions.get(name)?.paused) return []
    return [...state.lanes.values()]
      .filter((lane) => lane.subscription === name && lane.availableAt !== undefined && lane.availableAt <= now)
      .sort((a, b) => (a.availableAt ?? 0) - (b.availableAt ?? 0))
      .slice(0, lanes)
      .map((lane) => take(state, lane, request, now))
  })
}

function take(state: MemoryState, lane: MemoryLane, request: ClaimRequest, now: number): ClaimedLane {
  const recovered = lane.owner !== undefined
  const waiting = inOrder(lane)
  if (recovered && waiting[0]) recordLost(state, waiting[0], lane)
  lane.owner = randomUUID()
  lane.availableAt = now + request.leaseMs
  return {
    lane: lane.id,
    subscription: lane.subscription,
    partitionkey: lane.partitionkey,
    owner: lane.owner,
    leaseUntil: new Date(lane.availableAt),
    dispatches: within(waiting.slice(0, request.dispatchesPerLane), request.bytes).map((dispatch) =>
      claimed(state, dispatch),
    ),
    recovered,
  }
}

const toEnd = ({ subscription, run, status, reason, result }: MemoryDispatch): DispatchEnd => ({
  subscription,
  run,
  status,
  ...(reason === undefined ? {} : { reason }),
  ...(result === undefined ? {} : { result }),
})

/** As many as fit, and the first one all the same. */
function within(waiting: readonly MemoryDispatch[], bytes: number): readonly MemoryDispatch[] {
  let left = bytes
  return waiting.filter(({ event }, index) => {
    left -= (event.data ?? event.dataBase64 ?? '').length
    return index === 0 || left >= 0
  })
}

/** The worker vanished: whatever the head was doing counts as tried, and may have reached the target. */
export function recordLost(state: MemoryState, head: MemoryDispatch, lane: MemoryLane): void {
  const leaseEnd = new Date(lane.availableAt ?? 0)
  head.attempts += 1
  head.lastSentAt = leaseEnd
  attemptsOf(state, head.id).push({ n: head.attempts, fence: lane.owner ?? '', outcome: 'lost', at: leaseEnd })
}

function claimed(
  state: MemoryState,
  { id, run, attempts, forgiven, lastSentAt, event, subscription }: MemoryDispatch,
): ClaimedDispatch {
  const triedBefore =
    attempts > 0 ||
    [...state.dispatches.values()].some(
      (other) =>
        other.event.key === event.key && other.subscription === subscription && other.run < run && other.attempts > 0,
    )
  return { id, run, attempts, forgiven, triedBefore, event, ...(lastSentAt ? { lastSentAt } : {}) }
}

function settle(state: MemoryState, lane: MemoryLane | undefined, { settled, release }: LaneSettlement): boolean {
  if (!lane) return false
  let gaveBack = false
  for (const settlement of settled) {
    const dispatch = state.dispatches.get(settlement.dispatch)
    if (dispatch?.status !== 'waiting' || dispatch.lane !== lane) continue
    move(state, lane, dispatch, settlement)
    if (settlement.block) {
      lane.blocked = true
      gaveBack = true
    } else if (settlement.to === 'waiting') {
      giveBack(state, lane, settlement.delayMs ?? 0)
      gaveBack = true
    }
  }
  if (lane.blocked) {
    lane.owner = undefined
    lane.availableAt = undefined
  } else if (release && !gaveBack) {
    giveBack(state, lane, 0)
  }
  return true
}

function move(state: MemoryState, lane: MemoryLane, dispatch: MemoryDispatch, settlement: DispatchSettlement): void {
  const { attempt } = settlement
  if (attempt) {
    dispatch.attempts += 1
    if (attempt.sent) dispatch.lastSentAt = new Date(attempt.at.getTime() + attempt.durationMs)
    attemptsOf(state, dispatch.id).push({ n: dispatch.attempts, fence: lane.owner ?? '', ...attempt })
  }
  for (const { scope, object, version } of settlement.effects ?? []) state.effects.set(compose(scope, object), version)
  dispatch.status = settlement.to
  dispatch.reason = settlement.reason
  dispatch.result = settlement.result
  if (settlement.to === 'waiting') return
  lane.waiting.delete(dispatch.pos)
  lane.head = settlement.block ? dispatch.pos : Math.max(lane.head, dispatch.pos + 1)
}

/** Ends the lease: due again if work is left, otherwise empty. */
function giveBack(state: MemoryState, lane: MemoryLane, delayMs: number): void {
  lane.owner = undefined
  lane.availableAt = lane.waiting.size > 0 ? state.now().getTime() + delayMs : undefined
  if (lane.waiting.size === 0) lane.head = lane.tail
}

const inOrder = (lane: MemoryLane): MemoryDispatch[] => [...lane.waiting.values()].sort((a, b) => a.pos - b.pos)

const attemptsOf = (state: MemoryState, dispatch: string) => {
  const list = state.attempts.get(dispatch) ?? []
  state.attempts.set(dispatch, list)
  return list
}
