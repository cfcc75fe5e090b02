import { expect } from 'chai'
import fc from 'fast-check'
import { MINUTE_MS, pollBench, SLOT_MS } from '../helpers/poll-bench.ts'

const OVERLAP_MS = MINUTE_MS

interface Change {
  /** After the one before it. */
  readonly gapMs: number
  /** From the stamp to the commit. */
  readonly latenessMs: number
}

/** Lets changes happen under a poller, each a row of its own, and says which were seen, and how often. */
async function pollThrough(
  changes: readonly Change[],
  parts: { pageSize: number; coarse: boolean; overlapMs?: number },
) {
  const { poller, policy, feed, clock, keys } = pollBench()
  const poll = policy({ overlapMs: parts.overlapMs ?? OVERLAP_MS, pageSize: parts.pageSize })
  const one = poller(poll)
  one.start()
  const tickMs = parts.coarse ? 1_000 : 1
  for (const [index, { gapMs, latenessMs }] of changes.entries()) {
    await clock.advance(gapMs)
    const stampedAt = Math.floor(clock.now().getTime() / tickMs) * tickMs
    feed.rows.push({
      key: String(index).padStart(3, '0'),
      version: new Date(stampedAt).toISOString(),
      visibleAt: new Date(clock.now().getTime() + latenessMs),
    })
  }
  await clock.advance(2 * SLOT_MS)
  await one.stop()
  return keys()
}

const names = (changes: readonly Change[]) => changes.map((_, index) => String(index).padStart(3, '0'))

describe('poller: rows at the boundary (peer defect 9)', () => {
  for (const coarse of [false, true]) {
    // Within a coarse tick a stamp may be up to one tick older than the change: that is lateness, too.
    const most = OVERLAP_MS - (coarse ? 1_000 : 0)
    it(`sees every change once, however late it is committed within the overlap${coarse ? ', ties included' : ''}`, async () => {
      const change = fc.record({
        gapMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 * MINUTE_MS })),
        latenessMs: fc.oneof(fc.constant(0), fc.constant(most), fc.integer({ min: 0, max: most })),
      })
      await fc.assert(
        fc.asyncProperty(
          fc.array(change, { maxLength: 25 }),
          fc.integer({ min: 1, max: 4 }),
          async (changes, pageSize) => {
            expect(await pollThrough(changes, { pageSize, coarse })).to.deep.equal(names(changes))
          },
        ),
        { numRuns: 60 },
      )
    })
  }

  it('would miss one without the overlap: the generator can tell', async () => {
    const lateRow = { gapMs: SLOT_MS - 2_000, latenessMs: 30_000 }
    const promptRow = { gapMs: 1_000, latenessMs: 0 }
    const parts = { pageSize: 10, coarse: false }
    expect(await pollThrough([lateRow, promptRow], parts)).to.deep.equal(['000', '001'])
    expect(await pollThrough([lateRow, promptRow], { ...parts, overlapMs: 0 })).to.deep.equal(['001'])
  })
})
