import { planFallback } from '#domain/plan-fallback'
import { type CheckpointState, NO_CHECKPOINT } from '#domain/plan-poll'
import type { Clock, Inbox, Log } from '#domain/ports'
import type { Observation } from '#domain/telemetry'
import { faultFields } from './fault-fields.ts'
import type { GatewayHealth } from './health.ts'
import type { PollPolicy } from './poll-policy.ts'
import { orTimeout } from './within-time.ts'

export interface ObserverParts {
  readonly inbox: Inbox
  readonly health: () => Promise<GatewayHealth>
  readonly sources: readonly string[]
  readonly subscriptions: readonly string[]
  readonly polls: readonly Pick<PollPolicy, 'name' | 'when' | 'backs' | 'staleAfterMs'>[]
  readonly busy: Observation['busy']
  readonly clock: Clock
  readonly log: Log
}

/** Longest wait for each answer: whoever asks does so every few seconds, also while the store is slow. */
const ANSWER_WITHIN_MS = 2_000
const BOUNDS = { lanes: 10_000, heads: 200 } as const

/** Reads how things stand. Never throws: what the store does not say is left out, and the store is not well. */
export async function observe(parts: ObserverParts): Promise<Observation> {
  const { inbox, clock, log, sources, subscriptions, polls, busy } = parts
  const inTime = <T>(work: Promise<T>) => orTimeout(clock, ANSWER_WITHIN_MS, 'The store', work)
  try {
    const { risks = [], ...store } = await inTime(parts.health())
    if (!store.ok) return { ...NOTHING, store, busy }
    const [backlog, deliveries, checkpoints] = await inTime(
      Promise.all([
        inbox.work.backlog(subscriptions, BOUNDS),
        Promise.all(sources.map(async (name) => [name, await inbox.journal.lastDeliveryAt(name)] as const)),
        Promise.all(polls.map(async ({ name }) => (await inbox.journal.checkpoint(name)).state)),
      ]),
    )
    const lastDeliveryAt = Object.fromEntries(deliveries.filter(isKnown))
    const shown = polls.map((poll, n) => [poll.name, progress(poll, checkpoints[n], lastDeliveryAt, clock.now())])
    return { store, busy, backlog, lastDeliveryAt, polls: Object.fromEntries(shown), risks }
  } catch (thrown) {
    const fields = faultFields(thrown)
    log.warn('the store does not say how things stand', fields)
    return { ...NOTHING, store: { ok: false, reason: String(fields.code) }, busy }
  }
}

const NOTHING = { backlog: [], lastDeliveryAt: {}, polls: {}, risks: [] } as const

function progress(
  { when, backs, staleAfterMs }: ObserverParts['polls'][number],
  { slotAt, completedAt }: CheckpointState = NO_CHECKPOINT,
  lastDeliveryAt: Observation['lastDeliveryAt'],
  now: Date,
) {
  const lastPushAt = backs && lastDeliveryAt[backs]
  const watchedSince = slotAt === null ? now : new Date(slotAt)
  const { stale } = planFallback({ when, staleAfterMs, watchedSince, ...(lastPushAt && { lastPushAt }) }, now)
  return { ...(completedAt && { completedAt: new Date(completedAt) }), ...(backs && { silent: stale }) }
}

const isKnown = (entry: readonly [string, Date | undefined]): entry is readonly [string, Date] => entry[1] !== undefined
