import { asText, canonical, member } from './canonical.ts'
import type { Data, Dialect, RawRecord } from './dialect.ts'
import { checked, type EdmType, quoted } from './edm.ts'
import { type Leaf, payloadText } from './payload.ts'

/**
 * OData V4. https://docs.oasis-open.org/odata/odata-json-format/v4.01/odata-json-format-v4.01.html
 * With `IEEE754Compatible=true` decimals and Int64 are texts in both directions, so no digit is lost.
 */
export const dialectV4: Dialect = {
  kind: 'odata-v4',
  readHeaders: { accept: 'application/json;IEEE754Compatible=true', 'odata-maxversion': '4.0' },
  writeHeaders: {
    accept: 'application/json;IEEE754Compatible=true',
    'content-type': 'application/json;IEEE754Compatible=true',
    'odata-version': '4.0',
    prefer: 'return=representation',
  },
  messagesHeader: 'sap-messages',

  literal(value, type) {
    if (type === undefined) return typeof value === 'string' ? quoted(value) : String(value)
    return type === 'Edm.String' ? quoted(String(value)) : checked(value, type)
  },

  payload: (data, types) => payloadText(data, types, encodeLeaf),

  record: (body) => rawRecord(body),

  rows(body) {
    const value = member(body, 'value')
    const next = asText(member(body, '@odata.nextLink') ?? member(body, '@nextLink'))
    const rows = (Array.isArray(value) ? value : []).map(rawRecord).filter((row) => row !== undefined)
    return next === undefined ? { rows } : { rows, next }
  },
}

function rawRecord(value: unknown): RawRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const etag = asText(member(value, '@odata.etag') ?? member(value, '@etag'))
  const data = canonical(value, V4_JSON) as Data
  return etag === undefined ? { data } : { data, etag }
}

const V4_JSON = {
  isProtocol: (name: string) => name.includes('@') || name.startsWith('odata.'),
  leaf: (text: string) => text,
  unwrap: (value: object) => value,
}

function encodeLeaf(value: Leaf, type?: EdmType): unknown {
  if (!(value instanceof Date)) return value
  return type === 'Edm.Date' ? value.toISOString().slice(0, 10) : value.toISOString()
}
