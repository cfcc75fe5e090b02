import { expect } from 'chai'
import fc from 'fast-check'
import { DEFAULT_RETRY, delayForRetry, type RetryPolicy } from '#domain/backoff'

const policy: RetryPolicy = { attempts: 10, baseMs: 100, factor: 2, capMs: 5_000 }
const ALMOST_ONE = 1 - Number.EPSILON

describe('delayForRetry', () => {
  for (const [failures, ceiling] of [
    [1, 100],
    [2, 200],
    [3, 400],
    [6, 3_200],
    [7, 5_000],
    [1_000, 5_000],
  ] as const) {
    it(`spreads the delay after ${failures} failures over 0 to ${ceiling} ms`, () => {
      expect(delayForRetry(policy, failures, 0)).to.equal(0)
      expect(delayForRetry(policy, failures, 0.5)).to.equal(ceiling / 2)
      expect(delayForRetry(policy, failures, ALMOST_ONE)).to.equal(ceiling)
    })
  }

  it('stays between 0 and the cap for every policy, however often something failed', () => {
    fc.assert(
      fc.property(
        fc.record({
          attempts: fc.integer({ min: 1, max: 100 }),
          baseMs: fc.integer({ min: 0, max: 60_000 }),
          factor: fc.double({ min: 1, max: 10, noNaN: true }),
          capMs: fc.integer({ min: 0, max: 86_400_000 }),
        }),
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: ALMOST_ONE, noNaN: true }),
        (any, failures, random) => {
          const delay = delayForRetry(any, failures, random)
          return Number.isInteger(delay) && delay >= 0 && delay <= any.capMs
        },
      ),
    )
  })

  it('has full jitter: the delay grows with the random number and reaches both ends', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.double({ min: 0, max: 0.5, noNaN: true }), (failures, random) => {
        const [less, more] = [random, random + 0.4].map((each) => delayForRetry(policy, failures + 1, each))
        return less! <= more!
      }),
    )
  })

  it('follows an own schedule to the millisecond, without jitter, and repeats its last delay', () => {
    const own = { ...policy, scheduleMs: [10, 1_000, 7_200_000] }
    const delays = [1, 2, 3, 4, 99].map((failures) => delayForRetry(own, failures, 0.123))
    expect(delays).to.deep.equal([10, 1_000, 7_200_000, 7_200_000, 7_200_000])
  })

  it('backs off exponentially where the own schedule is empty', () => {
    expect(delayForRetry({ ...policy, scheduleMs: [] }, 2, 0.5)).to.equal(100)
  })

  it('reaches past a night of maintenance by default', () => {
    const longest = Array.from({ length: DEFAULT_RETRY.attempts - 1 }, (_, index) =>
      delayForRetry(DEFAULT_RETRY, index + 1, 0.5),
    ).reduce((sum, each) => sum + each, 0)
    expect(longest).to.be.within(6 * 3_600_000, 14 * 3_600_000)
  })
})
