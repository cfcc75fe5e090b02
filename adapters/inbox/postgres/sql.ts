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

/** `INSERT … SELECT` of JSON rows whose keys are spelled as in the model. */
export function insertRows(
  table: string,
  columns: readonly string[],
  parameter: string,
  types: Readonly<Record<string, string>> = {},
): string {
  const typed = Object.fromEntries(columns.map((column) => [column, types[column] ?? 'text']))
  return `INSERT INTO ${table} (${columns.join(', ')})
    SELECT ${columns.map((column) => `r."${column}"`).join(', ')} FROM ${rows(parameter, typed)}`
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
