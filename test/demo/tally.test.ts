import { expect } from 'chai'
import { type Expected, isComplete, tally, total } from '../../demo/tally.ts'

const fact = (reference: string, more: Partial<Expected> = {}): Expected => ({ kind: 'orders', reference, ...more })
const count = (expected: readonly Expected[], references: readonly string[]) =>
  total(
    tally(
      expected,
      references.map((reference) => ({ reference })),
      (row) => String(row.reference),
    ),
  )

describe("the demo's table", () => {
  for (const [what, expected, rows, sums] of [
    ['each fact once', [fact('a'), fact('b')], ['b', 'a'], { expected: 2, found: 2, duplicates: 0, lost: 0 }],
    ['a lost one', [fact('a'), fact('b')], ['a'], { expected: 2, found: 1, duplicates: 0, lost: 1 }],
    ['one that is there three times', [fact('a')], ['a', 'a', 'a'], { expected: 1, found: 1, duplicates: 2, lost: 0 }],
    ['one that nobody sent', [fact('a')], ['a', 'x'], { expected: 1, found: 1, duplicates: 1, lost: 0 }],
    [
      'one in an old state',
      [fact('a', { isCurrent: () => false })],
      ['a'],
      { expected: 1, found: 0, duplicates: 0, lost: 1 },
    ],
  ] as const) {
    it(`counts ${what}`, () => {
      const found = count(expected, rows)
      expect(found).to.deep.equal(sums)
      expect(isComplete(found)).to.equal(what === 'each fact once')
    })
  }
})
