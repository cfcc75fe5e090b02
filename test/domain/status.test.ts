import { expect } from 'chai'
import { type DispatchStatus, isOpen, needsOperator, operatorMay, TRANSITIONS } from '#domain/status'

const STATUSES: readonly DispatchStatus[] = ['waiting', 'done', 'skipped', 'dead', 'unsure']

describe('TRANSITIONS', () => {
  it('is closed: every status is listed and leads to listed ones only', () => {
    expect(Object.keys(TRANSITIONS)).to.have.members([...STATUSES])
    const reached = Object.values(TRANSITIONS).flatMap(({ worker, operator }) => [...worker, ...operator])
    expect(STATUSES).to.include.members(reached)
  })

  it('lets workers move only what waits', () => {
    const moved = STATUSES.filter((from) => TRANSITIONS[from].worker.length > 0)
    expect(moved).to.deep.equal(['waiting'])
  })

  it('is the table of the design', () => {
    expect(TRANSITIONS).to.deep.equal({
      waiting: { worker: ['done', 'waiting', 'skipped', 'dead', 'unsure'], operator: ['skipped', 'dead'] },
      dead: { worker: [], operator: ['waiting', 'skipped'] },
      unsure: { worker: [], operator: ['waiting', 'skipped'] },
      done: { worker: [], operator: [] },
      skipped: { worker: [], operator: [] },
    })
  })

  it('has an end that can be reached from everywhere: no status is a trap', () => {
    for (const from of STATUSES) {
      const seen = new Set<DispatchStatus>([from])
      for (const status of seen) {
        for (const next of [...TRANSITIONS[status].worker, ...TRANSITIONS[status].operator]) seen.add(next)
      }
      expect(
        [...seen].some((status) => status === 'done' || status === 'skipped'),
        from,
      ).to.equal(true)
    }
  })
})

describe('what a status means', () => {
  it('tells open work and work for an operator apart', () => {
    expect(STATUSES.filter(isOpen)).to.deep.equal(['waiting'])
    expect(STATUSES.filter(needsOperator)).to.deep.equal(['dead', 'unsure'])
  })

  it('says what an operator may do', () => {
    expect(operatorMay('dead', 'waiting')).to.equal(true)
    expect(operatorMay('done', 'waiting')).to.equal(false)
    expect(operatorMay('skipped', 'skipped')).to.equal(false)
  })
})
