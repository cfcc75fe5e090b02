/** Query options without their dollar. */
export interface Query {
  readonly filter?: string | undefined
  readonly orderby?: string
  readonly top?: number
  readonly select?: string
  readonly expand?: string
}

/** OData reads a plus as a plus, which is what `URLSearchParams` makes of a blank. */
export function toQuery(query: Query): string {
  const options = Object.entries(query).filter(([, value]) => value !== undefined)
  const text = options.map(([name, value]) => `$${name}=${encodeURIComponent(String(value))}`).join('&')
  return text && `?${text}`
}

/** A string literal: quotes doubled, OData V4 URL conventions §5.1.1.6.1. */
export const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** The key in a path, so that no id leads elsewhere. */
export const keyPath = (entity: string, key: string): string => `${entity}(${encodeURIComponent(quote(key))})`

export const and = (...conditions: readonly (string | undefined)[]): string | undefined =>
  conditions.filter((each) => each !== undefined).join(' and ') || undefined

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export const isUuid = (text: string): boolean => UUID.test(text)

/** The least UUID of version 7 of a moment (RFC 9562 §5.7): keys of events sort by the time they were made. */
export function firstKeyAt(ms: number): string {
  const hex = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`
}

/** When a key was made, in ms since 1970. */
export const madeAt = (key: string): number => Number.parseInt(key.slice(0, 8) + key.slice(9, 13), 16)
