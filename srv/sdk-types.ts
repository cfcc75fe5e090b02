// What users of the SDK name: the words of the domain and the parts of a gateway.
export type { RetryPolicy } from '#domain/backoff'
export type { EffectRule, ErrorFacts, RetryRule } from '#domain/errors'
export { PermanentError, RetryAfterError, SluiceError } from '#domain/errors'
export type { Conversion, EventAttributes, EventDraft, Identity, Nature, ObjectRef, StoredEvent } from '#domain/event'
export type { EventFilter } from '#domain/filter'
export type { KeptDelivery } from '#domain/kept-delivery'
export type { MeshRisk, SourceRisk } from '#domain/plan-mesh'
export type { Admin, AdminResult, Clock, Inbox, Log, StoreHealth } from '#domain/ports'
export type { Pull, PulledMessage } from '#domain/pull'
export type {
  AuthSpec,
  Delivery,
  GuardedFetch,
  Headers,
  Item,
  ItemOutcome,
  Outcome,
  Reply,
  Source,
  SourceContext,
} from '#domain/source'
export type { OrderPolicy } from '#domain/subscription'
export type {
  EntitySpec,
  HandlerTarget,
  Key,
  Publishable,
  PublishOptions,
  Target,
  TargetRecord,
  TargetSession,
  UpdateOptions,
  WriteOutcome,
  WriteResult,
  WriteScope,
} from '#domain/target'
export type { Meter, Observation, Tracer } from '#domain/telemetry'
export type { Principal, Refusal, RefusalReason, Undecided, Verification, Verified } from '#domain/verification'
export type { Subscription, SubscriptionOptions } from './check-parts.ts'
export type { DoorLimits } from './door.ts'
export type { GatewayParts, Role } from './gateway-parts.ts'
export type { HeadersLike, ReceiveRequest } from './receive-request.ts'
export type { ConsumerPolicy } from './runtime/consumer.ts'
export type { FetchSpec } from './runtime/enrich.ts'
export type { Handler, HandlerContext, HandlerEvent } from './runtime/handler.ts'
export type { GatewayHealth } from './runtime/health.ts'
export type { WatchedMesh } from './runtime/mesh-watch.ts'
export type { PollPolicy, PollRun, Schedule } from './runtime/poller.ts'
export type { RetentionOptions } from './runtime/retention.ts'
export type { WorkerOptions } from './runtime/worker.ts'
