import { cut, safe } from './text.ts'

export interface Column {
  readonly name: string
  /** Narrowest width that still says something; absent: never cut. */
  readonly min?: number
}

const GAP = '  '

/**
 * Rows as aligned lines under a heading. Where the width does not do, columns with a `min` are cut to it; where even
 * that is too wide, each row becomes a block of `name: value` lines, so that 40 columns still show everything.
 * @param width of the terminal; undefined: as wide as the content
 */
export function layOut(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number | undefined,
): { heading?: string; lines: string[] } {
  const cells = rows.map((row) => row.map(safe))
  const natural = columns.map(({ name }, i) => Math.max(name.length, ...cells.map((row) => row[i]?.length ?? 0)))
  const widths = fitInto(columns, natural, width)
  if (!widths) return { lines: cells.flatMap((row, n) => [...(n > 0 ? [''] : []), ...block(columns, row, width ?? 0)]) }
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cut(cell, widths[i] ?? 0).padEnd(widths[i] ?? 0))
      .join(GAP)
      .trimEnd()
  return { heading: line(columns.map(({ name }) => name.toUpperCase())), lines: cells.map(line) }
}

function fitInto(columns: readonly Column[], natural: readonly number[], width = Infinity): number[] | undefined {
  const widths = [...natural]
  const total = () => widths.reduce((sum, each) => sum + each, GAP.length * (widths.length - 1))
  while (total() > width) {
    const slack = widths.map((each, i) => each - (columns[i]?.min ?? each))
    const widest = slack.indexOf(Math.max(...slack))
    if ((slack[widest] ?? 0) <= 0) return undefined
    widths[widest] = (widths[widest] ?? 0) - 1
  }
  return widths
}

function block(columns: readonly Column[], row: readonly string[], width: number): string[] {
  const longest = Math.max(...columns.map(({ name }) => name.length))
  return row.flatMap((cell, i) => {
    if (!cell) return []
    const label = `${columns[i]?.name ?? ''}:`.padEnd(longest + 2)
    return hardWrap(cell, Math.max(8, width - label.length)).map(
      (part, n) => (n ? ' '.repeat(label.length) : label) + part,
    )
  })
}

/** Ids are to be copied: broken over lines rather than cut. */
function hardWrap(text: string, width: number): string[] {
  const parts: string[] = []
  for (let at = 0; at < text.length; at += width) parts.push(text.slice(at, at + width))
  return parts
}
