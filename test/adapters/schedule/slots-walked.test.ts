import { expect } from 'chai'
import fc from 'fast-check'
import { createTask, parse } from 'node-cron'
import { type CronOptions, cronSchedule } from '../../../adapters/schedule/cron-schedule.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** Every minute (or second) asked one by one, a month of them at most: dear and plain. */
function walked({ cron, timezone = 'UTC' }: CronOptions, after: Date, until: Date): readonly Date[] {
  const stepMs = parse(cron).second.length === 1 ? 60_000 : 1_000
  const offsetMs = stepMs === 60_000 ? (parse(cron).second[0] ?? 0) * 1_000 : 0
  const matcher = createTask(cron, () => undefined, { timezone })
  const slots: Date[] = []
  let at = Math.floor((until.getTime() - offsetMs) / stepMs) * stepMs + offsetMs
  for (let step = 0; at > after.getTime(); step += 1, at -= stepMs) {
    if (slots.length === 100) break
    if (step === 44_640) return slots.length === 0 ? [until] : slots.reverse()
    if (matcher.match(new Date(at))) slots.push(new Date(at))
  }
  return slots.reverse()
}

const SPRING = ['Europe/Berlin', '2026-03-29T01:00:00Z'] as const
/** Zones whose clocks do something odd about then, beside moments of no interest. */
const CHANGES: readonly (readonly [zone: string, around: string])[] = [
  ['UTC', '2026-03-01T00:00:00Z'],
  ['Asia/Kolkata', '2026-02-01T00:00:00Z'],
  SPRING,
  ['Europe/Berlin', '2026-10-25T01:00:00Z'],
  ['America/New_York', '2026-11-01T06:00:00Z'],
  ['America/St_Johns', '2006-10-29T02:31:00Z'],
  ['America/Santiago', '2026-09-06T04:00:00Z'],
  ['Africa/Cairo', '2026-04-23T22:00:00Z'],
  ['Africa/Casablanca', '2026-02-15T02:00:00Z'],
  ['Australia/Lord_Howe', '2026-04-04T15:00:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T15:30:00Z'],
  ['Pacific/Apia', '2011-12-30T10:00:00Z'],
  ['Asia/Kathmandu', '1985-12-31T18:30:00Z'],
  ['Africa/Monrovia', '1972-01-07T00:44:30Z'],
]

const some = (min: number, max: number) =>
  fc
    .uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 3 })
    .map((values) => values.toSorted((a, b) => a - b).join(','))
const anyOr = (rest: fc.Arbitrary<string>) => fc.oneof(fc.constant('*'), rest)
const cron = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: fc.constant('') },
      { weight: 1, arbitrary: some(0, 59).map((each) => `${each} `) },
    ),
    fc.oneof(some(0, 59), fc.constantFrom('*', '*/7')),
    fc.oneof({ weight: 3, arbitrary: some(0, 23) }, { weight: 1, arbitrary: fc.constantFrom('*', '*/5', '0-3') }),
    anyOr(fc.oneof(some(1, 28), fc.constantFrom('L', '15W', 'L-2', '29-31'))),
    anyOr(fc.oneof(some(1, 12), fc.constantFrom('mar-apr', 'oct'))),
    anyOr(fc.oneof(some(0, 6), fc.constantFrom('sun', 'mon#1', '5L', '7'))),
  )
  .map(([second, ...rest]) => second + rest.join(' '))

const look = fc.record({
  cron,
  change: fc.constantFrom(...CHANGES),
  /** How long after the change we look, and how far back. */
  laterMs: fc.integer({ min: -HOUR_MS, max: 2 * DAY_MS }),
  backMs: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 0, max: 3 * DAY_MS }) },
    { weight: 1, arbitrary: fc.integer({ min: 25 * DAY_MS, max: 40 * DAY_MS }) },
  ),
})

describe('the slots of a cron', () => {
  it('are those that a walk over every minute finds, also where clocks change', () => {
    fc.assert(
      fc.property(look, ({ cron, change: [timezone, around], laterMs, backMs }) => {
        const until = new Date(Date.parse(around) + laterMs)
        const after = new Date(until.getTime() - backMs)
        const options = { cron, timezone }
        expect(cronSchedule(options).slotsBetween(after, until)).to.deep.equal(walked(options, after, until))
      }),
      // The clocks are put forward between the slot and the look.
      { numRuns: 40, examples: [[{ cron: '30 0 * * *', change: SPRING, laterMs: 11 * HOUR_MS, backMs: DAY_MS }]] },
    )
  })

  for (const [cron, until] of [
    ['0 0 1 * *', '2026-04-01T00:00:00Z'],
    ['30 2 1 1 *', '2026-04-10T12:00:00Z'],
    ['15 4 * * mon', '2026-04-10T12:00:00Z'],
    ['0 3 * * *', '2026-04-10T12:00:00Z'],
    ['*/5 * 1 * *', '2026-03-31T12:00:00Z'],
  ] as const) {
    it(`cost a few looks at the calendar, not one a minute: ${cron}`, () => {
      const schedule = cronSchedule({ cron, timezone: 'Europe/Berlin' })
      const looks = countingLooks(() => schedule.slotsBetween(new Date('2026-03-01T00:00:00Z'), new Date(until)))
      expect(looks).to.be.greaterThan(0).and.lessThan(1_000)
    })
  }
})

function countingLooks(work: () => void): number {
  const { formatToParts } = Intl.DateTimeFormat.prototype
  let looks = 0
  Intl.DateTimeFormat.prototype.formatToParts = function (...given) {
    looks += 1
    return formatToParts.apply(this, given)
  }
  try {
    work()
  } finally {
    Intl.DateTimeFormat.prototype.formatToParts = formatToParts
  }
  return looks
}
