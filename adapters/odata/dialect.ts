import type { EdmType } from './edm.ts'

export type Element = string | number | boolean
export type Data = Readonly<Record<string, unknown>>

/** A record as it came, with its protocol metadata read and removed. */
export interface RawRecord {
  readonly data: Data
  readonly etag?: string
}

/** What OData V2 and V4 write differently. Everything here is text and values; no I/O. */
export interface Dialect {
  readonly kind: 'odata-v2' | 'odata-v4'
  readonly readHeaders: Readonly<Record<string, string>>
  readonly writeHeaders: Readonly<Record<string, string>>
  /** A value in a key or a filter. Without a type by its JSON type. */
  literal(value: Element, type?: EdmType): string
  /** The body of a write. */
  payload(data: Data, types: Readonly<Record<string, EdmType>>): string
  /** A single record of a parsed body; undefined where there is none. */
  record(body: unknown): RawRecord | undefined
  /** A collection, and where the server split it the address of the rest. */
  rows(body: unknown): { readonly rows: readonly RawRecord[]; readonly next?: string }
  /** Messages of a successful write: warnings would hide behind a 2xx. */
  readonly messagesHeader: string
}

/** `?$filter=…&$top=…`, URI-encoded; options without a value are left out. */
export function queryOf(options: Readonly<Record<string, string | number | undefined>>): string {
  const parts = Object.entries(options).filter(([, value]) => value !== undefined && value !== '')
  return parts.length > 0
    ? `?${parts.map(([name, value]) => `${name}=${encodeURIComponent(value ?? '')}`).join('&')}`
    : ''
}
