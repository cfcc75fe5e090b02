import { hostname } from 'node:os'
import { DEFAULT_RETRY, type RetryPolicy } from '#domain/backoff'
import { SluiceError } from '#domain/errors'
import type { EventFilter } from '#domain/filter'
import type { Admin, Clock, Inbox, Log, StoreHealth } from '#domain/ports'
import type { AuthSpec, GuardedFetch, Reply, Source, SourceContext } from '#domain/source'
import type { OrderPolicy } from '#domain/subscription'
import type { Target } from '#domain/target'
import { createDoor, type Door, type DoorLimits, type ReceiveRequest } from './door.ts'
import type { ActiveSubscription } from './runtime/attempt.ts'
import type { FetchSpec } from './runtime/enrich.ts'
import type { Handler, HandlerContext, HandlerEvent } from './runtime/handler.ts'
import { newKey } from './runtime/ids.ts'
import { createPoller, type Poller, type PollPolicy, type PollRun } from './runtime/poller.ts'
import { rejectionCounter } from './runtime/rejections.ts'
import { createRetention, RETENTION_DEFAULTS, type RetentionOptions } from './runtime/retention.ts'
import { systemClock } from './runtime/system-clock.ts'
import { createWorker, WORKER_DEFAULTS, type Worker, type WorkerOptions } from './runtime/worker.ts'

export { PermanentError, RetryAfterError, SluiceError } from '#domain/errors'
export type { Clock, Inbox, Log } from '#domain/ports'
export type { Delivery, Item, Outcome, Reply, Source, SourceContext } from '#domain/source'
export type { Target, TargetRecord, TargetSession, WriteResult } from '#domain/target'
export type { Handler, HandlerContext, HandlerEvent, PollPolicy, ReceiveRequest }

export type Role = 'intake' | 'worker' | 'poller'

/** How a subscription behaves. Durations in ms; everything has a default. */
export interface SubscriptionOptions extends Omit<EventFilter, 'on'> {
  /** Stable: the store knows the subscription by it, over restarts and versions. */
  readonly name: string
  readonly order?: OrderPolicy
  readonly retry?: Partial<RetryPolicy>
  readonly timeoutMs?: number
  readonly concurrency?: number
  readonly fetch?: FetchSpec
}

export interface Subscription<Data = unknown> extends SubscriptionOptions {
  readonly on: readonly string[]
  readonly handler: Handler<Data>
}

export interface GatewayParts {
  readonly inbox: Inbox
  readonly sources?: Readonly<Record<string, Source>>
  readonly targets?: Readonly<Record<string, Target>>
  readonly subscriptions?: readonly Subscription[]
  readonly polls?: readonly PollPolicy[]
  readonly clock?: Clock
  readonly log?: Log
  readonly roles?: readonly Role[]
  /** How callers prove who they are, for sources that know callers (`cap-sluice/auth`). */
  readonly authenticate?: SourceContext['authenticate']
  readonly fetch?: GuardedFetch
  readonly limits?: Partial<DoorLimits>
  readonly worker?: Partial<WorkerOptions>
  readonly retention?: Partial<RetentionOptions>
  /** Public base URL as senders know it, for schemes that sign the URL. */
  readonly publicUrl?: string
}

export interface GatewayHealth extends StoreHealth {
  readonly state: 'new' | 'started' | 'draining' | 'stopped'
}

export interface Gateway {
  on<Data = unknown>(type: string | readonly string[], options: SubscriptionOptions, handler: Handler<Data>): void
  /** Takes one delivery without any framework. */
  receive(request: ReceiveRequest): Promise<Reply>
  /** A handler for Express 4 and 5 and for `node:http`; mount it before every body parser. */
  express(): Door['express']
  start(): Promise<void>
  /**
   * Stops claiming at once and waits for running handlers, up to `timeoutMs`; deliveries are still stored, because a
   * refusal costs a sender more than it saves us. `stop` then closes the inbox, once the listener is closed.
   */
  drain(options?: { timeoutMs?: number }): Promise<{ unfinished: number }>
  stop(options?: { timeoutMs?: number }): Promise<{ unfinished: number }>
  health(): Promise<GatewayHealth>
  /** Runs a poll now if it is due and this instance may lead it. */
  poll(name: string): Promise<PollRun>
  readonly admin: Admin
}

const DEFAULT_TIMEOUT_MS = 30_000
const DEFAULT_CONCURRENCY = 32
const DEFAULT_STOP_MS = 10_000

/** Puts the runtime together; every adapter comes as an argument. */
export function createGateway(parts: GatewayParts): Gateway {
  const {
    inbox,
    clock = systemClock,
    log = SILENT,
    roles = ['intake', 'worker', 'poller'],
    sources = {},
    targets = {},
  } = parts
  const workerOptions = { ...WORKER_DEFAULTS, ...parts.worker }
  const subscriptions: ActiveSubscription[] = []
  const rejections = rejectionCounter(inbox.journal, clock, log)
  const retention = createRetention(inbox.admin, clock, log, { ...RETENTION_DEFAULTS, ...parts.retention })
  let state: GatewayHealth['state'] = 'new'
  let worker: Worker | undefined
  let poller: Poller | undefined
  let drained: Promise<{ unfinished: number }> | undefined
  let stopped: Promise<{ unfinished: number }> | undefined

  const stored = () => worker?.wake()
  const door = createDoor({
    sources: roles.includes('intake') ? sources : {},
    inbox,
    clock,
    log,
    stored,
    isOpen: () => state === 'started' || state === 'draining',
    reject: rejections.count,
    authenticate: parts.authenticate ?? noAuthentication,
    fetch: parts.fetch ?? noFetch,
    publicUrl: parts.publicUrl ?? '',
    limits: parts.limits ?? {},
  })

  function add(subscription: Subscription): void {
    if (state !== 'new') {
      throw new SluiceError('configuration', `Subscription ${subscription.name} came after start().`, {
        remedy: 'Register handlers before start(): events would be missed otherwise.',
      })
    }
    subscriptions.push(complete(subscription, subscriptions, targets, workerOptions.leaseMs))
  }

  function drain({ timeoutMs = DEFAULT_STOP_MS }: { timeoutMs?: number } = {}): Promise<{ unfinished: number }> {
    if (state === 'started') state = 'draining'
    drained ??= Promise.all([worker?.stop(timeoutMs), poller?.stop(), retention.stop()]).then(
      ([result]) => result ?? { unfinished: 0 },
    )
    return drained
  }

  for (const subscription of parts.subscriptions ?? []) add(subscription)

  return {
    on: (type, options, handler) =>
      add({ ...options, on: typeof type === 'string' ? [type] : type, handler: handler as Handler }),
    receive: door.receive,
    express: () => door.express,
    admin: inbox.admin,

    async start() {
      if (state !== 'new') return
      await inbox.open()
      if (subscriptions.length > 0) await inbox.admin.register(subscriptions.map(toRegistered))
      if (roles.includes('worker') && subscriptions.length > 0) {
        worker = createWorker({
          work: inbox.work,
          subscriptions,
          targets,
          clock,
          log,
          random: Math.random,
          options: workerOptions,
        })
      }
      if (roles.includes('poller')) {
        const polls = parts.polls ?? []
        poller = createPoller({
          journal: inbox.journal,
          polls,
          targets,
          clock,
          log,
          stored,
          instance: `${hostname()}:${process.pid}:${newKey()}`,
        })
      }
      state = 'started'
      worker?.start()
      poller?.start()
      retention.start()
      log.info('started', {
        sources: Object.keys(sources),
        subscriptions: subscriptions.map(({ name }) => name),
        roles,
      })
    },

    drain,

    stop(options) {
      stopped ??= (async () => {
        const wasOpen = state === 'started' || state === 'draining'
        const result = await drain(options)
        await rejections.flush()
        state = 'stopped'
        if (wasOpen) await inbox.close()
        for (const target of Object.values(targets)) await target.close?.()
        log.info('stopped', result)
        return result
      })()
      return stopped
    },

    async health() {
      const store = state === 'new' || state === 'stopped' ? { ok: false, reason: state } : await inbox.health()
      return { ...store, state }
    },

    async poll(name) {
      const poll = parts.polls?.find((one) => one.name === name)
      if (!poll || !poller) throw new SluiceError('unknown-poll', `No poll ${name} runs here.`, { retry: 'never' })
      return poller.run(poll)
    },
  }
}

function complete(
  {
    on,
    name,
    handler,
    order,
    sources,
    subject,
    retry,
    timeoutMs = DEFAULT_TIMEOUT_MS,
    concurrency = DEFAULT_CONCURRENCY,
    fetch,
  }: Subscription,
  others: readonly ActiveSubscription[],
  targets: Readonly<Record<string, Target>>,
  leaseMs: number,
): ActiveSubscription {
  const refuse = (problem: string, remedy: string): never => {
    throw new SluiceError('configuration', `subscriptions.${name}: ${problem}`, { retry: 'never', remedy })
  }
  if (!/^[A-Za-z0-9][\w.-]{0,99}$/.test(name))
    refuse('this is not a name.', 'Use up to 100 letters, digits, ".", "_" and "-".')
  if (others.some((other) => other.name === name))
    refuse('the name is taken.', 'Names tell subscriptions apart in the store: choose another.')
  if (on.length === 0) refuse('"on" lists no event type.', 'List types, or "*" for all.')
  if (timeoutMs >= leaseMs)
    refuse(`timeoutMs ${timeoutMs} is not below the lease of ${leaseMs} ms.`, 'Shorten it or raise worker.leaseMs.')
  if (fetch && !targets[fetch.target]) refuse(`fetch.target ${fetch.target} is not configured.`, 'Add it to targets.')
  return {
    name,
    handler,
    filter: { on, ...(sources ? { sources } : {}), ...(subject === undefined ? {} : { subject }) },
    retry: { ...DEFAULT_RETRY, ...retry },
    timeoutMs,
    concurrency,
    ...(order ? { order } : {}),
    ...(fetch ? { fetch } : {}),
  }
}

const toRegistered = ({ name, filter, order }: ActiveSubscription) => ({ name, filter, ...(order ? { order } : {}) })

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} }

const noAuthentication = async (_delivery: unknown, spec: AuthSpec): Promise<never> => {
  throw new SluiceError(
    'configuration',
    `A source wants ${spec.kind} authentication, and the gateway was given none.`,
    {
      remedy: 'Pass createGateway({ authenticate }) from cap-sluice/auth.',
    },
  )
}

const noFetch: GuardedFetch = async () => {
  throw new SluiceError('configuration', 'A source wants to fetch, and the gateway was given no fetch.', {
    remedy: 'Pass createGateway({ fetch }) from cap-sluice/auth.',
  })
}
