import { createHash } from 'node:crypto'
import { SluiceError } from '#domain/errors'
import type { WriteScope } from '#domain/target'

type Written = Parameters<WriteScope['wrote']>[0]

export interface DispatchScopes {
  /** The next try's scope: what earlier tries sent makes it look first, as the worker does it. */
  nextTry(signal?: AbortSignal): WriteScope
  advance(ms: number): void
  now(): Date
  /** From now on every guard throws: the lease is gone. */
  loseLease(): void
  readonly sent: readonly Date[]
  readonly wrote: readonly Written[]
  readonly guards: number
}

/** One dispatch's tries, on a clock that only the test moves. */
export function dispatchScopes(dispatch = 'event-1:book'): DispatchScopes {
  let now = Date.parse('2026-01-01T00:00:00Z')
  let lost = false
  const state = { guards: 0, sent: [] as Date[], wrote: [] as Written[] }
  return {
    nextTry(signal = new AbortController().signal) {
      const lastSentAt = state.sent.at(-1)
      return {
        dispatch,
        run: 1,
        firstTry: lastSentAt === undefined,
        ...(lastSentAt && { lastSentAt }),
        signal,
        now: () => new Date(now),
        requestId: (step) => uuidLike(`${dispatch}:1:${step}`),
        guard() {
          state.guards++
          if (lost) throw new SluiceError('lease-lost', 'The lease is lost.', { effect: 'none' })
        },
        sent() {
          const at = new Date(now)
          state.sent.push(at)
          return () => {
            const index = state.sent.lastIndexOf(at)
            if (index >= 0) state.sent.splice(index, 1)
          }
        },
        wrote: (object) => state.wrote.push(object),
      }
    },
    advance(ms) {
      now += ms
    },
    now: () => new Date(now),
    loseLease() {
      lost = true
    },
    get guards() {
      return state.guards
    },
    sent: state.sent,
    wrote: state.wrote,
  }
}

const uuidLike = (text: string): string =>
  createHash('sha1')
    .update(text)
    .digest('hex')
    .replace(/^(.{8})(.{4}).(.{3})(.{4})(.{12}).*$/, '$1-$2-5$3-$4-$5')
