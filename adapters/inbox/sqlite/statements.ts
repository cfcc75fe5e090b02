export type Value = string | number | null | Uint8Array

/** Runs SQL in the transaction under way; each statement is prepared once. */
export interface Statements {
  /** @returns how many rows changed */
  run(sql: string, ...values: readonly Value[]): number
  get<Row>(sql: string, ...values: readonly Value[]): Row | undefined
  all<Row>(sql: string, ...values: readonly Value[]): Row[]
  iterate<Row>(sql: string, ...values: readonly Value[]): Iterable<Row>
}
