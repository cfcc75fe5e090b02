import type { DispatchStatus } from '#domain/status'
import type { memoryInbox } from '../../adapters/inbox/memory/index.ts'

/** What became of one event for one subscription. */
export interface SimulatedDispatch {
  /** `<event key>:<subscription>:<run>`, for `gateway.admin`. */
  readonly id: string
  /** The event's key in the inbox. */
  readonly event: string
  /** The sender's id of the event. */
  readonly eventId: string
  readonly type: string
  readonly subscription: string
  readonly run: number
  readonly status: DispatchStatus
  /** Why it waits, is skipped, dead or unsure: an error's code, or `absorbed`, `superseded`, `echo`, `discarded`. */
  readonly reason?: string
  /** Tries so far. */
  readonly attempts: number
  /** Of the last try that failed. */
  readonly error?: { readonly code?: string; readonly message?: string }
  /** When it is tried again at the earliest. */
  readonly retryAt?: Date
  /** What the handler returned. */
  readonly result?: unknown
}

type State = ReturnType<typeof memoryInbox>['state']
type Stored = State['dispatches'] extends Map<string, infer Dispatch> ? Dispatch : never

/** In the order their events came. */
export const dispatchesOf = (state: State): SimulatedDispatch[] =>
  [...state.dispatches.values()].map((dispatch) => toView(state, dispatch))

function toView(state: State, dispatch: Stored): SimulatedDispatch {
  const { id, event, subscription, run, status, reason, attempts, result, lane } = dispatch
  const last = state.attempts.get(id)?.at(-1)
  const failed = last && last.outcome !== 'ok' && last.outcome !== 'skipped'
  const resting = status === 'waiting' && attempts > 0 && lane.owner === undefined && lane.availableAt !== undefined
  return {
    id,
    event: event.key,
    eventId: event.attributes.id,
    type: event.attributes.type,
    subscription,
    run,
    status,
    attempts,
    ...(reason === undefined ? {} : { reason }),
    ...(failed ? { error: pick(last) } : {}),
    ...(resting ? { retryAt: new Date(lane.availableAt ?? 0) } : {}),
    ...(result === undefined ? {} : { result: JSON.parse(result) as unknown }),
  }
}

const pick = ({ code, message }: { code?: string; message?: string }) => ({
  ...(code === undefined ? {} : { code }),
  ...(message === undefined ? {} : { message }),
})

/** Subscriptions with work that is due now or under way. */
export function busyIn(state: State, now: Date): string[] {
  const busy = [...state.lanes.values()].filter(({ owner, availableAt, subscription, waiting }) => {
    if (owner !== undefined) return true
    const idle = waiting.size === 0 || state.subscriptions.get(subscription)?.paused
    return !idle && availableAt !== undefined && availableAt <= now.getTime()
  })
  return [...new Set(busy.map(({ subscription }) => subscription))]
}
