import { createTask, parse, validate } from 'node-cron'
import { SluiceError } from '#domain/errors'

/** When a poll runs. */
export interface CronOptions {
  /** Five or six fields, https://nodecron.com. */
  readonly cron: string
  /** IANA name; UTC unless given, because a server's own zone is nobody's decision. */
  readonly timezone?: string
}

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** A month of minutes: what lies further back is due without being counted. */
const MAX_STEPS = 44_640
const MAX_SLOTS = 100

/** A poll's schedule on node-cron. @throws SluiceError `configuration` for an expression that never fires, or no zone */
export function cronSchedule({ cron, timezone = 'UTC' }: CronOptions) {
  if (!validate(cron)) throw badCron(cron, undefined)
  checkZone(timezone)
  const stepMs = parse(cron).second.length === 1 ? MINUTE_MS : 1_000
  const offsetMs = stepMs === MINUTE_MS ? (parse(cron).second[0] ?? 0) * 1_000 : 0
  const matcher = task(cron, timezone, () => undefined)
  const previous = skipper({ cron, timezone }, stepMs)

  return {
    /** The slots in (after, until], ascending, the newest `MAX_SLOTS` at most. */
    slotsBetween(after: Date, until: Date): readonly Date[] {
      const slots: Date[] = []
      const newest = Math.floor((until.getTime() - offsetMs) / stepMs) * stepMs + offsetMs
      const horizon = newest - MAX_STEPS * stepMs
      const end = Math.max(after.getTime(), horizon)
      for (let at = newest; at > end && slots.length < MAX_SLOTS; at = previous(at)) {
        if (matcher.match(new Date(at))) slots.push(new Date(at))
      }
      return slots.length === 0 && horizon > after.getTime() ? [until] : slots.reverse()
    },

    start(due: () => void): { stop(): void } {
      const running = task(cron, timezone, due)
      void running.start()
      return { stop: () => void running.destroy() }
    },
  }
}

/** Steps back from a moment, over what cannot match: node-cron walks forward only, and from its own clock's now. */
function skipper({ cron, timezone }: Required<CronOptions>, stepMs: number): (at: number) => number {
  const { minute, hour, dayOfMonth, month, dayOfWeek } = parse(cron)
  const minutes = hour.flatMap((h) => minute.map((m) => h * 60 + m)).sort((a, b) => b - a)
  const day = task(`* * * ${dayOfMonth} ${month} ${dayOfWeek}`, timezone, () => undefined)
  const offsetAt = offsets(timezone)

  return (at) => {
    const offset = offsetAt(at)
    const timeOfDay = modulo(at + offset, DAY_MS)
    const now = Math.floor(timeOfDay / MINUTE_MS)
    const latest = day.match(new Date(at)) ? minutes.find((one) => one <= now) : undefined
    if (latest === now) return at - stepMs
    let back = timeOfDay - (latest === undefined ? 0 : (latest + 1) * MINUTE_MS)
    // Where the clocks were changed on the way, only as far as they were not. No zone changes them twice a day.
    while (back >= stepMs && offsetAt(at - back) !== offset) back = Math.floor(back / 2)
    return at - (Math.floor(back / stepMs) + 1) * stepMs
  }
}

/** What the clocks of a zone are ahead of UTC by, in ms. */
function offsets(timezone: string): (at: number) => number {
  const fields = { year: 'numeric', month: 'numeric', day: 'numeric' } as const
  const time = { hour: 'numeric', minute: 'numeric', second: 'numeric', hourCycle: 'h23' } as const
  const clock = new Intl.DateTimeFormat('en', { ...fields, ...time, timeZone: timezone })
  return (at) => {
    const shown: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {}
    for (const { type, value } of clock.formatToParts(at)) shown[type] = Number(value)
    const { year = 0, month = 1, day, hour, minute, second } = shown
    return Date.UTC(year, month - 1, day, hour, minute, second) - (at - modulo(at, 1_000))
  }
}

/** Never negative, as a time of day. */
const modulo = (value: number, by: number): number => ((value % by) + by) % by

function task(cron: string, timezone: string, run: () => void) {
  try {
    // Missed runs are found from the checkpoint, by whichever instance leads; the library's own warning would be noise.
    return createTask(cron, run, { timezone, unref: true, suppressMissedWarning: true })
  } catch (thrown) {
    throw badCron(cron, thrown)
  }
}

/** The library looks at it no sooner than at its first slot. */
function checkZone(timezone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch (thrown) {
    throw new SluiceError('configuration', `There is no time zone "${timezone}".`, {
      retry: 'never',
      remedy: 'Correct `timezone`: an IANA name, e.g. "Europe/Berlin"; UTC where it is left out.',
      cause: thrown,
    })
  }
}

const badCron = (cron: string, cause: unknown): SluiceError =>
  new SluiceError('configuration', `The cron expression "${cron}" never fires.`, {
    retry: 'never',
    remedy: 'Write five fields: minute hour day-of-month month day-of-week, e.g. "*/5 * * * *".',
    ...(cause === undefined ? {} : { cause }),
  })
