import type { StoredEvent } from '#domain/event'
import { wants } from '#domain/filter'
import { type Admin, type AdminResult, dispatchId, lanePartition } from '#domain/ports'
import { type DispatchStatus, operatorMay } from '#domain/status'
import type { RegisteredSubscription } from '#domain/subscription'
import { append, laneOf, type MemoryDispatch, type MemoryLane, type MemoryState } from './state.ts'
import { recordLost } from './work.ts'

const NOT_FOUND: AdminResult = { ok: false, reason: 'not-found' }
const CONFLICT: AdminResult = { ok: false, reason: 'conflict' }

export function memoryAdmin(state: MemoryState): Admin {
  const audit = (actor: string, action: string, object: string) =>
    state.audit.push({ at: state.now(), actor, action, object })
  return {
    register: async (subscriptions) => {
      for (const one of subscriptions) {
        state.subscriptions.set(one.name, {
          ...one,
          paused: state.subscriptions.get(one.name)?.paused ?? false,
          removed: false,
        })
      }
    },
    unregister: async (name, by) => {
      const subscription = state.subscriptions.get(name)
      if (!subscription || subscription.removed) return NOT_FOUND
      subscription.removed = true
      const open = [...state.dispatches.values()].filter((one) => one.subscription === name && one.status === 'waiting')
      for (const dispatch of open) end(dispatch, 'dead', 'subscription-removed')
      for (const lane of state.lanes.values()) if (lane.subscription === name) close(lane)
      audit(by, 'unregister', name)
      return done(open)
    },
    replay: async (event, subscription, by) => {
      const stored = state.events.get(event)
      const wanting = [...state.subscriptions.values()].filter(
        ({ name, filter, removed }) =>
          stored && !removed && (subscription === undefined || subscription === name) && wants(filter, stored),
      )
      if (!stored || wanting.length === 0) return NOT_FOUND
      stored.unrouted = false
      const created = wanting.map((one) => runAgain(state, stored, one))
      audit(by, 'replay', event)
      return done(created)
    },
    retry: async (id, by) => {
      const dispatch = state.dispatches.get(id)
      if (!dispatch) return NOT_FOUND
      const removed = state.subscriptions.get(dispatch.subscription)?.removed ?? true
      if (removed || !operatorMay(dispatch.status, 'waiting')) return CONFLICT
      dispatch.status = 'waiting'
      dispatch.reason = undefined
      dispatch.forgiven = dispatch.attempts
      const { lane } = dispatch
      if (lane.blocked && dispatch.pos === lane.head) {
        lane.waiting.set(dispatch.pos, dispatch)
        unblock(state, lane)
      } else {
        append(state, lane, dispatch)
      }
      audit(by, 'retry', id)
      return done([dispatch])
    },
    discard: async (id, by) => {
      const dispatch = state.dispatches.get(id)
      if (!dispatch) return NOT_FOUND
      if (!operatorMay(dispatch.status, 'skipped')) return CONFLICT
      const { lane } = dispatch
      const leased = dispatch.status === 'waiting' && lane.owner !== undefined
      if (leased && (lane.availableAt ?? 0) > state.now().getTime()) return CONFLICT
      const first = Math.min(...lane.waiting.keys(), dispatch.pos)
      const isHead = dispatch.pos === first
      if (leased) recordLost(state, lane.waiting.get(first) ?? dispatch, lane)
      const wasBlocking = lane.blocked && dispatch.pos === lane.head
      const wasWaiting = dispatch.status === 'waiting'
      end(dispatch, 'skipped', 'discarded')
      if (leased) lane.owner = undefined
      if (wasBlocking) lane.head += 1
      if (wasBlocking || (wasWaiting && isHead && !lane.blocked)) unblock(state, lane)
      audit(by, 'discard', id)
      return done([dispatch])
    },
    pause: async (name, by) => setPaused(name, true, by),
    resume: async (name, by) => setPaused(name, false, by),
    retain: async ({ payloadsBefore, eventsBefore, limit }) => {
      const payloads = [...state.deliveries.values()]
        .filter((one) => one.payload && one.receivedAt < payloadsBefore)
        .slice(0, limit)
      for (const one of payloads) delete one.payload
      const open = new Set([...state.dispatches.values()].filter(isUnfinished).map((one) => one.event.key))
      const events = [...state.events.values()]
        .filter((one) => one.receivedAt < eventsBefore && !open.has(one.key))
        .slice(0, limit)
      for (const { key } of events) forget(state, key)
      const lanes = [...state.lanes.values()].filter((one) => isIdle(state, one)).slice(0, limit)
      for (const { id } of lanes) state.lanes.delete(id)
      const bare = [...state.deliveries.values()]
        .filter(
          (one) =>
            one.receivedAt < eventsBefore && ![...state.events.values()].some((event) => event.delivery === one.key),
        )
        .slice(0, limit)
      for (const { key } of bare) state.deliveries.delete(key)
      return { payloads: payloads.length + bare.length, events: events.length, lanes: lanes.length }
    },
  }

  function setPaused(name: string, paused: boolean, by: string): AdminResult {
    const subscription = state.subscriptions.get(name)
    if (!subscription) return NOT_FOUND
    subscription.paused = paused
    audit(by, paused ? 'pause' : 'resume', name)
    return { ok: true, dispatches: [] }
  }
}

const done = (dispatches: readonly MemoryDispatch[]): AdminResult => ({
  ok: true,
  dispatches: dispatches.map((one) => one.id),
})

const isUnfinished = ({ status }: MemoryDispatch): boolean =>
  status === 'waiting' || status === 'dead' || status === 'unsure'

const isIdle = (state: MemoryState, lane: MemoryLane): boolean =>
  lane.waiting.size === 0 &&
  lane.owner === undefined &&
  !lane.blocked &&
  ![...state.dispatches.values()].some((one) => one.lane === lane && isUnfinished(one))

function end(dispatch: MemoryDispatch, status: DispatchStatus, reason: string): void {
  dispatch.status = status
  dispatch.reason = reason
  dispatch.lane.waiting.delete(dispatch.pos)
  if (dispatch.lane.waiting.size === 0 && dispatch.lane.owner === undefined) dispatch.lane.availableAt = undefined
}

function close(lane: MemoryLane): void {
  lane.blocked = false
  lane.owner = undefined
  lane.availableAt = undefined
}

function unblock(state: MemoryState, lane: MemoryLane): void {
  lane.blocked = false
  lane.availableAt = lane.waiting.size > 0 ? state.now().getTime() : undefined
}

/** As one more run of the subscription; the first where it never had one. */
function runAgain(state: MemoryState, event: StoredEvent, { name, order }: RegisteredSubscription): MemoryDispatch {
  const earlier = [...state.dispatches.values()].filter(
    (one) => one.event.key === event.key && one.subscription === name,
  )
  const run = Math.max(0, ...earlier.map((one) => one.run)) + 1
  const dispatch: MemoryDispatch = {
    id: dispatchId(event.key, name, run),
    event,
    subscription: name,
    run,
    lane: laneOf(state, name, lanePartition(order, event)),
    pos: 0,
    status: 'waiting',
    attempts: 0,
    forgiven: 0,
  }
  state.dispatches.set(dispatch.id, dispatch)
  append(state, dispatch.lane, dispatch)
  return dispatch
}

function forget(state: MemoryState, event: string): void {
  state.events.delete(event)
  for (const [id, dispatch] of state.dispatches) {
    if (dispatch.event.key !== event) continue
    state.dispatches.delete(id)
    state.attempts.delete(id)
  }
}
