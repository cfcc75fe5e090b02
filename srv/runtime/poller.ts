import { toFault } from '#domain/errors'
import { type PollWhen, planFallback } from '#domain/plan-fallback'
import { type CheckpointState, planPoll, windowStart } from '#domain/plan-poll'
import type { Clock, Journal, Lease, Log, NewDelivery } from '#domain/ports'
import type { ChangesPage, Target } from '#domain/target'
import { compareVersions } from '#domain/version'
import { newKey, sha256 } from './ids.ts'
import { toNewEvent } from './intake-item.ts'

/** When a poll wants to run. The adapter wraps a cron library; `slotsBetween` is capped, newest last. */
export interface Schedule {
  slotsBetween(after: Date, until: Date): readonly Date[]
  /** Calls `due` at every slot until stopped. */
  start(due: () => void): { stop(): void }
}

export interface PollPolicy {
  readonly name: string
  readonly target: string
  readonly entity: string
  /** Type of the events it makes. */
  readonly type: string
  /** Business object type; the same as in the pushed events it stands behind. */
  readonly object: string
  readonly schedule: Schedule
  readonly overlapMs: number
  readonly pageSize: number
  readonly when: PollWhen
  /** The source whose silence it watches. */
  readonly backs?: string
  readonly staleAfterMs: number
  /** Where the very first run begins; RFC 3339, or `beginning` to read everything there is. */
  readonly startFrom: 'now' | 'beginning' | string
}

export interface PollerParts {
  readonly journal: Journal
  readonly polls: readonly PollPolicy[]
  readonly targets: Readonly<Record<string, Target>>
  readonly clock: Clock
  readonly log: Log
  /** Name of this instance, unique among those that share the store. */
  readonly instance: string
  /** Called after a commit that brought new events. */
  readonly stored: () => void
}

export interface PollRun {
  readonly ran: boolean
  readonly reason?: 'not-due' | 'not-leader' | 'push-is-alive' | 'lost-lead' | 'stopping'
  readonly rows: number
  readonly events: number
  readonly missed: number
}

const LEASE_MS = 120_000
const SKIPPED = { ran: false, rows: 0, events: 0, missed: 0 } as const

/** Reads changes on schedule, one instance at a time, and commits every page with its checkpoint. */
export type Poller = ReturnType<typeof createPoller>

export function createPoller(parts: PollerParts) {
  const { journal, clock, log } = parts
  const startedAt = clock.now()
  const abort = new AbortController()
  const running = new Map<string, Promise<PollRun>>()
  const timers: { stop(): void }[] = []

  /** Runs a poll if it is due; a second call while it runs joins it. Faults are logged and leave the checkpoint as it was. */
  function run(poll: PollPolicy): Promise<PollRun> {
    const current = running.get(poll.name)
    if (current) return current
    const started = attempt(poll)
      .catch((thrown): PollRun => {
        const { code, message, httpStatus } = toFault(thrown)
        log.warn('a poll failed and will be repeated', { poll: poll.name, code, message, httpStatus })
        return SKIPPED
      })
      .finally(() => running.delete(poll.name))
    running.set(poll.name, started)
    return started
  }

  async function attempt(poll: PollPolicy): Promise<PollRun> {
    if (abort.signal.aborted) return { ...SKIPPED, reason: 'stopping' }
    const lease = await journal.lease(`poll:${poll.name}`, parts.instance, LEASE_MS)
    if (!lease) return { ...SKIPPED, reason: 'not-leader' }
    try {
      return await lead(poll, lease)
    } finally {
      await journal.releaseLease(lease)
    }
  }

  async function lead(poll: PollPolicy, lease: Lease): Promise<PollRun> {
    const now = clock.now()
    const { state, revision } = await journal.checkpoint(poll.name)
    const plan = planPoll(state, state.slotAt ? poll.schedule.slotsBetween(new Date(state.slotAt), now) : [], now)
    if (!plan.run || !plan.slotAt) return { ...SKIPPED, reason: 'not-due' }
    const from = revision === 0 ? beginning(poll, now) : state
    if (!(await needed(poll, now))) {
      // The first look fixes where a later take-over begins to read, or it would not see what went wrong before it.
      if (revision === 0) {
        await journal.advance({ poll: poll.name, lease, expectedRevision: 0, state: from, deliveries: [] })
      }
      return { ...SKIPPED, reason: 'push-is-alive' }
    }
    if (plan.missed > 0 && poll.when === 'always') {
      log.warn('a poll missed runs and catches up with one', { poll: poll.name, missed: plan.missed })
    }
    return read(poll, lease, from, revision, plan.slotAt, plan.missed)
  }

  async function needed(poll: PollPolicy, now: Date): Promise<boolean> {
    const lastPushAt = poll.backs ? await journal.lastDeliveryAt(poll.backs) : undefined
    const { when, staleAfterMs } = poll
    const plan = planFallback(
      { when, staleAfterMs, watchedSince: startedAt, ...(lastPushAt ? { lastPushAt } : {}) },
      now,
    )
    if (plan.stale && when === 'stale') {
      log.warn('push is silent; polling takes over', {
        poll: poll.name,
        source: poll.backs,
        silentForMs: plan.silentForMs,
      })
    }
    return plan.poll
  }

  async function read(
    poll: PollPolicy,
    lease: Lease,
    from: CheckpointState,
    revision: number,
    slotAt: string,
    missed: number,
  ): Promise<PollRun> {
    const target = parts.targets[poll.target]
    const since = windowStart(from.watermark, poll.overlapMs)
    let { watermark } = from
    let [rows, events] = [0, 0]
    let after: string | undefined
    let expectedRevision = revision
    for (;;) {
      const page = await target?.changes?.({
        entity: poll.entity,
        pageSize: poll.pageSize,
        signal: abort.signal,
        ...(since === undefined ? {} : { since }),
        ...(after === undefined ? {} : { after }),
      })
      if (!page) throw new Error(`target ${poll.target} cannot be polled`)
      watermark = highest(watermark, page)
      const done = page.next === undefined
      // Until the last page the watermark stays: a crash in between reads the window again, and identities absorb it.
      const state = done ? { watermark, slotAt, completedAt: clock.now().toISOString() } : from
      const outcomes = await journal.advance({
        poll: poll.name,
        lease,
        expectedRevision,
        state,
        deliveries: toDeliveries(poll, page, clock.now()),
      })
      if (!outcomes) return { ran: true, reason: 'lost-lead', rows, events, missed }
      expectedRevision += 1
      rows += page.rows.length
      const accepted = outcomes.flatMap((outcome) => outcome.items).filter((item) => item.outcome === 'accepted').length
      events += accepted
      if (accepted > 0) parts.stored()
      if (done) return { ran: true, rows, events, missed }
      after = page.next
      const renewed = await journal.lease(lease.name, lease.owner, LEASE_MS)
      if (renewed?.fence !== lease.fence) return { ran: true, reason: 'lost-lead', rows, events, missed }
    }
  }

  return {
    run,
    start() {
      for (const poll of parts.polls) {
        timers.push(poll.schedule.start(() => void run(poll)))
        // What was missed while nobody was there is due now.
        void run(poll)
      }
    },
    async stop() {
      abort.abort()
      for (const timer of timers) timer.stop()
      await Promise.allSettled(running.values())
    },
  }
}

function beginning({ startFrom }: PollPolicy, now: Date): CheckpointState {
  const watermark = startFrom === 'beginning' ? null : startFrom === 'now' ? now.toISOString() : startFrom
  return { watermark, slotAt: now.toISOString(), completedAt: null }
}

const highest = (watermark: string | null, { rows }: ChangesPage): string | null =>
  rows.reduce<string | null>(
    (max, { version }) => (max === null || (compareVersions(version, max) ?? 1) > 0 ? version : max),
    watermark,
  )

/** A page is one delivery. Its identities contain the content: two changes within one tick of the version stay two. */
function toDeliveries(poll: PollPolicy, page: ChangesPage, now: Date): NewDelivery[] {
  if (page.rows.length === 0) return []
  const body = Buffer.from(`[${page.rows.map((row) => row.data).join(',')}]`)
  const items = page.rows.map(({ key, version, data }) => ({
    kind: 'event' as const,
    event: toNewEvent(
      {
        identity: { id: `${key}@${version}#${sha256(data).slice(0, 16)}` },
        attributes: {
          id: `${key}@${version}`,
          source: `/polls/${poll.name}`,
          type: poll.type,
          subject: `${poll.object}/${key}`,
          partitionkey: `${poll.object}/${key}`,
          datacontenttype: 'application/json',
        },
        nature: 'state',
        object: { type: poll.object, key, version },
        data,
      },
      now,
      { authlevel: 'token' },
    ),
  }))
  return [
    {
      key: newKey(),
      origin: poll.name,
      channel: 'poll',
      receivedAt: now,
      method: 'GET',
      url: `${poll.target}/${poll.entity}`,
      headers: '{}',
      body,
      bodyHash: sha256(body),
      authlevel: 'token',
      items,
    },
  ]
}
