import { expect } from 'chai'
import fc from 'fast-check'
import { MAX_MESSAGE_LENGTH, PermanentError, RetryAfterError, SluiceError, toFault } from '#domain/errors'

describe('SluiceError', () => {
  it('is transient and without effect where nothing else is said', () => {
    expect(new SluiceError('x', 'It failed.')).to.include({ code: 'x', retry: 'backoff', effect: 'none' })
  })

  it('says what to do next', () => {
    const error = new SluiceError('x', 'It failed.', { remedy: 'Mend it.', cause: 7 })
    expect(error).to.include({ message: 'It failed. Mend it.', remedy: 'Mend it.', cause: 7 })
  })

  it('knows permanent faults and wishes to wait', () => {
    expect(new PermanentError('no').retry).to.equal('never')
    expect(new RetryAfterError(5_000, 'later').retry).to.deep.equal({ afterMs: 5_000 })
  })
})

describe('an error of another copy of this module', () => {
  it('counts as one of ours: tsx gives CommonJS apps a copy', async () => {
    const copy: typeof import('#domain/errors') = await import(`${import.meta.resolve('#domain/errors')}?copy`)
    expect(copy.PermanentError).not.to.equal(PermanentError)
    expect(toFault(new copy.PermanentError('no'))).to.include({ code: 'permanent', retry: 'never' })
    expect(toFault(new copy.RetryAfterError(9, 'later')).retry).to.deep.equal({ afterMs: 9 })
    expect(new copy.PermanentError('no')).to.be.instanceOf(SluiceError)
  })

  it('leaves the kinds of errors apart', () => {
    expect(new SluiceError('x', 'x')).not.to.be.instanceOf(PermanentError)
    expect(new RetryAfterError(1, 'x')).not.to.be.instanceOf(PermanentError)
    expect(new PermanentError('x')).to.be.instanceOf(PermanentError).and.instanceOf(Error)
    for (const other of [new Error('x'), {}, null, undefined, 'x']) expect(other instanceof SluiceError).to.equal(false)
  })
})

describe('toFault', () => {
  const UNKNOWN = { retry: 'backoff', effect: 'none' }
  const unshowable = { code: 'Error', message: 'a value that cannot be shown was thrown', ...UNKNOWN }
  const throwing = () => {
    throw new Error('again')
  }

  it('keeps what an own error says', () => {
    const error = new SluiceError('locked', 'Locked.', { retry: { afterMs: 9 }, effect: 'unknown', httpStatus: 423 })
    expect(toFault(error)).to.deep.equal({
      code: 'locked',
      message: 'Locked.',
      retry: { afterMs: 9 },
      effect: 'unknown',
      httpStatus: 423,
    })
  })

  for (const [what, thrown, fault] of [
    ['an Error', new Error('oops'), { code: 'Error', message: 'oops', ...UNKNOWN }],
    ['a TypeError', new TypeError('no function'), { code: 'TypeError', message: 'no function', ...UNKNOWN }],
    ['a text', 'plain', { code: 'Error', message: 'plain', ...UNKNOWN }],
    ['undefined', undefined, { code: 'Error', message: 'undefined', ...UNKNOWN }],
    ['null', null, { code: 'Error', message: 'null', ...UNKNOWN }],
    ['a symbol', Symbol('s'), { code: 'Error', message: 'Symbol(s)', ...UNKNOWN }],
    ['a frozen object', Object.freeze({ a: 1 }), { code: 'Error', message: '[object Object]', ...UNKNOWN }],
    [
      'an Error with a number for a message',
      Object.assign(new Error(), { message: 42 }),
      { code: 'Error', message: '42', ...UNKNOWN },
    ],
    [
      'an Error without a name',
      Object.assign(new Error('x'), { name: '' }),
      { code: 'Error', message: 'x', ...UNKNOWN },
    ],
    ['an object whose toString throws', { toString: throwing }, unshowable],
    ['an object without prototype', Object.create(null), unshowable],
    ['an Error whose message throws', Object.defineProperty(new Error(), 'message', { get: throwing }), unshowable],
    ['an Error whose name throws', Object.defineProperty(new Error('x'), 'name', { get: throwing }), unshowable],
    ['a proxy that refuses everything', new Proxy({}, { getPrototypeOf: throwing, get: throwing }), unshowable],
  ] as const) {
    it(`makes a transient fault of ${what}`, () => {
      expect(toFault(thrown)).to.deep.equal(fault)
    })
  }

  it('bounds messages and codes, and leaves nothing in them that a database refuses', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 5_000 }), fc.boolean(), (text, own) => {
        const thrown = own ? new SluiceError(text, text) : Object.assign(new Error(text), { name: text })
        const { code, message } = toFault(thrown)
        return (
          message.length <= MAX_MESSAGE_LENGTH &&
          code.length <= 100 &&
          [code, message].every((each) => each.isWellFormed() && !each.includes('\u0000'))
        )
      }),
    )
  })

  it('cuts a flood to its beginning (peer defect 25)', () => {
    const { message } = toFault(new Error('x'.repeat(100_000_000)))
    expect(message).to.have.length(MAX_MESSAGE_LENGTH)
    expect(message.endsWith('…')).to.equal(true)
  })

  it('cuts between characters, never within one', () => {
    const { message } = toFault(new Error('😀'.repeat(MAX_MESSAGE_LENGTH)))
    expect(message.isWellFormed()).to.equal(true)
  })

  it('takes anything', () => {
    fc.assert(
      fc.property(
        fc.anything({ withNullPrototype: true, withBigInt: true, withSparseArray: true }),
        (thrown) => typeof toFault(thrown).message === 'string',
      ),
    )
  })
})
