type Row = Readonly<Record<string, unknown>>

/** One fact the sender says it told: what must be found in the ERP, once. */
export interface Expected {
  readonly kind: string
  /** The sender's reference, as the ERP keeps it. */
  readonly reference: string
  /** Whether the row carries the sender's latest state; absent: its presence is all. */
  readonly isCurrent?: (row: Row) => boolean
}

export interface Tally {
  readonly kind: string
  readonly expected: number
  readonly found: number
  readonly duplicates: number
  readonly lost: number
  /** What is wrong, a line for each reference. */
  readonly faults: readonly string[]
}

/** Counts the ERP's own rows against the senders' own logs. Nothing here asks the gateway. What nobody sent is one too many. */
export function tally(expected: readonly Expected[], rows: readonly Row[], referenceOf: (row: Row) => string): Tally[] {
  const byReference = Map.groupBy(rows, referenceOf)
  const kinds = Map.groupBy(expected, ({ kind }) => kind)
  const known = new Set(expected.map(({ reference }) => reference))
  const strangers = rows.map(referenceOf).filter((reference) => !known.has(reference))
  const counted = [...kinds].map(([kind, facts]) => {
    const counts = facts.map(({ reference, isCurrent }) => {
      const matches = byReference.get(reference) ?? []
      return { reference, copies: matches.length, isFound: matches.some((row) => isCurrent?.(row) ?? true) }
    })
    const found = counts.filter(({ isFound }) => isFound).length
    return {
      kind,
      expected: facts.length,
      found,
      duplicates: sum(counts.map(({ copies }) => Math.max(0, copies - 1))),
      lost: facts.length - found,
      faults: counts.flatMap(({ reference, copies, isFound }) => [
        ...(isFound ? [] : [`${kind}: ${reference} ${copies ? 'is in an old state' : 'is not there'}`]),
        ...(copies > 1 ? [`${kind}: ${reference} is there ${copies} times`] : []),
      ]),
    }
  })
  if (strangers.length === 0) return counted
  const faults = strangers.map((reference) => `${reference} was sent by nobody`)
  return [...counted, { kind: 'sent by nobody', expected: 0, found: 0, duplicates: strangers.length, lost: 0, faults }]
}

type Sums = Omit<Tally, 'kind' | 'faults'>

export const total = (tallies: readonly Tally[]): Sums => ({
  expected: sum(tallies.map((each) => each.expected)),
  found: sum(tallies.map((each) => each.found)),
  duplicates: sum(tallies.map((each) => each.duplicates)),
  lost: sum(tallies.map((each) => each.lost)),
})

export const isComplete = ({ expected, found, duplicates, lost }: Sums): boolean =>
  expected === found && duplicates === 0 && lost === 0

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0)
