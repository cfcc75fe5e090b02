import type { Backlog } from './backlog.ts'
import type { SourceRisk } from './plan-mesh.ts'
import type { AttemptRecord, ClaimedDispatch, StoreHealth } from './ports.ts'
import type { Headers, ItemOutcome, Reply } from './source.ts'
import type { DispatchStatus } from './status.ts'
import type { Target } from './target.ts'

/**
 * Counts what happens. Called on the hot path, so an implementation only adds, and never throws. Every name it is given
 * is a configured one; reasons are closed lists where the source is one of ours.
 */
export interface Meter {
  /** A push delivery was stored. */
  delivered(source: string, outcome: ItemOutcome): void
  /** @param source empty where no configured source was meant */
  refused(source: string, reason: string): void
  /** Deliveries go to the store. @returns to be called when it has answered */
  committing(): (stored: boolean) => void
  /** The store has taken a dispatch's end, or its next try (`waiting`). @param attemptMs undefined where nothing ran */
  settled(subscription: string, to: DispatchStatus, attemptMs: number | undefined): void
  /** @param result `ran`, or why not to its end */
  polled(poll: string, result: string, events: number): void
  /** One step of retention, in rows. */
  retained(removed: { readonly payloads: number; readonly events: number; readonly lanes: number }): void
}

/** How things stand, read when somebody asks. What the store does not say in time is left out. */
export interface Observation {
  readonly store: StoreHealth
  readonly backlog: readonly Backlog[]
  readonly lastDeliveryAt: Readonly<Record<string, Date>>
  /** By name: when a poll last read to its end, and whether the source behind which it stands has fallen silent. */
  readonly polls: Readonly<Record<string, { readonly completedAt?: Date; readonly silent?: boolean }>>
  /** Lanes in this process's hands, and how many it takes at most, by subscription. */
  readonly busy: Readonly<Record<string, { readonly lanes: number; readonly limit: number }>>
  /** What endangers the sources' events at their brokers. */
  readonly risks: readonly SourceRisk[]
}

/** Where the trace of an event goes on: W3C Trace Context, as CloudEvents' distributed tracing extension keeps it. */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate?: string
}

/** Something that is being traced. */
export interface Trace {
  /** What later work for the same event goes on from. */
  readonly context: TraceContext
  /** It has to do with another trace, e.g. the one its sender has begun. */
  link(context: TraceContext): void
}

/** Runs work within spans. Where nobody traces, each call is nothing but the work, and `trace` is undefined. */
export interface Tracer {
  /** One delivery, from its first check to its answer. */
  delivery(
    about: { source: string; method: string; path: string; headers: Headers },
    run: () => Promise<Reply>,
  ): Promise<Reply>
  /** The commit of a delivery: the creation that attempts refer to. */
  store<T extends { readonly outcome: string; readonly delivery: string }>(
    source: string,
    run: (trace: Trace | undefined) => Promise<T>,
  ): Promise<T>
  /** A poll from its first page to its last. */
  poll<T extends { readonly events: number }>(
    about: { poll: string; target: string },
    run: (trace: Trace | undefined) => Promise<T>,
  ): Promise<T>
  /** One try of a dispatch, in the trace of its event. */
  attempt<T extends { readonly record: AttemptRecord }>(
    subscription: string,
    dispatch: ClaimedDispatch,
    run: () => Promise<T>,
  ): Promise<T>
  /** The same target, with a span around every call of it. */
  target(name: string, target: Target): Target
  /** Runs what belongs to no trace although a traced one has caused it. */
  apart(run: () => void): void
}
