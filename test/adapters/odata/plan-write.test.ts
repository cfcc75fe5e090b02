import { expect } from 'chai'
import fc from 'fast-check'
import { versionAfter } from '../../../adapters/odata/etag-version.ts'
import { type CreateState, isContained, planCreate, planUpdate } from '../../../adapters/odata/plan-write.ts'

const now = new Date('2026-01-01T00:01:00Z')
const ago = (ms: number) => new Date(now.getTime() - ms)
const lost: CreateState = {
  firstTry: false,
  lastSentAt: ago(1_000),
  settleMs: 60_000,
  searchable: true,
  onAmbiguous: 'park',
}

describe('planCreate', () => {
  const table: readonly [what: string, state: Partial<CreateState>, plan: object][] = [
    ['a first try creates', { firstTry: true }, { do: 'create' }],
    ['a later one waits for the rest of settleMs', {}, { do: 'wait', afterMs: 59_000 }],
    ['then looks', { lastSentAt: ago(60_000) }, { do: 'look-up' }],
    ['and keeps what it found', { lastSentAt: ago(60_000), found: true }, { do: 'keep' }],
    ['or creates', { lastSentAt: ago(60_000), found: false }, { do: 'create' }],
    ['what was found early is kept too', { found: true }, { do: 'keep' }],
    ['what was not found early proves nothing', { found: false }, { do: 'wait', afterMs: 59_000 }],
    ['what cannot be searched is parked', { searchable: false }, { do: 'park' }],
    ['or repeated, where that was chosen', { searchable: false, onAmbiguous: 'repeat' }, { do: 'create' }],
  ]
  for (const [what, state, plan] of table) {
    it(what, () => {
      expect(planCreate({ ...lost, ...state }, now)).to.deep.equal(plan)
    })
  }

  it('never creates after an unclear try without a look-up that came late enough, unless it is told to', () => {
    const states = fc.record({
      firstTry: fc.constant(false),
      lastSentAt: fc.date({ min: ago(200_000), max: now, noInvalidDate: true }),
      settleMs: fc.integer({ min: 0, max: 120_000 }),
      searchable: fc.boolean(),
      onAmbiguous: fc.constant('park' as const),
      found: fc.constantFrom(true, false),
    })
    fc.assert(
      fc.property(states, fc.boolean(), ({ found, ...rest }, looked) => {
        const plan = planCreate(looked ? { ...rest, found } : rest, now)
        if (plan.do !== 'create') return
        expect(looked && !found && rest.searchable).to.equal(true)
        expect(now.getTime()).to.be.at.least(rest.lastSentAt.getTime() + rest.settleMs)
      }),
    )
  })
})

describe('planUpdate', () => {
  const table: readonly [string | undefined, string | null | undefined, boolean, string][] = [
    [undefined, '2026-01-01T00:00:00Z', true, 'write'],
    ['2026-01-01T00:00:00Z', undefined, true, 'write'],
    ['2026-01-01T00:00:00Z', null, true, 'write'],
    ['2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z', true, 'write'],
    ['2026-01-01T00:00:00.0000002Z', '2026-01-01T00:00:00.0000001Z', true, 'write'],
    ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', true, 'stale'],
    ['2026-01-01T01:00:00+01:00', '2026-01-01T00:00:00.000Z', true, 'unchanged'],
    ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', false, 'write'],
    ['9', '10', false, 'stale'],
    ['11', '10', false, 'write'],
    ['b', 'a', false, 'write'],
    ['a', 'a', true, 'unchanged'],
  ]
  for (const [version, stored, same, plan] of table) {
    it(`${version} over ${stored}${same ? ', same content' : ''} → ${plan}`, () => {
      expect(planUpdate(version, stored, same)).to.equal(plan)
    })
  }

  it('lets no older version through', () => {
    const moments = fc.date({ min: new Date(0), max: now, noInvalidDate: true })
    fc.assert(
      fc.property(moments, moments, fc.boolean(), (a, b, same) => {
        const plan = planUpdate(a.toISOString(), b.toISOString(), same)
        expect(plan === 'write').to.equal(same ? a > b : a >= b)
      }),
    )
  })
})

describe('isContained', () => {
  const record = { a: '1', amount: '12.500', at: '2026-01-01T00:00:00.000Z', none: null, items: [{ n: '10', x: 1 }] }
  it('compares what is to be written with what is there, by meaning', () => {
    const same = [
      {},
      { a: 1 },
      { amount: 12.5 },
      { at: '2026-01-01T00:00:00Z' },
      { none: null },
      { items: [{ n: 10 }] },
    ]
    for (const data of same) expect(isContained(data, record), JSON.stringify(data)).to.equal(true)
    const others = [
      { a: '2' },
      { a: '01' },
      { amount: 12.51 },
      { a: null },
      { missing: 'x' },
      { items: [] },
      { items: [{ n: '11' }] },
    ]
    for (const data of others) expect(isContained(data, record), JSON.stringify(data)).to.equal(false)
    expect(isContained({ at: new Date('2026-01-01T00:00:00Z') }, record)).to.equal(true)
  })
})

describe('versionAfter', () => {
  const etag = (at: string) => `W/"datetimeoffset'${at}'"`
  it('believes an etag to be the version only where it was before', () => {
    const state = { etag: etag('2026-01-01T00:00:00.1234567Z'), version: '2026-01-01T00:00:00.123Z' }
    const next = '2026-01-01T00:00:05.7654321Z'
    expect(versionAfter(state, etag(next))).to.equal('2026-01-01T00:00:05.765Z')
    expect(versionAfter(state, etag(next).replaceAll(':', '%3A'))).to.equal('2026-01-01T00:00:05.765Z')
    const exact = { ...state, version: '2026-01-01T00:00:00.1234567Z' }
    expect(versionAfter(exact, etag(next))).to.equal(next)
    expect(versionAfter({ ...state, version: '2026-01-01T00:00:01Z' }, etag(next))).to.equal(undefined)
    expect(versionAfter({ etag: state.etag }, etag(next))).to.equal(undefined)
    expect(versionAfter(state, 'W/"0006"')).to.equal(undefined)
    expect(versionAfter(undefined, etag(next))).to.equal(undefined)
  })
})
