import type { EdmType } from './edm.ts'

export type Leaf = string | number | boolean | null | undefined | Date

/**
 * The JSON of a write, through nested records and collections. Integers as `bigint` and numbers of elements said to be
 * decimals or Int64 become texts, as both versions want them.
 * @param leaf what the dialect makes of moments
 */
export function payloadText(
  data: Readonly<Record<string, unknown>>,
  types: Readonly<Record<string, EdmType>>,
  leaf: (value: Leaf, type?: EdmType) => unknown,
): string {
  const encode = (value: unknown, type?: EdmType): unknown => {
    if (typeof value === 'bigint') return String(value)
    if (typeof value === 'number' && (type === 'Edm.Decimal' || type === 'Edm.Int64')) return String(value)
    if (Array.isArray(value)) return value.map((item) => encode(item))
    if (typeof value !== 'object' || value === null || value instanceof Date) return leaf(value as Leaf, type)
    return Object.fromEntries(Object.entries(value).map(([name, element]) => [name, encode(element, types[name])]))
  }
  return JSON.stringify(encode(data))
}
