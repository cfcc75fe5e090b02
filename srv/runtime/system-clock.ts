import type { Clock } from '#domain/ports'

/** Node's longest timer, 2^31 - 1 ms; a longer one would fire at once. */
const MAX_TIMER_MS = 2_147_483_647

export const systemClock: Clock = {
  now: () => new Date(),
  after(ms, run) {
    const timer = setTimeout(run, Math.min(Math.max(ms, 0), MAX_TIMER_MS))
    timer.unref()
    return () => clearTimeout(timer)
  },
}
