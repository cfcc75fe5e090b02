/** C0, DEL and C1: what a terminal could take for a command. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** A sender's text, safe to show: it must not move the cursor, ring, recolor or reorder the line. */
export const safe = (text: string): string =>
  text.replace(CONTROL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** As JSON that is safe to show too: `JSON.stringify` leaves DEL and C1 as they are. */
export const toJson = (value: unknown): string => safe(JSON.stringify(value))

export const cut = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`

/**
 * Breaks text at blanks; a word that is too long stays whole.
 * @param indent of every line but the first, which has `first` before it
 */
export function wrap(text: string, width: number, indent = '', first = ''): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const next = line ? `${line} ${word}` : word
    if (line && (lines.length > 0 ? indent : first).length + next.length > width) {
      lines.push(line)
      line = word
    } else line = next
  }
  return first + [...lines, line].join(`\n${indent}`)
}

/** A span of time as people say it. */
export function span(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000)
  for (const [unit, size] of UNITS) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${unit}`
  }
  return plural(seconds, 'second')
}

const UNITS = [
  ['days', 86_400],
  ['hours', 3_600],
  ['minutes', 60],
] as const

/** The word that was probably meant, by edit distance; undefined where none is near. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const ranked = words
    .map((known) => ({ known, distance: distance(word.toLowerCase(), known.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  const [best] = ranked
  return best && best.distance <= Math.max(1, Math.floor(best.known.length / 3)) ? best.known : undefined
}

/** Insertions, deletions, substitutions and swaps of neighbors (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_unused, i) => [i])
  for (let j = 0; j <= b.length; j++) (rows[0] as number[])[j] = j
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1))
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(i - 2, j - 2) + 1)
      ;(rows[i] as number[])[j] = best
    }
  }
  return at(a.length, b.length)
}
