import type { Clock } from '#domain/ports'

/** A clock that a test moves. */
export interface VirtualClock extends Clock {
  /** Moves on by `ms`: runs due timers in order, each at its own time, with promises settled in between. */
  advance(ms: number): Promise<void>
  /** Timers that have not run. */
  readonly pending: number
  /** When the next of them is due. */
  readonly next: Date | undefined
}

interface Timer {
  readonly at: number
  readonly run: () => void
}

/** Turns of the event loop in which what a timer set off may finish: enough for chains of I/O-free promises. */
const settlingTurns = 3

/** A clock that stands still until it is moved. */
export const virtualClock = (start: Date | string = '2026-01-01T00:00:00Z'): VirtualClock => {
  let now = new Date(start).getTime()
  const timers = new Set<Timer>()

  const nextBefore = (end: number): Timer | undefined =>
    [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]

  return {
    now: () => new Date(now),
    after(ms, run) {
      const timer = { at: now + Math.max(0, ms), run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async advance(ms) {
      const end = now + ms
      await settle()
      for (let timer = nextBefore(end); timer; timer = nextBefore(end)) {
        timers.delete(timer)
        now = timer.at
        timer.run()
        await settle()
      }
      now = end
    },
    get next() {
      const timer = nextBefore(Number.POSITIVE_INFINITY)
      return timer && new Date(timer.at)
    },
    get pending() {
      return timers.size
    },
  }
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < settlingTurns; turn++) await new Promise((resolve) => setImmediate(resolve))
}
