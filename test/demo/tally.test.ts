import { expect } from 'chai'
import { type Expected, isComplete, tally, total } from '../../demo/tally.ts'

const fact = (reference: string, more: Partial<Expected> = {}): Expected => ({ kind: 'orders', reference, ...more })
const count = (expected: readonly Expected[], references: readonly string[]) =>
  tally(
    expected,
    references.map((reference) => ({ reference })),
    (row) => String(row.reference),
  )

describe("the demo's table", () => {
  for (const [what, expected, rows, sums, faults] of [
    ['each fact once', [fact('a'), fact('b')], ['b', 'a'], { expected: 2, found: 2, duplicates: 0, lost: 0 }, []],
    [
      'a lost one',
      [fact('a'), fact('b')],
      ['a'],
      { expected: 2, found: 1, duplicates: 0, lost: 1 },
      ['orders: b is not there'],
    ],
    [
      'one that is there three times',
      [fact('a')],
      ['a', 'a', 'a'],
      { expected: 1, found: 1, duplicates: 2, lost: 0 },
      ['orders: a is there 3 times'],
    ],
    [
      'one that nobody sent',
      [fact('a')],
      ['a', 'x'],
      { expected: 1, found: 1, duplicates: 1, lost: 0 },
      ['x was sent by nobody'],
    ],
    [
      'one in an old state',
      [fact('a', { isCurrent: () => false })],
      ['a'],
      { expected: 1, found: 0, duplicates: 0, lost: 1 },
      ['orders: a is in an old state'],
    ],
  ] as const) {
    it(`counts ${what}, and names what is wrong`, () => {
      const found = count(expected, rows)
      expect(total(found)).to.deep.equal(sums)
      expect(found.flatMap((kind) => kind.faults)).to.deep.equal(faults)
      expect(isComplete(total(found))).to.equal(faults.length === 0)
    })
  }
})
