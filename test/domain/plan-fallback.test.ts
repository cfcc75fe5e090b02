import { expect } from 'chai'
import { type FallbackFacts, planFallback } from '#domain/plan-fallback'

const at = (minutes: number) => new Date(Date.parse('2026-03-01T00:00:00Z') + minutes * 60_000)
const facts = (more: Partial<FallbackFacts> = {}): FallbackFacts => ({
  when: 'stale',
  staleAfterMs: 15 * 60_000,
  watchedSince: at(0),
  ...more,
})

describe('planFallback', () => {
  it('stands back while push is alive', () => {
    const plan = planFallback(facts({ lastPushAt: at(10) }), at(24))
    expect(plan).to.deep.equal({ poll: false, stale: false, silentForMs: 14 * 60_000 })
  })

  it('takes over once push has been silent longer than staleAfterMs, not before', () => {
    expect(planFallback(facts({ lastPushAt: at(10) }), at(25)).poll).to.equal(false)
    expect(planFallback(facts({ lastPushAt: at(10) }), new Date(at(25).getTime() + 1)).poll).to.equal(true)
  })

  it('steps back with the next delivery', () => {
    expect(planFallback(facts({ lastPushAt: at(10) }), at(60)).poll).to.equal(true)
    expect(planFallback(facts({ lastPushAt: at(59) }), at(60)).poll).to.equal(false)
  })

  it('reads once more after it took over', () => {
    const plan = planFallback(facts({ lastPushAt: at(59), tookOver: true }), at(60))
    expect(plan).to.include({ poll: true, stale: false })
  })

  it('counts from when anybody listened where no delivery ever came', () => {
    expect(planFallback(facts(), at(15)).stale).to.equal(false)
    expect(planFallback(facts(), at(16)).stale).to.equal(true)
  })

  it('notices the silence of a process that restarts more often than staleAfterMs', () => {
    const plan = planFallback(facts({ lastPushAt: at(0), watchedSince: at(55) }), at(60))
    expect(plan).to.deep.equal({ poll: true, stale: true, silentForMs: 60 * 60_000 })
  })

  it('always polls where told so, and still says whether push is stale', () => {
    expect(planFallback(facts({ when: 'always', lastPushAt: at(10) }), at(11))).to.include({ poll: true, stale: false })
    expect(planFallback(facts({ when: 'always', lastPushAt: at(10) }), at(40))).to.include({ poll: true, stale: true })
  })

  it('never counts a silence below nothing when clocks differ', () => {
    expect(planFallback(facts({ lastPushAt: at(12) }), at(10)).silentForMs).to.equal(0)
  })
})
