import { type Bad, bad } from './body.ts'

export interface CsvOptions {
  /** The first line names the fields, and each line becomes an object; true. Otherwise each line becomes a list. */
  readonly header?: boolean
  /** `,` by default. */
  readonly separator?: string
}

const MAX_FIELDS = 1_000

/** The lines of a CSV text (RFC 4180) as JSON, each its own text. Values stay text; empty lines are none. */
export function csvLines(text: string, options: CsvOptions): { ok: true; lines: readonly string[] } | Bad {
  const rows = readRows(text, options.separator ?? ',')
  if (!rows) return bad('not-csv')
  if (options.header === false) return { ok: true, lines: rows.map((row) => JSON.stringify(row)) }
  const [names = [], ...records] = rows
  if (names.includes('') || new Set(names).size !== names.length) return bad('not-csv', 'header')
  if (records.some((row) => row.length !== names.length)) return bad('not-csv', 'fields')
  const lines = records.map((row) => JSON.stringify(Object.fromEntries(names.map((name, index) => [name, row[index]]))))
  return { ok: true, lines }
}

/** Undefined where quotes do not close, or something stands behind a closing one. */
function readRows(text: string, separator: string): string[][] | undefined {
  const rows: string[][] = []
  let row: string[] = []
  let at = 0
  while (at < text.length) {
    const field = text[at] === '"' ? readQuoted(text, at) : readPlain(text, at, separator)
    if (!field || row.length >= MAX_FIELDS) return undefined
    row.push(field.value)
    at = field.end
    if (text[at] === separator) {
      at += 1
      // A separator at the very end has an empty field behind it.
      if (at < text.length && text[at] !== '\n' && text[at] !== '\r') continue
      row.push('')
    }
    const next = lineEnd(text, at)
    if (next === undefined) return undefined
    at = next
    if (row.length > 1 || row[0] !== '') rows.push(row)
    row = []
  }
  return rows
}

/** Where the next line begins; undefined where no line ends here. */
function lineEnd(text: string, at: number): number | undefined {
  if (at >= text.length) return at
  if (text.startsWith('\r\n', at)) return at + 2
  return text[at] === '\n' || text[at] === '\r' ? at + 1 : undefined
}

function readPlain(text: string, from: number, separator: string) {
  let end = from
  while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r') end += 1
  return { value: text.slice(from, end), end }
}

function readQuoted(text: string, from: number): { value: string; end: number } | undefined {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text[at + 1] !== '"') return { value: text.slice(from + 1, at).replaceAll('""', '"'), end: at + 1 }
  }
  return undefined
}
