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

  return {
    /** The slots in (after, until], ascending, the newest `MAX_SLOTS` at most. */
    slotsBetween(after: Date, until: Date): readonly Date[] {
      const slots: Date[] = []
      let at = Math.floor((until.getTime() - offsetMs) / stepMs) * stepMs + offsetMs
      for (let step = 0; at > after.getTime(); step += 1, at -= stepMs) {
        if (slots.length === MAX_SLOTS) break
        if (step === MAX_STEPS) return slots.length === 0 ? [until] : slots.reverse()
        if (matcher.match(new Date(at))) slots.push(new Date(at))
      }
      return slots.reverse()
    },

    start(due: () => void): { stop(): void } {
      const running = task(cron, timezone, due)
      void running.start()
      return { stop: () => void running.destroy() }
    },
  }
}

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
