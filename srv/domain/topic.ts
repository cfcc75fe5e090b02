/**
 * Whether some topic matches both patterns, as brokers read them: `+` is any one segment, `*` at the end the rest (at least
 * one segment). https://help.sap.com/docs/event-mesh
 */
export function topicsMeet(one: string, other: string): boolean {
  const [left, right] = [one.split('/'), other.split('/')]
  for (let n = 0; ; n++) {
    const [a, b] = [left[n], right[n]]
    if (a === undefined || b === undefined) return a === b
    if ((a === '*' && n === left.length - 1) || (b === '*' && n === right.length - 1)) return true
    if (a !== b && a !== '+' && b !== '+') return false
  }
}
