import { createRequire } from 'node:module'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Meter, Observation } from '#domain/telemetry'
import { bounded, remembered } from './labels.ts'

/** What the registry holds beside Sluice's own metrics. */
export interface PrometheusOptions {
  /** Also those of the Node process (`process_…`, `nodejs_…`); none by default, where the app may have its own. */
  readonly process?: boolean
  /** How long an observation of the store is shown again, in ms. */
  readonly cacheMs?: number
  readonly now?: () => number
}

/** A registry of its own, beside whatever the app has. */
export interface PrometheusMetrics {
  /** Goes into `createGateway({ meter })`. */
  readonly meter: Meter
  readonly contentType: string
  /** What a scrape gets. @param gateway whose store is looked at; undefined while there is none */
  text(gateway: { observe(): Promise<Observation> } | undefined): Promise<string>
}

const CACHE_MS = 5_000
const COMMIT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const ATTEMPT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** Names of the process's metrics in every registry of ours: all in one list, each explained in docs/guides/operate.md. */
export const METRICS = [
  'sluice_deliveries_total',
  'sluice_refusals_total',
  'sluice_commit_duration_seconds',
  'sluice_commit_failures_total',
  'sluice_dispatches_total',
  'sluice_attempt_duration_seconds',
  'sluice_polls_total',
  'sluice_poll_events_total',
  'sluice_poll_completed_timestamp_seconds',
  'sluice_push_silent',
  'sluice_retention_removed_total',
  'sluice_lanes',
  'sluice_oldest_waiting_seconds',
  'sluice_worker_lanes',
  'sluice_worker_lanes_limit',
  'sluice_last_delivery_timestamp_seconds',
  'sluice_source_risks',
  'sluice_store_up',
  'sluice_store_clock_offset_seconds',
  'sluice_build_info',
] as const

type Name = (typeof METRICS)[number]

const NOTHING: Observation = { store: { ok: false }, backlog: [], lastDeliveryAt: {}, polls: {}, busy: {}, risks: [] }

/** Prometheus text format, from a registry of its own: the app's own metrics stand in the library's global one. */
export function prometheus(options: PrometheusOptions = {}): PrometheusMetrics {
  const { cacheMs = CACHE_MS, now = Date.now } = options
  const registers = [new Registry()]
  const [registry] = registers as [Registry]
  const counter = <Label extends string>(name: Name, help: string, ...labelNames: Label[]) =>
    new Counter({ name, help, labelNames, registers })
  const gauge = <Label extends string>(name: Name, help: string, ...labelNames: Label[]) =>
    new Gauge({ name, help, labelNames, registers })

  const commits = new Histogram({
    name: 'sluice_commit_duration_seconds' satisfies Name,
    help: 'From handing deliveries to the store until they were on disk.',
    buckets: COMMIT_BUCKETS,
    registers,
  })
  const attempts = new Histogram({
    name: 'sluice_attempt_duration_seconds' satisfies Name,
    help: 'Tries of dispatches, fetch and handler included.',
    labelNames: ['subscription'],
    buckets: ATTEMPT_BUCKETS,
    registers,
  })
  const failures = counter('sluice_commit_failures_total', 'Deliveries that the store did not take; answered 503.')
  const deliveries = counter('sluice_deliveries_total', 'Stored push deliveries.', 'source', 'outcome')
  const refusals = counter('sluice_refusals_total', 'Deliveries that were not taken.', 'source', 'reason')
  const dispatches = counter('sluice_dispatches_total', 'Dispatches by how a try left them.', 'subscription', 'end')
  const polls = counter('sluice_polls_total', 'Looks at polls, by what came of them.', 'poll', 'result')
  const polled = counter('sluice_poll_events_total', 'New events that polls found.', 'poll')
  const removed = counter('sluice_retention_removed_total', 'Rows that retention has removed.', 'kind')

  const lanes = gauge('sluice_lanes', 'Lanes with open work, up to 10000 a state.', 'subscription', 'state')
  const oldest = gauge('sluice_oldest_waiting_seconds', 'Age of the oldest event that waits.', 'subscription')
  const busy = gauge('sluice_worker_lanes', 'Lanes in this process\u2019s hands.', 'subscription')
  const limit = gauge('sluice_worker_lanes_limit', 'Lanes this process works on at most.', 'subscription')
  const last = gauge('sluice_last_delivery_timestamp_seconds', 'When a source last delivered.', 'source')
  const dangers = gauge('sluice_source_risks', 'Dangers at a source\u2019s broker.', 'source', 'risk', 'severity')
  const completed = gauge('sluice_poll_completed_timestamp_seconds', 'When a poll last read to its end.', 'poll')
  const silent = gauge('sluice_push_silent', '1 where the source behind a poll has fallen silent.', 'poll')
  const up = gauge('sluice_store_up', '1 where the store takes and gives.')
  const offset = gauge('sluice_store_clock_offset_seconds', 'Database time less this process\u2019s.')
  gauge('sluice_build_info', 'The running version.', 'version').set({ version: ownVersion() }, 1)
  if (options.process) collectDefaultMetrics({ register: registry })

  const delivered = remembered((source, outcome) => deliveries.labels(source, outcome))
  const refused = remembered((source, reason) => refusals.labels(source, reason))
  const ended = remembered((subscription, end) => dispatches.labels(subscription, end))
  const tried = remembered((subscription) => attempts.labels(subscription))
  const reasons = bounded(100)

  let observed: { readonly at: number; readonly observation: Promise<Observation> } | undefined

  /** Many may scrape, and each shall cost the store nothing more. */
  function observe(gateway: { observe(): Promise<Observation> }): Promise<Observation> {
    if (!observed || now() - observed.at >= cacheMs) observed = { at: now(), observation: gateway.observe() }
    return observed.observation
  }

  function show({ store, backlog, busy: working, lastDeliveryAt, polls: read, risks }: Observation): void {
    // What nobody says any more is not shown any more: an old number would look like a current one.
    for (const one of [lanes, oldest, busy, limit, last, dangers, offset, completed, silent]) one.reset()
    up.set(store.ok ? 1 : 0)
    if (store.clockOffsetMs !== undefined) offset.set(store.clockOffsetMs / 1_000)
    for (const { subscription, oldestReceivedAt, ...states } of backlog) {
      for (const [state, count] of Object.entries(states)) lanes.set({ subscription, state }, count)
      oldest.set({ subscription }, oldestReceivedAt ? Math.max(0, now() - oldestReceivedAt.getTime()) / 1_000 : 0)
    }
    for (const [subscription, work] of Object.entries(working)) {
      busy.set({ subscription }, work.lanes)
      limit.set({ subscription }, work.limit)
    }
    for (const [source, at] of Object.entries(lastDeliveryAt)) last.set({ source }, at.getTime() / 1_000)
    for (const { source, code, severity } of risks) dangers.inc({ source, risk: code, severity })
    for (const [poll, { completedAt, silent: isSilent }] of Object.entries(read)) {
      if (completedAt) completed.set({ poll }, completedAt.getTime() / 1_000)
      if (isSilent !== undefined) silent.set({ poll }, isSilent ? 1 : 0)
    }
  }

  return {
    meter: {
      delivered: (source, outcome) => delivered(source, outcome).inc(),
      refused: (source, reason) => refused(source, reasons(reason)).inc(),
      committing() {
        const startedAt = performance.now()
        return (stored) => {
          if (stored) commits.observe((performance.now() - startedAt) / 1_000)
          else failures.inc()
        }
      },
      settled(subscription, to, attemptMs) {
        ended(subscription, to === 'waiting' ? 'retry' : to).inc()
        if (attemptMs !== undefined) tried(subscription).observe(attemptMs / 1_000)
      },
      polled(poll, result, events) {
        polls.inc({ poll, result })
        polled.inc({ poll }, events)
      },
      retained(rows) {
        for (const kind of ['payloads', 'events', 'lanes'] as const) removed.inc({ kind }, rows[kind])
      },
    },
    contentType: registry.contentType,
    async text(gateway) {
      show(gateway ? await observe(gateway) : NOTHING)
      return registry.metrics()
    },
  }
}

const ownVersion = (): string => createRequire(import.meta.url)('cap-sluice/package.json').version
