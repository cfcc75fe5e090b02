import { asText, canonical, member } from './canonical.ts'
import type { Data, Dialect, RawRecord } from './dialect.ts'
import { checked, type EdmType, quoted } from './edm.ts'
import { type Leaf, payloadText } from './payload.ts'

/**
 * OData V2 as SAP Gateway speaks it. https://www.odata.org/documentation/odata-version-2-0/json-format/
 * Decimals and Int64 are texts on the wire and stay texts; `/Date(…)/` becomes RFC 3339.
 */
export const dialectV2: Dialect = {
  kind: 'odata-v2',
  readHeaders: { accept: 'application/json' },
  writeHeaders: { accept: 'application/json', 'content-type': 'application/json' },
  messagesHeader: 'sap-message',

  literal(value, type) {
    if (type === undefined || type === 'Edm.String') {
      if (typeof value === 'string' || type === 'Edm.String') return quoted(String(value))
      return typeof value === 'number' && !Number.isInteger(value) ? `${value}M` : String(value)
    }
    const text = type === 'Edm.Date' ? `${checked(value, type)}T00:00:00` : checked(value, type)
    const suffix = SUFFIXES[type]
    return suffix === undefined ? `${PREFIXES[type] ?? ''}'${text}'` : `${text}${suffix}`
  },

  payload: (data, types) => payloadText(data, types, encodeLeaf),

  record: (body) => rawRecord(member(body, 'd')),

  rows(body) {
    const collection = member(body, 'd')
    const results = Array.isArray(collection) ? collection : member(collection, 'results')
    const next = asText(member(collection, '__next'))
    const rows = (Array.isArray(results) ? results : []).map(rawRecord).filter((row) => row !== undefined)
    return next === undefined ? { rows } : { rows, next }
  },
}

const PREFIXES: Partial<Record<EdmType, string>> = {
  'Edm.Guid': 'guid',
  'Edm.DateTime': 'datetime',
  'Edm.DateTimeOffset': 'datetimeoffset',
  'Edm.Date': 'datetime',
  'Edm.Time': 'time',
}
const SUFFIXES: Partial<Record<EdmType, string>> = { 'Edm.Decimal': 'M', 'Edm.Double': 'd', 'Edm.Int64': 'L' }

function rawRecord(value: unknown): RawRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const etag = asText(member(member(value, '__metadata'), 'etag'))
  const data = canonical(value, V2_JSON) as Data
  return etag === undefined ? { data } : { data, etag }
}

const V2_JSON = {
  isProtocol: (name: string) => name.startsWith('__'),
  leaf: (text: string) => readDate(text) ?? text,
  unwrap(value: object): object | undefined {
    if (member(value, '__deferred') !== undefined) return undefined
    const results = member(value, 'results')
    return Array.isArray(results) ? results : value
  },
}

const DATE = /^\/Date\((-?\d{1,16})(?:[+-]\d{1,4})?\)\/$/

/** The number is UTC; an offset, in minutes, only says where it was written. Dates without a time are midnight UTC. */
export function readDate(text: string): string | undefined {
  const ticks = Number(DATE.exec(text)?.[1] ?? Number.NaN)
  return Math.abs(ticks) <= MAX_TICKS ? new Date(ticks).toISOString() : undefined
}

/** What ECMAScript's time can hold. */
const MAX_TICKS = 8.64e15

/** `/Date(…)/` for `Date` objects and for texts of elements that are said to be moments; other texts go as they are. */
function encodeLeaf(value: Leaf, type?: EdmType): unknown {
  if (value instanceof Date) return `/Date(${value.getTime()})/`
  return typeof value === 'string' && isMomentType(type) ? writeDate(value) : value
}

const isMomentType = (type: EdmType | undefined): boolean =>
  type === 'Edm.DateTime' || type === 'Edm.DateTimeOffset' || type === 'Edm.Date'

function writeDate(text: string): string {
  const ticks = Date.parse(/T.*(Z|[+-]\d{2}:\d{2})$/.test(text) || !text.includes('T') ? text : `${text}Z`)
  return Number.isNaN(ticks) ? text : `/Date(${ticks})/`
}
