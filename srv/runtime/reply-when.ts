import type { Clock, LaneSettlement, Log, Work } from '#domain/ports'
import { endsFor } from '#domain/reply-when'
import type { DispatchEnd, ReplyWhenHandled, Source } from '#domain/source'
import { faultFields } from './fault-fields.ts'

/** Callers that wait for a handler. They hold their bodies, so both are bounded; who finds no room is answered at once. */
export interface Callers {
  /**
   * @param bytes what the caller holds in memory meanwhile
   * @returns how the event's dispatches ended; undefined where that takes too long, or nobody may wait now
   */
  wait(event: string, when: ReplyWhenHandled, bytes: number): Promise<readonly DispatchEnd[] | undefined>
  /** `work` that tells waiting callers at once what this process settles. */
  watched(work: Work): Work
  /** Answers everybody now and from now on: the process ends, or no worker runs. */
  release(): void
}

export interface CallerLimits {
  readonly callers: number
  readonly bytes: number
}

/** Sources whose callers wait for a subscription that is not among `names`: they would all be told 202. */
export const unanswered = (sources: Readonly<Record<string, Source>>, names: readonly string[]): readonly string[] =>
  Object.entries(sources).flatMap(([source, { replyWhen: { subscription } = {} }]) =>
    subscription === undefined || names.includes(subscription) ? [] : [source],
  )

/** Another instance may settle the dispatch: the store is asked soon at first, and then less and less often. */
const FIRST_LOOK_MS = 250
const LAST_LOOK_MS = 2_000

interface Caller {
  look(): void
  give(ends: readonly DispatchEnd[] | undefined): void
}

export function createCallers(
  { work, clock, log }: { work: Pick<Work, 'ends'>; clock: Clock; log: Log },
  limits: CallerLimits,
): Callers {
  const waiting = new Map<string, Set<Caller>>()
  let count = 0
  let held = 0
  let released = false

  function join(event: string, caller: Caller, bytes: number): () => void {
    const callers = waiting.get(event) ?? new Set()
    waiting.set(event, callers.add(caller))
    count += 1
    held += bytes
    return () => {
      callers.delete(caller)
      if (callers.size === 0) waiting.delete(event)
      count -= 1
      held -= bytes
    }
  }

  function wait(event: string, when: ReplyWhenHandled, bytes: number): Promise<readonly DispatchEnd[] | undefined> {
    if (released || count >= limits.callers || held + bytes > limits.bytes) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      let over = false
      let restMs = FIRST_LOOK_MS
      let cancelLook: (() => void) | undefined
      const look = () => {
        cancelLook?.()
        cancelLook = clock.after(restMs, look)
        restMs = Math.min(restMs * 2, LAST_LOOK_MS)
        work.ends(event).then(
          (ends) => {
            const found = endsFor(ends, when.subscription)
            if (found) give(found)
          },
          (thrown) => log.debug('a waiting caller’s event could not be looked up', faultFields(thrown)),
        )
      }
      const give = (ends: readonly DispatchEnd[] | undefined) => {
        if (over) return
        over = true
        leave()
        cancelLook?.()
        cancelTimeout()
        resolve(ends)
      }
      const leave = join(event, { look, give }, bytes)
      const cancelTimeout = clock.after(when.timeoutMs, () => give(undefined))
      look()
    })
  }

  /** A dispatch's id begins with its event's key. */
  function settled(lanes: readonly LaneSettlement[]): void {
    if (count === 0) return
    for (const { settled } of lanes) {
      for (const { dispatch } of settled) {
        for (const caller of waiting.get(dispatch.slice(0, dispatch.indexOf(':'))) ?? []) caller.look()
      }
    }
  }

  return {
    wait,
    watched: (inner) => ({
      claim: (request) => inner.claim(request),
      async settle(lanes) {
        const held = await inner.settle(lanes)
        settled(lanes)
        return held
      },
      renew: (lanes, leaseMs) => inner.renew(lanes, leaseMs),
      release: (lanes) => inner.release(lanes),
      effects: (keys) => inner.effects(keys),
      payload: (delivery) => inner.payload(delivery),
      delivery: (key) => inner.delivery(key),
      ends: (event) => inner.ends(event),
      nextDueAt: (subscriptions) => inner.nextDueAt(subscriptions),
      backlog: (subscriptions, bounds) => inner.backlog(subscriptions, bounds),
    }),
    release() {
      released = true
      for (const callers of [...waiting.values()]) for (const caller of [...callers]) caller.give(undefined)
    },
  }
}
