import { DEFAULT_RETRY, type RetryPolicy } from '#domain/backoff'
import type { EventDraft, Nature, ObjectRef } from '#domain/event'
import type { NewDelivery, Work } from '#domain/ports'
import type { OrderPolicy } from '#domain/subscription'
import type { Target } from '#domain/target'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import type { ActiveSubscription } from '../../srv/runtime/attempt.ts'
import type { FetchSpec } from '../../srv/runtime/enrich.ts'
import type { Handler } from '../../srv/runtime/handler.ts'
import { newKey, sha256 } from '../../srv/runtime/ids.ts'
import { toNewItem } from '../../srv/runtime/intake-item.ts'
import { createWorker, WORKER_DEFAULTS, type Worker, type WorkerOptions } from '../../srv/runtime/worker.ts'
import { type VirtualClock, virtualClock } from '../../testing/virtual-clock.ts'
import { recordingLog } from './recording-log.ts'
import { turns } from './turns.ts'

export interface Plan {
  readonly name?: string
  readonly on?: readonly string[]
  readonly handler?: Handler
  readonly order?: OrderPolicy
  readonly retry?: Partial<RetryPolicy>
  readonly timeoutMs?: number
  readonly concurrency?: number
  readonly fetch?: FetchSpec
}

export interface EventPlan {
  readonly id?: string
  readonly type?: string
  readonly lane?: string
  readonly nature?: Nature
  readonly object?: ObjectRef
  readonly data?: string
  readonly origin?: string
}

export interface WorkshopOptions {
  readonly targets?: Readonly<Record<string, Target>>
  readonly options?: Partial<WorkerOptions>
  /** Puts something between a worker and its store. */
  readonly between?: Between
}

export type Between = (work: Work) => Work

/** So long that whatever happens sooner was not found by looking again and again. */
const IDLE_MS = 86_400_000

const EXACT: Partial<RetryPolicy> = { baseMs: 1_000, factor: 2, capMs: 3_600_000 }

/** A memory inbox and workers on one virtual clock. `random` is 0.5, so that every backoff is half its ceiling. */
export function workshop({ targets = {}, options = {}, between = (work) => work }: WorkshopOptions = {}) {
  const clock: VirtualClock = virtualClock()
  const inbox = memoryInbox({ now: clock.now })
  const log = recordingLog()
  let count = 0

  const toActive = ({ name = 'book', on = ['*'], handler = () => {}, order, retry, fetch, ...rest }: Plan) => {
    const active: ActiveSubscription = {
      name,
      handler,
      filter: { on },
      retry: { ...DEFAULT_RETRY, ...EXACT, ...retry },
      timeoutMs: rest.timeoutMs ?? 30_000,
      concurrency: rest.concurrency ?? 32,
      ...(order ? { order } : {}),
      ...(fetch ? { fetch } : {}),
    }
    return active
  }

  async function employ(through: Between, plans: readonly Plan[]): Promise<Worker> {
    const subscriptions = plans.map(toActive)
    await inbox.admin.register(
      subscriptions.map(({ name, filter, order }) => ({ name, filter, ...(order ? { order } : {}) })),
    )
    return createWorker({
      work: through(inbox.work),
      subscriptions,
      targets,
      clock,
      log,
      random: () => 0.5,
      options: { ...WORKER_DEFAULTS, idleMs: IDLE_MS, ...options },
    })
  }

  return {
    clock,
    inbox,
    log,
    worker: (...plans: readonly Plan[]) => employ(between, plans),
    /** One more worker on the same store, with something else between. */
    another: (through: Between, ...plans: readonly Plan[]) => employ(through, plans),
    /** Stores one event in a delivery of its own. @returns its key in the inbox */
    async send(plan: EventPlan = {}): Promise<string> {
      count += 1
      const [outcome] = await inbox.intake.store([toDelivery(clock.now(), plan, plan.id ?? `event-${count}`)])
      const event = outcome?.items[0]?.event
      if (!event || outcome.outcome !== 'accepted') throw new Error(`not accepted: ${outcome?.outcome}`)
      return event
    },
    dispatch: (event: string, subscription = 'book', run = 1) =>
      required(inbox.state.dispatches.get(`${event}:${subscription}:${run}`)),
    attempts: (event: string, subscription = 'book', run = 1) =>
      inbox.state.attempts.get(`${event}:${subscription}:${run}`) ?? [],
    /** Stops a worker that may still be at it. */
    async halt(worker: Worker, timeoutMs = 0): Promise<{ unfinished: number }> {
      const stopping = worker.stop(timeoutMs)
      await clock.advance(timeoutMs)
      return stopping
    },
    /** Lets what is due now happen. */
    async settle(): Promise<void> {
      await clock.advance(0)
      await turns()
    },
  }
}

function toDelivery(now: Date, plan: EventPlan, id: string): NewDelivery {
  const { type = 'order.created', lane, nature = 'fact', object, data = '{}', origin = 'shop' } = plan
  const draft: EventDraft = {
    identity: { id },
    attributes: { id, source: '/shop', type, ...(lane === undefined ? {} : { partitionkey: lane }) },
    nature,
    data,
    ...(object ? { object } : {}),
  }
  const body = Buffer.from(data)
  return {
    key: newKey(),
    origin,
    channel: 'push',
    receivedAt: now,
    method: 'POST',
    url: `/webhooks/${origin}`,
    headers: '{}',
    body,
    bodyHash: sha256(body),
    authlevel: 'body',
    items: [toNewItem({ ok: true, draft }, now, { authlevel: 'body' })],
  }
}

export function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('expected something')
  return value
}
