import cds from '@sap/cds'

/** CAP's query builders, as far as Sluice uses them; CAP's own types do not know `ignoreLocked`. */
export interface Select {
  columns(...columns: string[]): Select
  where(condition: object): Select
  groupBy(...columns: string[]): Select
  orderBy(...columns: string[]): Select
  limit(rows: number): Select
  /** Waits for rows that others hold; with `ignoreLocked` passes them over. */
  forUpdate(options?: { ignoreLocked: true }): Select
  forShareLock(): Select
}

interface Change {
  with(data: object): Change
  where(condition: object): Change
}

export interface Ql {
  readonly SELECT: { from(entity: string): Select }
  readonly INSERT: { into(entity: string): { entries(rows: readonly object[]): object } }
  readonly UPSERT: { into(entity: string): { entries(rows: readonly object[]): object } }
  readonly UPDATE: (entity: string) => Change
  readonly DELETE: { from(entity: string): Change }
}

export const { SELECT, INSERT, UPSERT, UPDATE, DELETE } = cds.ql as unknown as Ql
