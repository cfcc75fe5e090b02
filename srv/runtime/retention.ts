import type { Admin, Clock, Log } from '#domain/ports'
import type { Meter } from '#domain/telemetry'
import { faultFields } from './fault-fields.ts'
import { NO_METER } from './untold.ts'

/** How long payloads (30 days) and events (90 days) are kept, and how gently the rest is removed. Times in ms. */
export interface RetentionOptions {
  readonly payloadsMs: number
  readonly eventsMs: number
  readonly everyMs: number
  readonly rowsPerStep: number
}

const DAY_MS = 86_400_000

export const RETENTION_DEFAULTS: RetentionOptions = {
  payloadsMs: 30 * DAY_MS,
  eventsMs: 90 * DAY_MS,
  everyMs: 3_600_000,
  rowsPerStep: 500,
}

/** The first run comes soon after the start: a process that restarts more often than `everyMs` must not keep all for ever. */
const FIRST_AFTER_MS = 60_000

/** Removes what is old in small steps with a pause between, so that it never holds up intake. */
export function createRetention(
  admin: Pick<Admin, 'retain'>,
  clock: Clock,
  log: Log,
  options: RetentionOptions,
  meter: Pick<Meter, 'retained'> = NO_METER,
) {
  let stopped = false
  let cancel: (() => void) | undefined
  let current = Promise.resolve()

  async function run(): Promise<void> {
    const removed = { payloads: 0, events: 0, lanes: 0 }
    try {
      for (;;) {
        const step = await takeStep()
        removed.payloads += step.payloads
        removed.events += step.events
        removed.lanes += step.lanes
        if (stopped || isEmpty(step)) return
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
    } finally {
      if (!isEmpty(removed)) log.info('retention removed what is old', removed)
    }
  }

  async function takeStep(): Promise<Removed> {
    const now = clock.now().getTime()
    const step = await admin.retain({
      payloadsBefore: new Date(now - options.payloadsMs),
      eventsBefore: new Date(now - options.eventsMs),
      limit: options.rowsPerStep,
    })
    meter.retained(step)
    return step
  }

  function schedule(afterMs: number): void {
    cancel = clock.after(afterMs, () => {
      current = run()
        .catch((thrown) => log.error('retention failed and will be repeated', faultFields(thrown)))
        .then(() => {
          if (!stopped) schedule(options.everyMs)
        })
    })
  }

  return {
    run,
    start: () => schedule(Math.min(FIRST_AFTER_MS, options.everyMs)),
    async stop(): Promise<void> {
      stopped = true
      cancel?.()
      await current
    },
  }
}

type Removed = Awaited<ReturnType<Admin['retain']>>

const isEmpty = ({ payloads, events, lanes }: Removed): boolean => payloads + events + lanes === 0
