import { compareVersions, isMoment } from '#domain/version'

export interface CreateState {
  /** False as soon as an earlier try or run may have written. */
  readonly firstTry: boolean
  /** When an earlier try may last have sent something. */
  readonly lastSentAt?: Date
  readonly settleMs: number
  /** Whether the entity can be searched by the sender's reference at all. */
  readonly searchable: boolean
  readonly onAmbiguous: 'park' | 'repeat'
  /** What a look-up said; undefined before it. */
  readonly found?: boolean
}

export type CreatePlan =
  | { readonly do: 'create' | 'look-up' | 'keep' | 'park' }
  | { readonly do: 'wait'; readonly afterMs: number }

/**
 * Whether to create now. Nothing may have been sent before: create. Otherwise a lost create may still be on its way to
 * its commit (an ABAP work process outlives its connection), so only a look-up after `settleMs` proves its absence.
 */
export function planCreate(state: CreateState, now: Date): CreatePlan {
  if (state.found) return { do: 'keep' }
  if (state.firstTry) return { do: 'create' }
  if (!state.searchable) return { do: state.onAmbiguous === 'repeat' ? 'create' : 'park' }
  const settledAt = state.lastSentAt ? state.lastSentAt.getTime() + state.settleMs : Number.NEGATIVE_INFINITY
  if (now.getTime() < settledAt) return { do: 'wait', afterMs: settledAt - now.getTime() }
  return { do: state.found === undefined ? 'look-up' : 'create' }
}

export type UpdatePlan = 'write' | 'stale' | 'unchanged'

/**
 * Whether an update may go. `stored` is the version the target's own record bears: an older update is overtaken, an
 * equal one with equal content is already in effect. Versions that cannot be ordered guard nothing.
 * @param same whether every element to be written already has its value
 */
export function planUpdate(version: string | undefined, stored: string | null | undefined, same: boolean): UpdatePlan {
  if (version === undefined || stored === undefined || stored === null) return 'write'
  const order = compareVersions(version, stored)
  if (order === undefined || order > 0) return 'write'
  if (order < 0) return 'stale'
  // Two changes within one tick of a coarse version share it, and the second must not be lost.
  return same ? 'unchanged' : 'write'
}

/** Whether `data` says nothing the record does not: texts of one number or of one moment count as equal. */
export function isContained(
  data: Readonly<Record<string, unknown>>,
  record: Readonly<Record<string, unknown>>,
): boolean {
  return Object.entries(data).every(([element, value]) => isEqual(value, record[element]))
}

function isEqual(ours: unknown, theirs: unknown): boolean {
  if (Array.isArray(ours)) {
    return Array.isArray(theirs) && ours.length === theirs.length && ours.every((item, at) => isEqual(item, theirs[at]))
  }
  if (typeof ours === 'object' && ours !== null && !(ours instanceof Date)) {
    return typeof theirs === 'object' && theirs !== null && isContained({ ...ours }, { ...theirs })
  }
  const [a, b] = [textOf(ours), textOf(theirs)]
  if (a === b) return true
  if (a === undefined || b === undefined) return false
  if (isMoment(a)) return compareVersions(a, b) === 0
  return DECIMAL.test(a) && DECIMAL.test(b) && trimmed(a) === trimmed(b)
}

const DECIMAL = /^-?\d+\.\d+$|^-?\d+$/

const trimmed = (decimal: string): string => (decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal)

function textOf(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined
  return value instanceof Date ? value.toISOString() : String(value)
}
