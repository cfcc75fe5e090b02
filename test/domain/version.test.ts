import { expect } from 'chai'
import fc from 'fast-check'
import { compareVersions, isAbsorbed, isMoment } from '#domain/version'

const integer = fc.bigInt({ min: 0n, max: 10n ** 30n - 1n }).map(String)
const moment = fc
  .tuple(
    fc.date({ min: new Date('1970-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }),
    fc.stringMatching(/^\d{0,9}$/),
    fc.constantFrom('Z', '+02:00', '-11:30'),
  )
  .map(([date, fraction, zone]) => `${date.toISOString().slice(0, 19)}${fraction && `.${fraction}`}${zone}`)
const anyVersion = fc.oneof(integer, moment, fc.string({ maxLength: 12 }))

describe('compareVersions', () => {
  for (const [a, b, order] of [
    ['1', '2', -1],
    ['10', '9', 1],
    ['007', '7', 0],
    ['9007199254740993', '9007199254740992', 1],
    ['2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z', -1],
    ['2026-01-01T00:00:00.1234567Z', '2026-01-01T00:00:00.1234568Z', -1],
    ['2026-01-01T00:00:00.1Z', '2026-01-01T00:00:00.1000000Z', 0],
    ['2026-01-01T00:00:00.9Z', '2026-01-01T00:00:00.10Z', 1],
    ['2026-01-01T02:00:00+02:00', '2026-01-01T00:00:00Z', 0],
    ['W/"a"', 'W/"a"', 0],
    ['W/"a"', 'W/"b"', undefined],
    ['1', '2026-01-01T00:00:00Z', undefined],
    ['2026-01-01', '2026-01-02', undefined],
    ['2026-13-01T00:00:00Z', '2026-01-01T00:00:00Z', undefined],
  ] as const) {
    it(`${a} against ${b} is ${order}`, () => {
      expect(compareVersions(a, b)).to.equal(order)
    })
  }

  it('is reflexive and antisymmetric for all text', () => {
    fc.assert(
      fc.property(anyVersion, anyVersion, (a, b) => {
        const [there, back] = [compareVersions(a, b), compareVersions(b, a)]
        return compareVersions(a, a) === 0 && (there === undefined ? back === undefined : there + back! === 0)
      }),
    )
  })

  for (const [name, versions] of [
    ['numbers', integer],
    ['moments', moment],
  ] as const) {
    it(`orders ${name} totally and transitively`, () => {
      fc.assert(
        fc.property(versions, versions, versions, (a, b, c) => {
          const sorted = [a, b, c].sort((x, y) => compareVersions(x, y)!)
          return (
            compareVersions(sorted[0]!, sorted[1]!)! <= 0 &&
            compareVersions(sorted[1]!, sorted[2]!)! <= 0 &&
            compareVersions(sorted[0]!, sorted[2]!)! <= 0
          )
        }),
      )
    })
  }

  it('tells all seven decimals of S/4 timestamps apart', () => {
    fc.assert(
      fc.property(fc.nat(9_999_999), fc.nat(9_999_999), (a, b) => {
        const [left, right] = [a, b].map((each) => `2026-01-01T00:00:00.${String(each).padStart(7, '0')}Z`)
        return compareVersions(left!, right!) === Math.sign(a - b)
      }),
    )
  })
})

describe('isMoment', () => {
  it('takes RFC 3339 moments and nothing else', () => {
    expect(['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.1234567+01:00'].map(isMoment)).to.deep.equal([true, true])
    const others = ['42', '2026', '2026-01-01', '2026-01-01T00:00:00', 'W/"x"', '']
    expect(others.map(isMoment)).to.deep.equal(others.map(() => false))
  })
})

describe('isAbsorbed', () => {
  const second = '2026-01-01T00:00:07Z'
  for (const [what, candidate, inEffect, absorbed] of [
    ['the first version', { version: '1' }, undefined, false],
    ['an older version', { version: '1' }, { version: '2' }, true],
    ['a newer version', { version: '3' }, { version: '2' }, false],
    ['the same version', { version: '2' }, { version: '2' }, true],
    ['an opaque other version', { version: 'b' }, { version: 'a' }, false],
    [
      'the same version and content',
      { version: second, contentHash: 'x' },
      { version: second, contentHash: 'x' },
      true,
    ],
    [
      'the same second with another content (peer defect 10)',
      { version: second, contentHash: 'y' },
      { version: second, contentHash: 'x' },
      false,
    ],
    [
      'an older version with another content',
      { version: '1', contentHash: 'y' },
      { version: '2', contentHash: 'x' },
      true,
    ],
    ['the same version, content unknown', { version: '2', contentHash: 'y' }, { version: '2' }, true],
  ] as const) {
    it(`${what}: ${absorbed ? 'absorbed' : 'runs'}`, () => {
      expect(isAbsorbed(candidate, inEffect)).to.equal(absorbed)
    })
  }

  it('ends at the highest version, whatever the order of arrival', () => {
    fc.assert(
      fc.property(fc.array(integer, { minLength: 1, maxLength: 20 }), (arrivals) => {
        let inEffect: { version: string } | undefined
        for (const version of arrivals) if (!isAbsorbed({ version }, inEffect)) inEffect = { version }
        const highest = arrivals.reduce((max, each) => (BigInt(each) > BigInt(max) ? each : max))
        return inEffect?.version === highest
      }),
    )
  })
})
