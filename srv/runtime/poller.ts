import { SluiceError } from '#domain/errors'
import { type FallbackPlan, planFallback } from '#domain/plan-fallback'
import { type CheckpointState, planPoll } from '#domain/plan-poll'
import type { Checkpoint, Lease } from '#domain/ports'
import { faultFields } from './fault-fields.ts'
import { leading } from './lead.ts'
import type { PollerParts, PollPolicy, PollRun } from './poll-policy.ts'
import { readChanges } from './poll-reader.ts'
import { NO_METER, NO_TRACER } from './untold.ts'

export type { PollerParts, PollPolicy, PollRun, Schedule } from './poll-policy.ts'

/** A system that failed is left alone for a while; who waits for the lead of one that died asks when that has run out. */
const FAILED_AGAIN_MS = 120_000
const SKIPPED = { ran: false, rows: 0, events: 0, missed: 0 } as const
/** Name under which the store keeps, beside a poll's checkpoint, that it has taken over from push. */
const TOOK_OVER = '$tookOver'

/** Reads changes on schedule, one instance at a time, and commits every page with its checkpoint. */
export type Poller = ReturnType<typeof createPoller>

export function createPoller(parts: PollerParts) {
  const { journal, clock, log, meter = NO_METER, tracer = NO_TRACER } = parts
  const startedAt = clock.now()
  const abort = new AbortController()
  const running = new Map<string, Promise<PollRun>>()
  const silent = new Set<string>()
  const schedules: { stop(): void }[] = []
  const again = new Map<string, () => void>()

  /** Runs a poll if it is due; a second call while it runs joins it. Faults are logged and leave the checkpoint as it was. */
  function run(poll: PollPolicy): Promise<PollRun> {
    const current = running.get(poll.name)
    if (current) return current
    const started = attempt(poll)
      .catch((thrown): PollRun => {
        if (abort.signal.aborted) return { ...SKIPPED, reason: 'stopping' }
        log.warn('a poll failed and will be repeated', { poll: poll.name, ...faultFields(thrown) })
        return { ...SKIPPED, reason: 'failed' }
      })
      .then((ended) => {
        meter.polled(poll.name, ended.reason ?? 'ran', ended.events)
        return ended
      })
      .finally(() => running.delete(poll.name))
    running.set(poll.name, started)
    return started
  }

  /** What did not get to its end, here or elsewhere, is looked at again before its next slot, which may be a day away. */
  async function keepAt(poll: PollPolicy): Promise<void> {
    const { reason } = await run(poll)
    again.get(poll.name)?.()
    if (abort.signal.aborted || (reason !== 'failed' && reason !== 'not-leader' && reason !== 'lost-lead')) return
    again.set(
      poll.name,
      clock.after(reason === 'failed' ? FAILED_AGAIN_MS : parts.leaseMs, () => void keepAt(poll)),
    )
  }

  async function attempt(poll: PollPolicy): Promise<PollRun> {
    if (abort.signal.aborted) return { ...SKIPPED, reason: 'stopping' }
    const ran = await leading(parts, `poll:${poll.name}`, (lease) => lead(poll, lease))
    return ran ?? { ...SKIPPED, reason: 'not-leader' }
  }

  async function lead(poll: PollPolicy, lease: Lease): Promise<PollRun> {
    const now = clock.now()
    const { state, revision } = await firstLook(poll, lease, now)
    const plan = planPoll(state, state.slotAt ? poll.schedule.slotsBetween(new Date(state.slotAt), now) : [], now)
    const { slotAt, missed } = plan
    if (!plan.run || !slotAt) return { ...SKIPPED, reason: 'not-due' }
    const { poll: needed, stale } = await fallback(poll, state, now)
    if (!needed) {
      if (state.slotAt === null) await save(poll, lease, { state: { ...state, slotAt }, revision })
      return { ...SKIPPED, reason: 'push-is-alive' }
    }
    if (missed > 0 && poll.when === 'always') {
      log.warn('a poll missed runs and catches up with one', { poll: poll.name, missed })
    }
    const run: PollRun = await tracer.poll({ poll: poll.name, target: poll.target }, (trace) =>
      readChanges(parts, { poll, lease, from: state, revision, slotAt, missed, trace }, abort.signal),
    )
    if (poll.when === 'stale' && !stale && run.reason === undefined) {
      await journal.setSourceState(poll.name, TOOK_OVER, false)
    }
    return run
  }

  /** Fixes where reading begins before anything is read: a system that is down then, or is not asked, loses nothing. */
  async function firstLook(poll: PollPolicy, lease: Lease, now: Date): Promise<Checkpoint> {
    const found = await journal.checkpoint(poll.name)
    if (found.revision > 0) return found
    return save(poll, lease, { ...found, state: { ...found.state, watermark: startOf(poll, now) } })
  }

  async function save(poll: PollPolicy, lease: Lease, { state, revision }: Checkpoint): Promise<Checkpoint> {
    const step = { poll: poll.name, lease, expectedRevision: revision, state, deliveries: [] }
    if (await journal.advance(step)) return { state, revision: revision + 1 }
    throw new SluiceError('lost-lead', 'Another instance leads this poll now.')
  }

  /** Whether push needs its deputy. That it has one is kept in the store: whoever leads next must know where push returned. */
  async function fallback(poll: PollPolicy, { slotAt }: CheckpointState, now: Date): Promise<FallbackPlan> {
    const { name, when, staleAfterMs, backs: source } = poll
    const lastPushAt = source ? await journal.lastDeliveryAt(source) : undefined
    const tookOver = when === 'stale' && (await journal.sourceState(name, TOOK_OVER)) === true
    // Where no delivery ever came, an instance before us may have begun to wait.
    const waitedSince = slotAt === null ? now.getTime() : Date.parse(slotAt)
    const watchedSince = new Date(Math.min(startedAt.getTime(), waitedSince))
    const facts = { when, staleAfterMs, watchedSince, tookOver, ...(lastPushAt ? { lastPushAt } : {}) }
    const plan = planFallback(facts, now)
    if (when === 'stale' && plan.stale && !tookOver) await journal.setSourceState(name, TOOK_OVER, true)
    if (when === 'stale' && plan.stale !== silent.has(name)) {
      const fields = { poll: name, source, silentForMs: plan.silentForMs }
      if (plan.stale) log.warn('push is silent; polling takes over', fields)
      else log.info('push is back; polling steps back', fields)
      if (plan.stale) silent.add(name)
      else silent.delete(name)
    }
    return plan
  }

  return {
    run,
    start() {
      for (const poll of parts.polls) {
        schedules.push(poll.schedule.start(() => void keepAt(poll)))
        // What was missed while nobody was there is due now.
        void keepAt(poll)
      }
    },
    async stop() {
      abort.abort()
      for (const schedule of schedules) schedule.stop()
      for (const cancel of again.values()) cancel()
      await Promise.allSettled(running.values())
    },
  }
}

const startOf = ({ startFrom }: PollPolicy, now: Date): string | null =>
  startFrom === 'beginning' ? null : startFrom === 'now' ? now.toISOString() : startFrom
