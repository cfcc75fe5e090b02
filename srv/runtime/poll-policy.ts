import type { PollWhen } from '#domain/plan-fallback'
import type { Clock, Journal, Log } from '#domain/ports'
import type { Target } from '#domain/target'
import type { Meter, Tracer } from '#domain/telemetry'

/** When a poll wants to run. The adapter wraps a cron library; `slotsBetween` is capped, newest last. */
export interface Schedule {
  slotsBetween(after: Date, until: Date): readonly Date[]
  /** Calls `due` at every slot until stopped. */
  start(due: () => void): { stop(): void }
}

/** Longest lead of a poll without a sign of life. */
export const POLL_LEASE_MS = 15_000

/** A scheduled read of a target's changes. Durations in ms. */
export interface PollPolicy {
  /** Stable: the store keeps its checkpoint by it, and its events are identified by it. */
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
  readonly meter?: Meter
  readonly tracer?: Tracer
  /** Name of this instance, unique among those that share the store. */
  readonly instance: string
  /** How long it leads a poll without a sign of life. */
  readonly leaseMs: number
  /** Called after a commit that brought new events. */
  readonly stored: () => void
}

/** What one look at a poll came to: rows read, new events among them, slots that had been missed. */
export interface PollRun {
  readonly ran: boolean
  readonly reason?: 'not-due' | 'not-leader' | 'push-is-alive' | 'lost-lead' | 'failed' | 'stopping'
  readonly rows: number
  readonly events: number
  readonly missed: number
}
