/** Finds what belongs to a pair of label values without making their hash anew, which costs more than the counting. */
export function remembered<Child>(find: (first: string, second: string) => Child) {
  const byFirst = new Map<string, Map<string, Child>>()
  return (first: string, second = ''): Child => {
    const children = byFirst.get(first) ?? new Map<string, Child>()
    const known = children.get(second)
    if (known) return known
    const child = find(first, second)
    byFirst.set(first, children.set(second, child))
    return child
  }
}

/** At most so many values and then `other`: a source of one's own may give reasons from no closed list. */
export function bounded(limit: number): (value: string) => string {
  const known = new Set<string>()
  return (value) => {
    if (known.has(value)) return value
    if (known.size >= limit) return 'other'
    known.add(value)
    return value
  }
}
