/**
 * The states of a dispatch. *Leased* is not stored on the dispatch: it is the head of a lane that has an owner, so that
 * a claim writes one row and not two.
 */
export type DispatchStatus = 'waiting' | 'done' | 'skipped' | 'dead' | 'unsure'

/** Why a dispatch was skipped, dead or parked, next to an error's own code. */
export type SkipReason = 'absorbed' | 'superseded' | 'echo' | 'discarded'

/** Who may move a dispatch, from where, to where. Everything else is a bug. */
export const TRANSITIONS: Readonly<
  Record<DispatchStatus, { worker: readonly DispatchStatus[]; operator: readonly DispatchStatus[] }>
> = {
  waiting: { worker: ['done', 'waiting', 'skipped', 'dead', 'unsure'], operator: ['skipped', 'dead'] },
  dead: { worker: [], operator: ['waiting', 'skipped'] },
  unsure: { worker: [], operator: ['waiting', 'skipped'] },
  done: { worker: [], operator: [] },
  skipped: { worker: [], operator: [] },
}

export const isOpen = (status: DispatchStatus): boolean => status === 'waiting'
export const needsOperator = (status: DispatchStatus): boolean => status === 'dead' || status === 'unsure'
export const operatorMay = (from: DispatchStatus, to: DispatchStatus): boolean =>
  TRANSITIONS[from].operator.includes(to)
