import { expect } from 'chai'
import fc from 'fast-check'
import { blocksLane, type LaneEntry, planLane } from '#domain/plan-lane'

const state = (object: string, version?: string): LaneEntry => ({
  nature: 'state',
  object,
  ...(version === undefined ? {} : { version }),
})
const fact = (object: string): LaneEntry => ({ nature: 'fact', object })

describe('planLane', () => {
  it('runs everything where order is block, park or none', () => {
    const entries = [state('A'), state('A'), fact('A'), state('A')]
    for (const order of ['block', 'park', 'none'] as const) {
      expect(planLane(entries, order)).to.deep.equal(['run', 'run', 'run', 'run'])
    }
  })

  it('keeps the last of several state notifications about one object, by default and with latest', () => {
    const entries = [state('A'), state('B'), state('A'), state('A')]
    for (const order of ['latest', undefined] as const) {
      expect(planLane(entries, order)).to.deep.equal(['superseded', 'run', 'superseded', 'run'])
    }
  })

  it('never skips a fact, and a fact makes nothing needless', () => {
    expect(planLane([fact('A'), state('A'), fact('A')], 'latest')).to.deep.equal(['run', 'run', 'run'])
  })

  it('never skips what names no object', () => {
    expect(planLane([{ nature: 'state' }, { nature: 'state' }], 'latest')).to.deep.equal(['run', 'run'])
  })

  it('does not let an older version that came later push out a newer one (peer defect 11)', () => {
    const push = state('A', '2026-01-01T00:00:02Z')
    const latePoll = state('A', '2026-01-01T00:00:01Z')
    expect(planLane([push, latePoll], undefined)).to.deep.equal(['run', 'run'])
    expect(planLane([latePoll, push], undefined)).to.deep.equal(['superseded', 'run'])
  })

  it('lets the later of two equal versions win: same second, two contents (peer defect 10)', () => {
    const twice = [state('A', '2026-01-01T00:00:02Z'), state('A', '2026-01-01T00:00:02Z')]
    expect(planLane(twice, undefined)).to.deep.equal(['superseded', 'run'])
  })

  it('follows commit order where versions cannot be compared', () => {
    expect(planLane([state('A', 'W/"x"'), state('A', 'W/"y"')], undefined)).to.deep.equal(['superseded', 'run'])
    expect(planLane([state('A', '7'), state('A')], undefined)).to.deep.equal(['superseded', 'run'])
  })

  it('never swallows a replay, nor lets the replay of an old event push out a new one', () => {
    const replay = { ...state('A', '1'), replay: true }
    expect(planLane([state('A', '2'), replay], undefined)).to.deep.equal(['run', 'run'])
    expect(planLane([replay, state('A', '2')], undefined)).to.deep.equal(['run', 'run'])
  })

  it('never skips what an earlier try may have sent: its late effect would come after the newer one', () => {
    const sent = { ...state('A'), underway: true }
    expect(planLane([sent, state('A'), state('A')], undefined)).to.deep.equal(['run', 'superseded', 'run'])
    expect(planLane([state('A'), sent], undefined)).to.deep.equal(['superseded', 'run'])
  })

  it('sees an earlier try to its end before anything later is written', () => {
    const underway = { ...state('A', '1'), underway: true }
    expect(planLane([underway, state('A', '2')], undefined)).to.deep.equal(['run', 'run'])
    expect(planLane([state('A', '1'), { ...state('A', '2'), underway: true }], undefined)).to.deep.equal([
      'superseded',
      'run',
    ])
  })

  it('skips nothing without something to run instead: same object, later, not known to be older', () => {
    const entry = fc.record({
      nature: fc.constantFrom('fact' as const, 'state' as const),
      object: fc.constantFrom('A', 'B'),
      version: fc.constantFrom('1', '2', '3', 'tag'),
      replay: fc.boolean(),
      underway: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 12 }), (entries) => {
        const plan = planLane(entries, 'latest')
        return entries.every((skipped, index) => {
          if (plan[index] === 'run') return true
          if (skipped.nature === 'fact' || skipped.replay || skipped.underway) return false
          return entries.some(
            (later, at) =>
              at > index &&
              plan[at] === 'run' &&
              later.object === skipped.object &&
              !(Number(later.version) < Number(skipped.version)),
          )
        })
      }),
    )
  })

  it('always runs the last entry of a lane', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(state('A', '1'), state('A', '2'), fact('B')), { minLength: 1 }),
        (entries) => planLane(entries, undefined).at(-1) === 'run',
      ),
    )
  })
})

describe('blocksLane', () => {
  for (const [order, nature, blocks] of [
    ['block', 'fact', true],
    ['block', 'state', true],
    ['latest', 'fact', false],
    ['latest', 'state', false],
    ['park', 'fact', false],
    ['park', 'state', false],
    ['none', 'fact', false],
    [undefined, 'fact', true],
    [undefined, 'state', false],
  ] as const) {
    it(`${order ?? 'default'} and a dead ${nature}: ${blocks ? 'stops' : 'goes on'}`, () => {
      expect(blocksLane(nature, order)).to.equal(blocks)
    })
  }
})
