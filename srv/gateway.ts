import { SluiceError, toFault } from '#domain/errors'
import type { Admin, Clock, Inbox, Log, StoreHealth } from '#domain/ports'
import type { AuthSpec, GuardedFetch, Reply, Source, SourceContext } from '#domain/source'
import type { Target } from '#domain/target'
import { checkPolls, checkSources, type Subscription, type SubscriptionOptions, toActive } from './check-parts.ts'
import { createDoor, DOOR_DEFAULTS, type Door, type DoorLimits, type ReceiveRequest } from './door.ts'
import type { ActiveSubscription } from './runtime/attempt.ts'
import { faultFields } from './runtime/fault-fields.ts'
import type { Handler, HandlerContext, HandlerEvent } from './runtime/handler.ts'
import { newKey } from './runtime/ids.ts'
import { createPoller, type Poller, type PollPolicy, type PollRun } from './runtime/poller.ts'
import { rejectionCounter } from './runtime/rejections.ts'
import { createRetention, RETENTION_DEFAULTS, type RetentionOptions } from './runtime/retention.ts'
import { systemClock } from './runtime/system-clock.ts'
import { withinTime } from './runtime/within-time.ts'
import { createWorker, WORKER_DEFAULTS, type Worker, type WorkerOptions } from './runtime/worker.ts'

export { PermanentError, RetryAfterError, SluiceError } from '#domain/errors'
export type { Clock, Inbox, Log } from '#domain/ports'
export type { Delivery, Item, Outcome, Reply, Source, SourceContext } from '#domain/source'
export type { Target, TargetRecord, TargetSession, WriteResult } from '#domain/target'
export type { Handler, HandlerContext, HandlerEvent, PollPolicy, ReceiveRequest, Subscription, SubscriptionOptions }

export type Role = 'intake' | 'worker' | 'poller'

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

const DEFAULT_STOP_MS = 10_000
/** Longest wait for the last counts of refusals, which are worth no hanging stop. */
const FLUSH_MS = 2_000

/**
 * Puts the runtime together; every adapter comes as an argument.
 * @throws SluiceError `configuration` naming the setting and what to do
 */
export function createGateway(parts: GatewayParts): Gateway {
  const {
    inbox,
    clock = systemClock,
    log = SILENT,
    roles = ['intake', 'worker', 'poller'],
    sources = {},
    targets = {},
    polls = [],
  } = parts
  const workerOptions = { ...WORKER_DEFAULTS, ...parts.worker }
  const limits = { ...DOOR_DEFAULTS, ...parts.limits }
  const surroundings = { sources, targets, polls, leaseMs: workerOptions.leaseMs }
  const subscriptions: ActiveSubscription[] = []
  const rejections = rejectionCounter(inbox.journal, clock, log)
  const retention = createRetention(inbox.admin, clock, log, { ...RETENTION_DEFAULTS, ...parts.retention })
  let state: GatewayHealth['state'] = 'new'
  let worker: Worker | undefined
  let poller: Poller | undefined
  let opened = false
  let starting: Promise<void> | undefined
  let drained: Promise<{ unfinished: number }> | undefined
  let stopped: Promise<{ unfinished: number }> | undefined

  checkSources(sources, limits)
  checkPolls(surroundings)
  for (const subscription of parts.subscriptions ?? []) add(subscription)

  const stored = () => worker?.wake()
  const door = createDoor({
    sources: roles.includes('intake') ? sources : {},
    inbox,
    clock,
    log,
    stored,
    limits,
    isOpen: () => state === 'started' || state === 'draining',
    reject: rejections.count,
    authenticate: parts.authenticate ?? noAuthentication,
    fetch: parts.fetch ?? noFetch,
    publicUrl: parts.publicUrl ?? '',
  })

  function add(subscription: Subscription): void {
    if (starting) {
      throw new SluiceError('configuration', `subscriptions.${subscription.name}: it came after start().`, {
        retry: 'never',
        remedy: 'Register handlers before start(): events would be missed otherwise.',
      })
    }
    subscriptions.push(toActive(subscription, subscriptions, surroundings))
  }

  async function start(): Promise<void> {
    opened = true
    await inbox.open()
    if (subscriptions.length > 0) await inbox.admin.register(subscriptions.map(toRegistered))
    // Somebody wants to stop what has not begun.
    if (drained) return
    if (roles.includes('worker') && subscriptions.length > 0) {
      const random = Math.random
      worker = createWorker({ work: inbox.work, subscriptions, targets, clock, log, random, options: workerOptions })
    }
    // As long as the store's column: a host's name would not fit.
    const instance = newKey()
    if (roles.includes('poller') && polls.length > 0) {
      poller = createPoller({ journal: inbox.journal, polls, targets, clock, log, stored, instance })
    }
    state = 'started'
    worker?.start()
    poller?.start()
    retention.start()
    log.info('started', {
      instance,
      sources: Object.keys(sources),
      subscriptions: subscriptions.map(({ name }) => name),
      roles,
    })
  }

  async function drain(timeoutMs: number): Promise<{ unfinished: number }> {
    if (state === 'started') state = 'draining'
    const others = Promise.allSettled([poller?.stop(), retention.stop()])
    const [result] = await Promise.all([worker?.stop(timeoutMs), withinTime(clock, timeoutMs, others)])
    return result ?? { unfinished: 0 }
  }

  const drainOnce: Gateway['drain'] = ({ timeoutMs = DEFAULT_STOP_MS } = {}) => {
    drained ??= drain(timeoutMs)
    return drained
  }

  async function stop(options?: { timeoutMs?: number }): Promise<{ unfinished: number }> {
    const result = await drainOnce(options)
    const { timeoutMs = DEFAULT_STOP_MS } = options ?? {}
    await withinTime(clock, timeoutMs, Promise.allSettled([starting]))
    if (opened) await withinTime(clock, FLUSH_MS, rejections.flush())
    state = 'stopped'
    const closing = [...(opened ? [inbox] : []), ...Object.values(targets)].map(async (part) => part.close?.())
    for (const closed of await Promise.allSettled(closing)) {
      if (closed.status === 'rejected') log.warn('a part could not be closed', faultFields(closed.reason))
    }
    log.info('stopped', result)
    return result
  }

  return {
    on: (type, options, handler) =>
      add({ ...options, on: typeof type === 'string' ? [type] : type, handler: handler as Handler }),
    receive: door.receive,
    express: () => door.express,
    admin: inbox.admin,
    start() {
      starting ??= start().catch((thrown) => {
        starting = undefined
        throw thrown
      })
      return starting
    },
    drain: drainOnce,
    stop(options) {
      stopped ??= stop(options)
      return stopped
    },

    async health() {
      if (state === 'new' || state === 'stopped') return { ok: false, reason: state, state }
      try {
        return { ...(await inbox.health()), state }
      } catch (thrown) {
        log.warn('the store does not say how it is', faultFields(thrown))
        return { ok: false, reason: toFault(thrown).code, state }
      }
    },

    async poll(name) {
      const poll = polls.find((one) => one.name === name)
      if (poll && poller) return poller.run(poll)
      throw new SluiceError('unknown-poll', `No poll ${name} runs here.`, {
        retry: 'never',
        remedy: 'Call it after start(), on an instance with the role poller, by a name from polls.',
      })
    },
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
    remedy: 'Pass createGateway({ fetch }), guarded by an exact list of hosts.',
  })
}
