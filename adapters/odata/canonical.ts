/**
 * A JSON value without what the protocol put into it, elements in one order: a polled row and a fetched record of the
 * same state are then the same text, and have the same hash.
 * @param leaf turns a text into what it means, e.g. V2's `/Date(…)/`
 * @param unwrap undefined drops the value; V2 wraps expanded collections and stands a link for what is not expanded
 */
export function canonical(
  value: unknown,
  dialect: {
    readonly isProtocol: (name: string) => boolean
    readonly leaf: (text: string) => string
    readonly unwrap: (value: object) => object | undefined
  },
): unknown {
  if (typeof value === 'string') return dialect.leaf(value)
  if (typeof value !== 'object' || value === null) return value
  const inner = dialect.unwrap(value)
  if (inner === undefined) return undefined
  if (Array.isArray(inner)) return inner.map((item) => canonical(item, dialect))
  const elements = Object.entries(inner)
    .filter(([name]) => !dialect.isProtocol(name))
    .map(([name, element]) => [name, canonical(element, dialect)] as const)
    .filter(([, element]) => element !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(elements)
}

/** Own properties only: a body is the server's, and `constructor` is no element of it. */
export const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined

export const asText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
