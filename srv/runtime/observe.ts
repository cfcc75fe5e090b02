import type { Clock, Inbox, Log } from '#domain/ports'
import type { Observation } from '#domain/telemetry'
import { faultFields } from './fault-fields.ts'
import type { GatewayHealth } from './health.ts'
import { orTimeout } from './within-time.ts'

export interface ObserverParts {
  readonly inbox: Inbox
  readonly health: () => Promise<GatewayHealth>
  readonly sources: readonly string[]
  readonly subscriptions: readonly string[]
  readonly busy: Observation['busy']
  readonly clock: Clock
  readonly log: Log
}

/** Longest wait for each answer: whoever asks does so every few seconds, also while the store is slow. */
const ANSWER_WITHIN_MS = 2_000
const BOUNDS = { lanes: 10_000, heads: 200 } as const

/** Reads how things stand. Never throws: what the store does not say is left out, and the store is not well. */
export async function observe(parts: ObserverParts): Promise<Observation> {
  const { inbox, clock, log, sources, subscriptions, busy } = parts
  const inTime = <T>(work: Promise<T>) => orTimeout(clock, ANSWER_WITHIN_MS, 'The store', work)
  try {
    const { risks = [], ...store } = await inTime(parts.health())
    if (!store.ok) return { store, busy, backlog: [], lastDeliveryAt: {}, risks: [] }
    const [backlog, ...deliveries] = await inTime(
      Promise.all([
        inbox.work.backlog(subscriptions, BOUNDS),
        ...sources.map(async (name) => [name, await inbox.journal.lastDeliveryAt(name)] as const),
      ]),
    )
    return { store, busy, backlog, lastDeliveryAt: Object.fromEntries(deliveries.filter(isKnown)), risks }
  } catch (thrown) {
    const fields = faultFields(thrown)
    log.warn('the store does not say how things stand', fields)
    const store = { ok: false, reason: String(fields.code) }
    return { store, busy, backlog: [], lastDeliveryAt: {}, risks: [] }
  }
}

const isKnown = (entry: readonly [string, Date | undefined]): entry is readonly [string, Date] => entry[1] !== undefined
