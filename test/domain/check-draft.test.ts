import { expect } from 'chai'
import fc from 'fast-check'
import { checkDraft, LIMITS, OBJECT_LIMITS } from '#domain/check-draft'
import type { EventDraft } from '#domain/event'

const draft = (attributes: Record<string, unknown> = {}, more: Record<string, unknown> = {}): EventDraft =>
  ({
    identity: { id: 'evt-1' },
    attributes: { id: 'evt-1', source: '/shop', type: 'order.created.v1', ...attributes },
    nature: 'fact',
    data: '{}',
    ...more,
  }) as EventDraft

const bad = (reason: string, detail: string) => ({ ok: false, reason, detail })
const timeLike = new Set(['time', 'recordedtime'])

describe('checkDraft', () => {
  it('takes a sound draft', () => {
    const sound = draft({ subject: 'Order/1', time: '2026-01-01T00:00:00.1234567+01:00', partitionkey: 'Order/1' })
    expect(checkDraft(sound)).to.deep.equal({ ok: true })
  })

  for (const name of ['id', 'source', 'type']) {
    for (const value of [undefined, '']) {
      it(`misses ${name} where it is ${value === '' ? 'empty' : 'absent'}`, () => {
        expect(checkDraft(draft({ [name]: value }))).to.deep.equal(bad('attribute-missing', name))
      })
    }
  }

  for (const [name, limit] of Object.entries(LIMITS)) {
    if (!timeLike.has(name)) {
      it(`takes ${limit} characters of ${name} and refuses one more`, () => {
        expect(checkDraft(draft({ [name]: 'x'.repeat(limit) }))).to.deep.equal({ ok: true })
        expect(checkDraft(draft({ [name]: 'x'.repeat(limit + 1) }))).to.deep.equal(bad('attribute-too-long', name))
      })
    }
    for (const [what, value] of [
      ['a NUL', 'a\u0000b'],
      ['a line break', 'a\nb'],
      ['a C1 control', 'a\u0085b'],
      ['a lone high surrogate', 'a\ud83d'],
      ['a lone low surrogate', '\ude00a'],
      ['a number', 7],
      ['an object', {}],
      ['null', null],
    ] as const) {
      it(`refuses ${what} in ${name}`, () => {
        expect(checkDraft(draft({ [name]: value }))).to.deep.equal(bad('attribute-invalid', name))
      })
    }
  }

  for (const [name, limit] of Object.entries(OBJECT_LIMITS)) {
    const object = (value: unknown) => draft({}, { object: { type: 'Order', key: '1', version: '1', [name]: value } })
    it(`bounds object.${name} at ${limit} characters`, () => {
      expect(checkDraft(object('x'.repeat(limit)))).to.deep.equal({ ok: true })
      expect(checkDraft(object('x'.repeat(limit + 1)))).to.deep.equal(bad('attribute-too-long', `object.${name}`))
      expect(checkDraft(object('a\u0000'))).to.deep.equal(bad('attribute-invalid', `object.${name}`))
    })
  }

  it('wants an object to have a type and a key', () => {
    expect(checkDraft(draft({}, { object: { type: 'Order', key: '' } }))).to.deep.equal(
      bad('attribute-missing', 'object.key'),
    )
    expect(checkDraft(draft({}, { object: { key: '1' } }))).to.deep.equal(bad('attribute-missing', 'object.type'))
  })

  it('bounds the identity like the id', () => {
    const identified = (id: string) => checkDraft(draft({}, { identity: { id } }))
    expect(identified('x'.repeat(LIMITS.id))).to.deep.equal({ ok: true })
    expect(identified('x'.repeat(LIMITS.id + 1))).to.deep.equal(bad('attribute-too-long', 'identity'))
    expect(identified('')).to.deep.equal(bad('attribute-missing', 'identity'))
    expect(identified('a\u0000')).to.deep.equal(bad('attribute-invalid', 'identity'))
  })

  for (const identity of [{ none: true }, { hash: true, windowMs: 1 }]) {
    it(`takes the identity ${Object.keys(identity)[0]}`, () => {
      expect(checkDraft(draft({}, { identity }))).to.deep.equal({ ok: true })
    })
  }

  for (const [time, ok] of [
    ['2026-01-01T00:00:00Z', true],
    ['2026-01-01t00:00:00z', true],
    ['2026-01-01T00:00:00.123456789-11:30', true],
    ['2026-01-01', false],
    ['2026-01-01T00:00:00', false],
    ['2026-01-01 00:00:00Z', false],
    ['2026-13-01T00:00:00Z', false],
    ['1767225600', false],
    ['', false],
    ['yesterday', false],
  ] as const) {
    it(`${ok ? 'takes' : 'refuses'} the time "${time}"`, () => {
      expect(checkDraft(draft({ time })).ok).to.equal(ok)
      expect(checkDraft(draft({ recordedtime: time })).ok).to.equal(ok)
    })
  }

  for (const name of ['data', 'dataBase64']) {
    it(`refuses NUL and lone surrogates in ${name}, and takes everything else`, () => {
      const checked = (value: string) => checkDraft(draft({}, { [name]: value }))
      expect(checked('a\u0000')).to.deep.equal(bad('attribute-invalid', name))
      expect(checked('\ud800')).to.deep.equal(bad('attribute-invalid', name))
      expect(checked('"\\u0000 \n 😀"')).to.deep.equal({ ok: true })
    })
  }

  it('never shows a value in its answer', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(LIMITS)),
        fc.string({ unit: 'binary', minLength: 8 }),
        (name, value) => {
          const checked = checkDraft(draft({ [name]: `\u0000${value}` }))
          return !checked.ok && !checked.detail.includes(value)
        },
      ),
    )
  })

  it('lets through only text that every database keeps as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (subject) => {
        const { ok } = checkDraft(draft({ subject }))
        return !ok || (subject.length <= LIMITS.subject && subject.isWellFormed() && !/\p{Cc}/u.test(subject))
      }),
    )
  })
})
