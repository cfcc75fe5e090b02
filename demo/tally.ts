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
}

/** Counts the ERP's own rows against the senders' own logs. Nothing here asks the gateway. What nobody sent is one too many. */
export function tally(expected: readonly Expected[], rows: readonly Row[], referenceOf: (row: Row) => string): Tally[] {
  const byReference = Map.groupBy(rows, referenceOf)
  const kinds = Map.groupBy(expected, ({ kind }) => kind)
  const known = new Set(expected.map(({ reference }) => reference))
  const strangers = rows.filter((row) => !known.has(referenceOf(row))).length
  const counted = [...kinds].map(([kind, facts]) => {
    const counts = facts.map(({ reference, isCurrent }) => {
      const matches = byReference.get(reference) ?? []
      return {
        found: matches.some((row) => isCurrent?.(row) ?? true) ? 1 : 0,
        duplicates: Math.max(0, matches.length - 1),
      }
    })
    const found = sum(counts.map((count) => count.found))
    return {
      kind,
      expected: facts.length,
      found,
      duplicates: sum(counts.map((count) => count.duplicates)),
      lost: facts.length - found,
    }
  })
  if (strangers === 0) return counted
  return [...counted, { kind: 'sent by nobody', expected: 0, found: 0, duplicates: strangers, lost: 0 }]
}

export const total = (tallies: readonly Tally[]): Omit<Tally, 'kind'> => ({
  expected: sum(tallies.map((each) => each.expected)),
  found: sum(tallies.map((each) => each.found)),
  duplicates: sum(tallies.map((each) => each.duplicates)),
  lost: sum(tallies.map((each) => each.lost)),
})

export const isComplete = ({ expected, found, duplicates, lost }: Omit<Tally, 'kind'>): boolean =>
  expected === found && duplicates === 0 && lost === 0

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0)
