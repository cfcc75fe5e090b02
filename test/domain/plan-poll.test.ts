import { expect } from 'chai'
import fc from 'fast-check'
import { NO_CHECKPOINT, planPoll, windowStart } from '#domain/plan-poll'

const at = (text: string) => new Date(`2026-03-01T${text}Z`)
const completed = (slot: Date) => ({ ...NO_CHECKPOINT, slotAt: slot.toISOString() })

describe('planPoll', () => {
  it('runs at once where it never ran', () => {
    const now = at('10:02:00')
    expect(planPoll(NO_CHECKPOINT, [], now)).to.deep.equal({ run: true, missed: 0, slotAt: now.toISOString() })
  })

  it('rests until the next slot', () => {
    expect(planPoll(completed(at('10:00:00')), [], at('10:04:59'))).to.deep.equal({ run: false, missed: 0 })
    expect(planPoll(completed(at('10:00:00')), [at('10:05:00')], at('10:04:59')).run).to.equal(false)
  })

  it('is due at its slot', () => {
    const plan = planPoll(completed(at('10:00:00')), [at('10:05:00')], at('10:05:00'))
    expect(plan).to.deep.equal({ run: true, missed: 0, slotAt: at('10:05:00').toISOString() })
  })

  it('catches missed slots up with one run, and is not due again after it', () => {
    const slots = ['10:05:00', '10:10:00', '10:15:00'].map(at)
    const plan = planPoll(completed(at('10:00:00')), slots, at('10:16:00'))
    expect(plan).to.deep.equal({ run: true, missed: 2, slotAt: at('10:15:00').toISOString() })
    expect(planPoll(completed(at('10:15:00')), [], at('10:16:00')).run).to.equal(false)
  })

  it('runs next after 60 days down (peer defect 7)', () => {
    const last = at('10:00:00')
    const now = new Date(last.getTime() + 60 * 86_400_000)
    const slots = Array.from({ length: 1_000 }, (_, index) => new Date(now.getTime() - (999 - index) * 300_000))
    const plan = planPoll(completed(last), slots, now)
    expect(plan).to.deep.equal({ run: true, missed: 999, slotAt: now.toISOString() })
  })

  it('is not silenced by a slot that a wrong clock wrote into the future (peer defect 7)', () => {
    const now = at('10:00:00')
    const wrong = completed(new Date('2027-03-01T10:00:00Z'))
    expect(planPoll(wrong, [], now)).to.deep.equal({ run: true, missed: 0, slotAt: now.toISOString() })
  })

  it('does not run a slot twice because another instance is a little ahead', () => {
    expect(planPoll(completed(at('10:05:00')), [], at('10:04:30')).run).to.equal(false)
  })

  it('runs exactly when a slot has passed, for every set of slots', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 500 }), { maxLength: 20 }), fc.nat(500), (offsets, nowOffset) => {
        const start = at('00:00:00').getTime()
        const slots = [...new Set(offsets)].sort((a, b) => a - b).map((each) => new Date(start + each * 1_000))
        const plan = planPoll(completed(new Date(start)), slots, new Date(start + nowOffset * 1_000))
        const due = slots.filter((slot) => slot.getTime() <= start + nowOffset * 1_000)
        return plan.run === due.length > 0 && plan.missed === Math.max(0, due.length - 1)
      }),
    )
  })
})

describe('windowStart', () => {
  for (const [watermark, overlapMs, expected] of [
    [null, 60_000, undefined],
    ['2026-03-01T10:00:00Z', 60_000, '2026-03-01T09:59:00.000Z'],
    ['2026-03-01T10:00:00Z', 0, '2026-03-01T10:00:00.000Z'],
    ['2026-03-01T10:00:00.1234567Z', 0, '2026-03-01T10:00:00.123Z'],
    ['2026-03-01T10:00:00+02:00', 60_000, '2026-03-01T07:59:00.000Z'],
    ['42', 60_000, '42'],
    ['2026', 60_000, '2026'],
    ['W/"tag"', 60_000, 'W/"tag"'],
    ['2026-03-01', 60_000, '2026-03-01'],
  ] as const) {
    it(`${watermark} less ${overlapMs} ms is ${expected}`, () => {
      expect(windowStart(watermark, overlapMs)).to.equal(expected)
    })
  }

  it('never begins after the watermark less the overlap: cut decimals round down', () => {
    fc.assert(
      fc.property(fc.nat(9_999_999), fc.nat(86_400_000), (fraction, overlapMs) => {
        const watermark = `2026-03-01T10:00:00.${String(fraction).padStart(7, '0')}Z`
        const exactMs = fraction / 10_000 - overlapMs
        const startMs = Date.parse(windowStart(watermark, overlapMs)!) - Date.parse('2026-03-01T10:00:00Z')
        return startMs <= exactMs && exactMs - startMs < 1
      }),
    )
  })
})
