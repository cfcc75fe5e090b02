import { SluiceError } from '#domain/errors'
import type { Admin } from '#domain/ports'
import type { Reply } from '#domain/source'
import type { Observation } from '#domain/telemetry'
import { checkPolls, checkSources, type Subscription, type SubscriptionOptions, toActive } from './check-parts.ts'
import { createDoor, DOOR_DEFAULTS, type Door } from './door.ts'
import { type GatewayParts, noAuthentication, noFetch } from './gateway-parts.ts'
import type { ReceiveRequest } from './receive-request.ts'
import type { ActiveSubscription } from './runtime/attempt.ts'
import { createBrokers, pulledSources } from './runtime/brokers.ts'
import { checkFetches } from './runtime/check-fetches.ts'
import { checkConsumers } from './runtime/consumer.ts'
import { faultFields } from './runtime/fault-fields.ts'
import type { Handler } from './runtime/handler.ts'
import { type GatewayHealth, healthOf } from './runtime/health.ts'
import { newKey } from './runtime/ids.ts'
import { observe } from './runtime/observe.ts'
import { POLL_LEASE_MS } from './runtime/poll-policy.ts'
import { createPoller, type Poller, type PollRun } from './runtime/poller.ts'
import { rejectionCounter } from './runtime/rejections.ts'
import { createCallers, unanswered } from './runtime/reply-when.ts'
import { createRetention, RETENTION_DEFAULTS } from './runtime/retention.ts'
import { safeLog } from './runtime/safe-log.ts'
import { systemClock } from './runtime/system-clock.ts'
import { NO_METER, NO_TRACER } from './runtime/untold.ts'
import { wakingAdmin } from './runtime/waking-admin.ts'
import { withinTime } from './runtime/within-time.ts'
import { createWorker, WORKER_DEFAULTS, type Worker } from './runtime/worker.ts'

export * from './sdk-types.ts'

/**
 * What the events of your types carry. Empty: extend it, and `gateway.on` knows the data of each type.
 * @example declare module 'cap-sluice' { interface EventTypes { 'commerce.order.created.v1': Order } }
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declaration merging
export interface EventTypes {}

/** `unfinished`: handlers that still ran when the time was up; their events are tried again elsewhere or later. */
export interface Stopped {
  readonly unfinished: number
}

/** Takes deliveries, keeps them, and runs handlers. One process may hold several. */
export interface Gateway<TargetName extends string = string> {
  /**
   * Subscribes a handler to event types (`*` at the end matches any rest). Before `start()` only.
   * @throws SluiceError `configuration` naming the setting and what to do
   */
  on<Type extends keyof EventTypes & string>(
    type: Type | readonly Type[],
    options: SubscriptionOptions,
    handler: Handler<EventTypes[Type], unknown, TargetName>,
  ): void
  on<Data = unknown, Result = unknown>(
    type: string | readonly string[],
    options: SubscriptionOptions,
    handler: Handler<Data, Result, TargetName>,
  ): void
  /** Takes one delivery without any framework; resolves when it is stored. Never rejects for what a sender sends. */
  receive(request: ReceiveRequest): Promise<Reply>
  /**
   * A handler for Express 4 and 5 and for `node:http`; mount it before every body parser. It calls `next()` for paths
   * whose last segment names no source.
   */
  express(): Door['express']
  /** Opens the inbox, registers the subscriptions and begins to work; may be repeated where it failed. */
  start(): Promise<void>
  /**
   * Stops claiming at once and waits for running handlers, up to `timeoutMs` (8,000); deliveries are still stored,
   * because a refusal costs a sender more than it saves us. `stop` then closes the inbox, once the listener is closed.
   */
  drain(options?: { readonly timeoutMs?: number }): Promise<Stopped>
  /** Drains, and closes inbox and targets. Close your HTTP server first. A stopped gateway does not start again. */
  stop(options?: { readonly timeoutMs?: number }): Promise<Stopped>
  /** Never rejects. */
  health(): Promise<GatewayHealth>
  /** How things stand: what waits, since when, who delivered last. Costs the store a few bounded queries. Never rejects. */
  observe(): Promise<Observation>
  /** Runs a poll now if it is due and this instance may lead it. @throws SluiceError `unknown-poll` */
  poll(name: string): Promise<PollRun>
  /** What operators do: replay, retry, discard, pause, resume. Work it makes begins at once in this process. */
  readonly admin: Admin
}

/** Cloud Foundry sends SIGKILL ten seconds after SIGTERM, and closing takes its time too. */
const DEFAULT_STOP_MS = 8_000
/** Longest wait for the last counts of refusals, which are worth no hanging stop. */
const FLUSH_MS = 2_000
/** Longest wait for a store that does not answer any more: what it has not said by then it may keep to itself. */
const CLOSE_MS = 5_000

/**
 * Puts the runtime together; every adapter comes as an argument.
 * @throws SluiceError `configuration` naming the setting and what to do
 */
export function createGateway<TargetName extends string = string>(
  parts: GatewayParts<TargetName>,
): Gateway<TargetName> {
  const {
    inbox,
    clock = systemClock,
    roles = ['intake', 'worker', 'poller'],
    sources = {},
    polls = [],
    consumers = [],
    meshes = [],
    meter = NO_METER,
    tracer = NO_TRACER,
  } = parts as GatewayParts
  const targets = mapValues(parts.targets ?? {}, (target, name) => tracer.target(name, target))
  const log = safeLog(parts.log)
  const workerOptions = { ...WORKER_DEFAULTS, ...parts.worker }
  const limits = { ...DOOR_DEFAULTS, ...parts.limits }
  const pulled = pulledSources(consumers)
  const surroundings = { sources: { ...pulled, ...sources }, targets, polls, leaseMs: workerOptions.leaseMs }
  const subscriptions: ActiveSubscription[] = []
  const rejections = rejectionCounter(inbox.journal, clock, log)
  const retention = createRetention(inbox.admin, clock, log, { ...RETENTION_DEFAULTS, ...parts.retention }, meter)
  let state: GatewayHealth['state'] = 'new'
  let worker: Worker | undefined
  let poller: Poller | undefined
  let endChecks: (() => void) | undefined
  let opened = false
  let starting: Promise<void> | undefined
  let drained: Promise<Stopped> | undefined
  let stopped: Promise<Stopped> | undefined

  checkSources(sources, limits)
  checkPolls(surroundings)
  checkConsumers(consumers)
  for (const subscription of parts.subscriptions ?? []) add(subscription as Subscription)

  const room = { callers: Math.min(limits.callers, limits.waiting / 2), bytes: limits.budgetBytes / 2 }
  const callers = createCallers({ work: inbox.work, clock, log }, room)
  const work = Object.values(sources).some(({ replyWhen }) => replyWhen) ? callers.watched(inbox.work) : inbox.work
  const wake = () => tracer.apart(() => worker?.wake())
  const openDoor = (behind: typeof sources) =>
    createDoor({
      sources: behind,
      inbox,
      clock,
      log,
      stored: wake,
      wait: callers.wait,
      limits,
      isOpen: () => state === 'started' || state === 'draining',
      meter,
      tracer,
      reject: (...refusal) => {
        meter.refused(refusal[0], refusal[1])
        rejections.count(...refusal)
      },
      authenticate: parts.authenticate ?? noAuthentication,
      fetch: parts.fetch ?? noFetch,
      publicUrl: parts.publicUrl ?? '',
    })
  const door = openDoor(roles.includes('intake') ? sources : {})
  const { receive } = openDoor(pulled)
  const brokers = createBrokers({ consumers, meshes, roles, journal: inbox.journal, clock, log, receive })

  const health = healthOf({ inbox, risks: brokers.risks, state: () => state, clock, log })

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
      const told = { clock, log, meter, tracer }
      worker = createWorker({ work, subscriptions, targets, random, options: workerOptions, ...told })
    }
    const names = subscriptions.map(({ name }) => name)
    // As long as the store's column: a host's name would not fit.
    const instance = newKey()
    if (roles.includes('poller') && polls.length > 0) {
      const leaseMs = Math.min(POLL_LEASE_MS, workerOptions.leaseMs)
      const told = { clock, log, meter, tracer }
      poller = createPoller({ journal: inbox.journal, polls, targets, stored: wake, instance, leaseMs, ...told })
    }
    state = 'started'
    for (const source of unanswered(sources, names))
      log.warn('callers wait for a subscription that is not here', { source })
    if (worker) endChecks = checkFetches(subscriptions, targets, clock, log)
    worker?.start()
    poller?.start()
    retention.start()
    brokers.start(instance)
    log.info('started', {
      instance,
      sources: Object.keys(surroundings.sources),
      subscriptions: names,
      roles,
    })
  }

  async function drain(timeoutMs: number): Promise<Stopped> {
    if (state === 'started') state = 'draining'
    callers.release()
    endChecks?.()
    const others = Promise.allSettled([poller?.stop(), retention.stop(), brokers.stop(timeoutMs)])
    const [result] = await Promise.all([worker?.stop(timeoutMs), withinTime(clock, timeoutMs, others)])
    return result ?? { unfinished: 0 }
  }

  const drainOnce: Gateway['drain'] = ({ timeoutMs = DEFAULT_STOP_MS } = {}) => {
    drained ??= drain(timeoutMs)
    return drained
  }

  async function stop(options?: { timeoutMs?: number }): Promise<Stopped> {
    const result = await drainOnce(options)
    const { timeoutMs = DEFAULT_STOP_MS } = options ?? {}
    await withinTime(clock, timeoutMs, Promise.allSettled([starting]))
    if (opened) await withinTime(clock, FLUSH_MS, rejections.flush())
    state = 'stopped'
    const notClosed = (thrown: unknown) => log.warn('a part could not be closed', faultFields(thrown))
    const closing = [...(opened ? [inbox] : []), ...Object.values(targets)].map(async (part) => part.close?.())
    const inTime = await withinTime(clock, CLOSE_MS, Promise.all(closing.map((closed) => closed.catch(notClosed))))
    if (!inTime) log.warn('what did not close in time is left')
    log.info('stopped', { ...result })
    return result
  }

  return {
    on: (type: string | readonly string[], options: SubscriptionOptions, handler: Handler<never>) =>
      add({ ...options, on: typeof type === 'string' ? [type] : type, handler: handler as Handler }),
    receive: door.receive,
    express: () => door.express,
    admin: wakingAdmin(inbox.admin, wake),
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

    health,
    observe: () =>
      observe({
        inbox,
        health,
        clock,
        log,
        sources: Object.keys(surroundings.sources),
        subscriptions: subscriptions.map(({ name }) => name),
        polls,
        busy: worker?.busy() ?? {},
      }),

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

const mapValues = <From, To>(from: Readonly<Record<string, From>>, map: (value: From, name: string) => To) =>
  Object.fromEntries(Object.entries(from).map(([name, value]) => [name, map(value, name)]))
