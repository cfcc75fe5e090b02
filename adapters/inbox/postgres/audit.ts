import { randomUUID } from 'node:crypto'
import type { AdminResult } from '#domain/ports'
import { clean } from '../rows.ts'
import type { IntakeContext } from './intake.ts'
import type { Session } from './session.ts'
import { now, statement } from './sql.ts'

export interface Action {
  readonly by: string
  readonly action: string
  readonly object: string
  readonly detail?: string | undefined
}

export const NOT_FOUND: AdminResult = { ok: false, reason: 'not-found' }
export const CONFLICT: AdminResult = { ok: false, reason: 'conflict' }
export const done = (dispatches: readonly string[]): AdminResult => ({ ok: true, dispatches })

const WRITE = statement(
  'audit_write',
  `INSERT INTO sluice_audit (id, at, actor, action, object, detail) VALUES ($1, ${now('$6')}, $2, $3, $4, $5)`,
)

/** Carries out an operator's action and records it in the same transaction; a refused one leaves no trace. */
export const audited = (
  { database, moment }: IntakeContext,
  { by, action, object, detail }: Action,
  work: (session: Session) => Promise<AdminResult>,
  opening?: string,
): Promise<AdminResult> =>
  database.transaction(async (session) => {
    const result = await work(session)
    if (!result.ok) return result
    const fields = [clean(by, 255), action, clean(object, 255), detail === undefined ? null : clean(detail, 255)]
    await session.run(WRITE, [randomUUID(), ...fields, moment()])
    return result
  }, opening)
