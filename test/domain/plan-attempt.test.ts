import { expect } from 'chai'
import fc from 'fast-check'
import type { RetryPolicy } from '#domain/backoff'
import type { Fault } from '#domain/errors'
import { planAttempt } from '#domain/plan-attempt'

const policy: RetryPolicy = { attempts: 3, baseMs: 100, factor: 2, capMs: 1_000 }
const DAY_MS = 86_400_000

const fault = (facts: Partial<Fault> = {}) => ({
  kind: 'fault' as const,
  fault: { code: 'erp-down', message: 'ERP is down', retry: 'backoff', effect: 'none', ...facts } as Fault,
})

describe('planAttempt', () => {
  it('ends a try that went well', () => {
    expect(planAttempt({ kind: 'ok' }, 1, policy, 0)).to.deep.equal({ to: 'done' })
  })

  for (const reason of ['absorbed', 'superseded', 'echo', 'discarded'] as const) {
    it(`skips as ${reason}`, () => {
      expect(planAttempt({ kind: 'skip', reason }, 1, policy, 0)).to.deep.equal({ to: 'skipped', reason })
    })
  }

  it('tries exactly as often as the policy says, at every limit (peer defect 6)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.constantFrom('fault', 'lost'), (attempts, kind) => {
        const end = kind === 'lost' ? ({ kind } as const) : fault()
        let tries = 0
        let to = 'waiting'
        while (to === 'waiting') {
          tries += 1
          to = planAttempt(end, tries, { ...policy, attempts }, 0.5).to
          if (tries > attempts) break
        }
        return tries === attempts && to === 'dead'
      }),
    )
  })

  it('waits between tries with the backoff of that failure', () => {
    expect(planAttempt(fault(), 1, policy, 0.5)).to.deep.equal({ to: 'waiting', delayMs: 50, reason: 'erp-down' })
    expect(planAttempt(fault(), 2, policy, 0.5)).to.deep.equal({ to: 'waiting', delayMs: 100, reason: 'erp-down' })
    expect(planAttempt(fault(), 3, policy, 0.5)).to.deep.equal({ to: 'dead', reason: 'erp-down' })
  })

  it('ends a permanent fault at once', () => {
    expect(planAttempt(fault({ retry: 'never' }), 1, policy, 0)).to.deep.equal({ to: 'dead', reason: 'erp-down' })
  })

  it('parks what cannot be decided, permanent or not, with tries left or not', () => {
    for (const retry of ['never', 'backoff', { afterMs: 1 }] as const) {
      for (const failures of [1, 3, 99]) {
        const plan = planAttempt(fault({ retry, effect: 'undecidable' }), failures, policy, 0)
        expect(plan).to.deep.equal({ to: 'unsure', reason: 'erp-down' })
      }
    }
  })

  it('repeats what may have taken effect: the next try looks first', () => {
    expect(planAttempt(fault({ effect: 'unknown' }), 1, policy, 0).to).to.equal('waiting')
  })

  it('repeats a lost try at once, until the tries are used up', () => {
    expect(planAttempt({ kind: 'lost' }, 2, policy, 0.5)).to.deep.equal({ to: 'waiting', delayMs: 0 })
    expect(planAttempt({ kind: 'lost' }, 3, policy, 0.5)).to.deep.equal({ to: 'dead', reason: 'lost' })
  })

  for (const [afterMs, delayMs] of [
    [700, 700],
    [0, 50],
    [10, 50],
    [-5_000, 50],
    [Number.NaN, 50],
    [DAY_MS + 1, DAY_MS],
    [Number.POSITIVE_INFINITY, DAY_MS],
  ] as const) {
    it(`rests ${delayMs} ms where a target asked for ${afterMs} ms`, () => {
      expect(planAttempt(fault({ retry: { afterMs } }), 1, policy, 0.5).delayMs).to.equal(delayMs)
    })
  }

  it('counts tries that were asked to wait like any other', () => {
    expect(planAttempt(fault({ retry: { afterMs: 1 } }), 3, policy, 0).to).to.equal('dead')
  })
})
