import { expect } from 'chai'
import fc from 'fast-check'
import {
  elementSources,
  elementsOf,
  type Json,
  memberOf,
  memberSource,
  parseJson,
  textAt,
} from '../../../adapters/sources/json.ts'

const json = (text: string): Json => parseJson(text) ?? expect.fail(`no JSON: ${text}`)

/** White space as JSON has it, to be put between any two tokens. */
const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/)
/** A value's source text, written as senders write: odd spacing, escapes, integers of any length, repeated keys. */
const { value: source } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('null', 'true', 'false', '0', '-0', '1e400', '12345678901234567890123', '-1.50', '""', '{}', '[]'),
    fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
    fc.constantFrom('"\\\\"', '"\\""', '"\\\\\\""', '"]}"', '"{\\"a\\":[1,2"', '"\\u0022"'),
    fc
      .tuple(space, fc.array(fc.tuple(tie('value'), space)))
      .map(([s, list]) => `[${s}${list.map((v) => s + v[0] + v[1]).join(',')}]`),
    fc
      .tuple(
        space,
        fc.array(fc.tuple(fc.constantFrom('"a"', '"data"', '"d\\u0061ta"', '"__proto__"', '""'), tie('value'))),
      )
      .map(([s, list]) => `{${s}${list.map(([k, v]) => `${k}${s}:${s}${v}${s}`).join(`,${s}`)}}`),
  ),
}))

describe('JSON source text', () => {
  it('finds every member exactly as it was written', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), source), space, (members, s) => {
        const list = Object.entries(members)
        const text = `${s}{${list.map(([key, value]) => `${s}${JSON.stringify(key)}${s}:${s}${value}${s}`).join(',')}}${s}`
        json(text)
        for (const [key, value] of list) expect(memberSource(text, key)).to.equal(value)
        expect(memberSource(text, 'a name that is not there')).to.equal(undefined)
      }),
      { numRuns: 500 },
    )
  })

  it('finds every element exactly as it was written', () => {
    fc.assert(
      fc.property(fc.array(source), space, (elements, s) => {
        const text = `${s}[${s}${elements.join(`${s},${s}`)}${s}]`
        json(text)
        expect(elementSources(text)).to.deep.equal(elements)
      }),
      { numRuns: 500 },
    )
  })

  it('agrees with JSON.parse about any text: same members, last one where a key repeats', () => {
    fc.assert(
      fc.property(source, (text) => {
        const { value } = json(text)
        if (typeof value !== 'object' || value === null || Array.isArray(value)) return
        for (const [name, member] of Object.entries(value)) {
          expect(JSON.parse(memberSource(text, name) ?? 'undefined')).to.deep.equal(member)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('is not fooled by strings that look like structure', () => {
    const text = '{"x":"}],\\"data\\":1","data":{"data":"\\\\\\""},"y":[{"data":2}]}'
    expect(memberSource(text, 'data')).to.equal('{"data":"\\\\\\""}')
    expect(memberSource('[{"data":1}]', 'data')).to.equal(undefined)
    expect(elementSources('{"data":[1]}')).to.deep.equal([])
  })

  it('keeps numbers beyond 2^53, on any level', () => {
    const text = '{"data":{"ids":[1,{"id":17841400000000001234}]},"id":-9007199254740993,"f":1.5}'
    expect(textAt(json(text), 'data', 'ids', '1', 'id')).to.equal('17841400000000001234')
    expect(textAt(json(text), 'id')).to.equal('-9007199254740993')
    expect(textAt(json(text), 'f')).to.equal('1.5')
    expect(textAt(json(text), 'data')).to.equal(undefined)
    expect(memberOf(json(text), 'data')?.text).to.equal('{"ids":[1,{"id":17841400000000001234}]}')
    expect(elementsOf(json('[9007199254740993]')).map((element) => element.text)).to.deep.equal(['9007199254740993'])
  })

  it('takes a million nested arrays', () => {
    const deep = '['.repeat(1_000_000) + ']'.repeat(1_000_000)
    expect(memberSource(`{"a":${deep},"b":1}`, 'b')).to.equal('1')
  })

  it('is linear where quotes and backslashes abound', () => {
    const text = JSON.stringify({ a: '\\'.repeat(200_000) + '"'.repeat(200_000), b: 2 })
    expect(memberSource(text, 'b')).to.equal('2')
  })
})
