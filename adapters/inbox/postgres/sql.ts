import { EVENT_COLUMNS } from '../rows.ts'
import type { Statement } from './session.ts'

/** Names are ours and unique, so that a connection prepares each text once. */
export const statement = (name: string, text: string): Statement => ({ name: `sluice_${name}`, text })

/**
 * Database time in UTC whatever the session's TimeZone, or the test's own where the parameter is given. Stable within a
 * statement, so that an index serves it; the parameter's `Z` is dropped, not converted.
 */
export const now = (parameter: string): string =>
  `coalesce(${parameter}::timestamp, statement_timestamp() AT TIME ZONE 'utc')`

/** One JSON parameter as rows: one text and one plan for any number of them. */
export const rows = (parameter: string, columns: Readonly<Record<string, string>>): string =>
  `json_to_recordset(${parameter}) AS r(${Object.entries(columns)
    .map(([column, type]) => `"${column}" ${type}`)
    .join(', ')})`

export interface Column {
  readonly type: string
  /** The stored value, from the name of what came. */
  readonly value?: (given: string) => string
}

/** `INSERT … SELECT` of JSON rows whose keys are spelled as in the model; columns without a plan are text. */
export function insertRows(
  table: string,
  columns: readonly string[],
  parameter: string,
  plans: Readonly<Record<string, Column>>,
): string {
  const types = Object.fromEntries(columns.map((column) => [column, plans[column]?.type ?? 'text']))
  const values = columns.map((column) => plans[column]?.value?.(`r."${column}"`) ?? `r."${column}"`)
  return `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${values.join(', ')} FROM ${rows(parameter, types)}`
}

/** A long value, as its place (`[from, size]`) in a parameter that holds all of them. See `packed`. */
export const bytesIn = (parameter: string): Column => ({
  type: 'integer[]',
  value: (given) => `substring(${parameter}::bytea FROM ${given}[1] FOR ${given}[2])`,
})
export const textIn = (parameter: string): Column => ({
  type: 'integer[]',
  value: (given) => `convert_from(${bytesIn(parameter).value?.(given)}, 'UTF8')`,
})

/** Long values side by side, in one binary parameter: within the JSON they would be escaped, and parsed letter by letter. */
export function packed() {
  const parts: Uint8Array[] = []
  let end = 0
  return {
    /** @returns its place, counted from 1 */
    put(value: string | Uint8Array): [number, number] {
      const bytes = typeof value === 'string' ? Buffer.from(value) : value
      parts.push(bytes)
      end += bytes.length
      return [end - bytes.length + 1, bytes.length]
    },
    bytes: (): Buffer => Buffer.concat(parts),
  }
}

/** Column values as the object that `rows` reads; what is missing is NULL. */
export function record(columns: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (const [index, column] of columns.entries()) if (values[index] !== null) object[column] = values[index]
  return object
}

/** Registered, not removed, not paused. */
export const active = (name: string): string =>
  `EXISTS (SELECT FROM sluice_subscriptions one WHERE one.name = ${name} AND NOT one.paused AND one.removedat IS NULL)`

/** What `storedEvent` reads, under the names it knows. */
export const eventColumns = (table: string): string =>
  EVENT_COLUMNS.filter((column) => column !== 'receivedAt')
    .map((column) => `${table}.${column} AS "${column}"`)
    .join(', ')
