import { SluiceError } from '#domain/errors'
import type { Clock, Inbox, Log } from '#domain/ports'
import type { AuthSpec, GuardedFetch, Source, SourceContext } from '#domain/source'
import type { Target } from '#domain/target'
import type { Meter, Tracer } from '#domain/telemetry'
import type { Subscription } from './check-parts.ts'
import type { DoorLimits } from './door.ts'
import type { ConsumerPolicy } from './runtime/consumer.ts'
import type { WatchedMesh } from './runtime/mesh-watch.ts'
import type { PollPolicy } from './runtime/poller.ts'
import type { RetentionOptions } from './runtime/retention.ts'
import type { WorkerOptions } from './runtime/worker.ts'

/** What an instance does: takes deliveries, runs handlers, reads changes. Instances on one inbox may share the roles. */
export type Role = 'intake' | 'worker' | 'poller'

/** What a gateway is made of. Only the inbox is needed; durations are in ms, sizes in bytes. */
export interface GatewayParts<TargetName extends string = string> {
  /** Where deliveries and events are kept: `cdsInbox(…)`, or `memoryInbox()` for tests. From `cap-sluice/inbox`. */
  readonly inbox: Inbox
  /** By name: the last segment of a delivery's path. From `cap-sluice/sources`, or a `Source` of your own. */
  readonly sources?: Readonly<Record<string, Source>>
  /** By name, as handlers call them: `context.targets.<name>`. From `cap-sluice/odata`, or a `Target` of your own. */
  readonly targets?: Readonly<Record<TargetName, Target>>
  /** What `gateway.on` adds, as values. */
  readonly subscriptions?: readonly Subscription<unknown, unknown, NoInfer<TargetName>>[]
  /** Scheduled reads of a target's changes. */
  readonly polls?: readonly PollPolicy[]
  /** Sources whose messages are asked for: `meshPull(…)` from `cap-sluice/event-mesh`. Runs with the role poller. */
  readonly consumers?: readonly ConsumerPolicy[]
  /** Queues and webhooks at brokers that are kept as configured: `manageMesh(…)` from `cap-sluice/event-mesh`. */
  readonly meshes?: readonly WatchedMesh[]
  /** The system's clock unless a test brings its own (`virtualClock()` from `cap-sluice/testing`). */
  readonly clock?: Clock
  /** Nothing is logged without one; `console` will do. One that throws is ignored. */
  readonly log?: Log
  /** All three by default. */
  readonly roles?: readonly Role[]
  /** How callers prove who they are, for sources that know callers: `authenticator()` from `cap-sluice/auth`. */
  readonly authenticate?: SourceContext['authenticate']
  /** For sources that have to ask their provider; must be limited to an exact list of hosts. */
  readonly fetch?: GuardedFetch
  /** Counts what happens: `prometheus().meter` from `cap-sluice/metrics`. */
  readonly meter?: Meter
  /** Spans from delivery to target: `openTelemetry()` from `cap-sluice/telemetry`. */
  readonly tracer?: Tracer
  /** Bounds for what comes in. */
  readonly limits?: Partial<DoorLimits>
  /** Bounds for what goes out. */
  readonly worker?: Partial<WorkerOptions>
  /** How long what is kept. */
  readonly retention?: Partial<RetentionOptions>
  /** Public base URL as senders know it, e.g. `https://hooks.example.com`, for schemes that sign the URL. */
  readonly publicUrl?: string
}

export const noAuthentication = async (_delivery: unknown, spec: AuthSpec): Promise<never> => {
  throw new SluiceError(
    'configuration',
    `A source wants ${spec.kind} authentication, and the gateway was given none.`,
    { remedy: 'Pass createGateway({ authenticate }) from cap-sluice/auth.' },
  )
}

export const noFetch: GuardedFetch = async () => {
  throw new SluiceError('configuration', 'A source wants to fetch, and the gateway was given no fetch.', {
    remedy: 'Pass createGateway({ fetch }), guarded by an exact list of hosts.',
  })
}
