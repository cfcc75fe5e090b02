import type { DispatchRow, EventRow } from './gateway/rows.ts'
import type { Style, Terminal } from './terminal.ts'

const STYLE: Readonly<Record<string, Style>> = {
  done: 'green',
  waiting: 'yellow',
  skipped: 'dim',
  dead: 'red',
  unsure: 'magenta',
  unrouted: 'dim',
}

export const colorOf = (state: string): Style => STYLE[state] ?? 'reset'

/** `orders: dead (gave-up) after 3 attempts` */
export function describeDispatch({ subscription, run, status, reason, attempts }: DispatchRow): string {
  const again = run > 1 ? ` run ${run}` : ''
  return `${subscription}${again}: ${status}${reason ? ` (${reason})` : ''}${attempts > 1 ? ` after ${attempts} attempts` : ''}`
}

/** The state of an event as a whole: the worst of its dispatches' last runs. */
export function stateOf({ dispatches, unrouted }: Pick<EventRow, 'dispatches' | 'unrouted'>): string {
  if (dispatches.length === 0) return unrouted ? 'unrouted' : 'waiting'
  const last = new Map<string, DispatchRow>()
  for (const dispatch of dispatches) {
    const known = last.get(dispatch.subscription)
    if (!known || known.run < dispatch.run) last.set(dispatch.subscription, dispatch)
  }
  const states = new Set([...last.values()].map(({ status }) => status))
  return WORST_FIRST.find((state) => states.has(state)) ?? 'done'
}

const WORST_FIRST = ['dead', 'unsure', 'waiting', 'done', 'skipped'] as const

/** `2026-03-01T12:00:00.123Z` as it stands, but shorter to read. */
export const shortTime = (moment: string): string => moment.replace('T', ' ').replace(/\.\d+Z$|Z$/, '')

/** Heading dim, lines as they are. */
export function showTable({ out, paint }: Terminal, { heading, lines }: { heading?: string; lines: string[] }): void {
  if (heading !== undefined) out(paint('dim', heading))
  for (const line of lines) out(line)
}
