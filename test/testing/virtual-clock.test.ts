import { expect } from 'chai'
import { virtualClock } from '../../testing/index.ts'

describe('virtual clock', () => {
  it('stands still until it is moved', async () => {
    const clock = virtualClock('2026-03-01T12:00:00Z')
    expect(clock.now().toISOString()).to.equal('2026-03-01T12:00:00.000Z')
    await clock.advance(1500)
    expect(clock.now().toISOString()).to.equal('2026-03-01T12:00:01.500Z')
  })

  it('runs due timers in order of time, each at its own time, those set meanwhile included', async () => {
    const clock = virtualClock(new Date(0))
    const seen: string[] = []
    const note = (name: string) => () => seen.push(`${name}@${clock.now().getTime()}`)
    clock.after(30, note('c'))
    clock.after(10, async () => {
      note('a')()
      await Promise.resolve()
      clock.after(10, note('b'))
    })
    clock.after(100, note('later'))
    expect(clock.pending).to.equal(3)
    await clock.advance(50)
    expect(seen).to.deep.equal(['a@10', 'b@20', 'c@30'])
    expect(clock.pending).to.equal(1)
  })

  it('runs timers of the same moment in the order they were set', async () => {
    const clock = virtualClock()
    const seen: number[] = []
    for (const n of [1, 2, 3]) clock.after(5, () => seen.push(n))
    await clock.advance(5)
    expect(seen).to.deep.equal([1, 2, 3])
  })

  it('does not run what was called off', async () => {
    const clock = virtualClock()
    const seen: string[] = []
    const off = clock.after(5, () => seen.push('never'))
    off()
    await clock.advance(10)
    expect(seen).to.deep.equal([])
    expect(clock.pending).to.equal(0)
  })
})
