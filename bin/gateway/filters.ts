import { usage } from '../exit.ts'
import { and, firstKeyAt, quote } from './odata.ts'
import type { DispatchRow } from './rows.ts'

export const STATES = ['waiting', 'done', 'skipped', 'dead', 'unsure', 'unrouted'] as const
type State = (typeof STATES)[number]

/** The same in the words of Cloud Integration's message monitor. */
export const STATUS_WORDS = [
  'PROCESSING',
  'RETRY',
  'COMPLETED',
  'FAILED',
  'ESCALATED',
  'ABANDONED',
  'CANCELLED',
  'DISCARDED',
] as const

/** Columns of a delivery, as its sender filled them (`SAP_ApplicationID` and the like). */
const LABELS = ['applicationId', 'correlationId', 'sender', 'receiver', 'messageType'] as const

export interface EventFilters extends Partial<Readonly<Record<(typeof LABELS)[number], string | undefined>>> {
  readonly state?: readonly State[] | undefined
  /** Exact, or with `*` at the end. */
  readonly type?: string | undefined
  readonly source?: string | undefined
  readonly subscription?: string | undefined
  readonly subject?: string | undefined
  readonly id?: string | undefined
  readonly status?: readonly (typeof STATUS_WORDS)[number][] | undefined
  /** Key of the delivery: what its caller got as `SAP_MessageProcessingLogID`. */
  readonly delivery?: string | undefined
  /** In any kept header of the delivery: a passport, a predecessor's id. */
  readonly inHeaders?: string | undefined
  /** Moment or span before now, in ms since 1970. */
  readonly since?: number | undefined
  readonly until?: number | undefined
}

/** The OData condition for `Events`. */
export function eventCondition(filters: EventFilters): string | undefined {
  const { type, source, subject, id, since, until } = filters
  return and(
    since === undefined ? undefined : `event ge ${firstKeyAt(since)}`,
    until === undefined ? undefined : `event lt ${firstKeyAt(until)}`,
    source === undefined ? undefined : `origin eq ${quote(source)}`,
    type === undefined ? undefined : typeCondition(type),
    subject === undefined ? undefined : `subject eq ${quote(subject)}`,
    id === undefined ? undefined : `id eq ${quote(id)}`,
    ...deliveryConditions(filters),
    stateCondition(filters),
  )
}

function deliveryConditions(filters: EventFilters): readonly (string | undefined)[] {
  const { delivery, inHeaders } = filters
  return [
    delivery === undefined ? undefined : `delivery eq ${delivery}`,
    ...LABELS.map((label) => filters[label] && `broughtBy/${label} eq ${quote(filters[label])}`),
    // Hexadecimal digits are written either way.
    inHeaders && `contains(tolower(broughtBy/headers),${quote(inHeaders.toLowerCase())})`,
  ]
}

/** The condition for the dispatches of an event: one dispatch meets all of it. */
function dispatchCondition({ state = [], status = [], subscription }: EventFilters): string | undefined {
  const states = state.filter((each) => each !== 'unrouted')
  const oneOf = (name: string, values: readonly string[]) =>
    values.length === 0 ? undefined : `(${values.map((value) => `d/${name} eq ${quote(value)}`).join(' or ')})`
  return and(
    subscription === undefined ? undefined : `d/subscription eq ${quote(subscription)}`,
    oneOf('status', states),
    oneOf('mplStatus', status),
  )
}

/** Whether it is about single dispatches, and not about events as a whole. */
export const isAboutDispatches = ({ state, status, subscription }: EventFilters): boolean =>
  [state, status, subscription].some((each) => each !== undefined)

/** The same as the condition, of a dispatch that was read with its event. */
export const isMeant = (
  { state, status, subscription }: EventFilters,
  dispatch: Pick<DispatchRow, 'subscription' | 'status' | 'mplStatus'>,
): boolean =>
  (subscription === undefined || dispatch.subscription === subscription) &&
  (state === undefined || state.some((each) => each === dispatch.status)) &&
  (status === undefined || status.some((each) => each === dispatch.mplStatus))

function stateCondition(filters: EventFilters): string | undefined {
  const ofDispatch = dispatchCondition(filters)
  const some = ofDispatch === undefined ? undefined : `dispatches/any(d:${ofDispatch})`
  if (!filters.state?.includes('unrouted')) return some
  return filters.state.length > 1 && some ? `(unrouted eq true or ${some})` : 'unrouted eq true'
}

function typeCondition(type: string): string {
  if (type.endsWith('*')) return `startswith(type,${quote(type.slice(0, -1))})`
  return `type eq ${quote(type)}`
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `15m`, `2h`, `3d` before now, or an RFC 3339 moment. @throws SluiceError `usage` */
export function parseMoment(text: string, option: string, now: number): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (count !== undefined) return now - Number(count) * (UNITS[unit] ?? 0)
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isFinite(at)) return at
  throw usage(`${option}: "${text}" is no moment.`, 'Write 15m, 2h, 3d, 2026-03-01 or 2026-03-01T12:00:00Z.')
}
