import { DEFAULT_RETRY, type RetryPolicy } from '#domain/backoff'
import { SluiceError } from '#domain/errors'
import type { EventFilter } from '#domain/filter'
import type { Source } from '#domain/source'
import type { OrderPolicy } from '#domain/subscription'
import type { Target } from '#domain/target'
import type { DoorLimits } from './door.ts'
import type { ActiveSubscription } from './runtime/attempt.ts'
import type { FetchSpec } from './runtime/enrich.ts'
import type { Handler } from './runtime/handler.ts'
import type { PollPolicy } from './runtime/poll-policy.ts'

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

/** What subscriptions and polls may refer to. */
export interface Surroundings {
  readonly sources: Readonly<Record<string, Source>>
  readonly targets: Readonly<Record<string, Target>>
  readonly polls: readonly PollPolicy[]
  readonly leaseMs: number
}

const DEFAULT_TIMEOUT_MS = 30_000
const DEFAULT_CONCURRENCY = 32
const ORDERS: readonly (string | undefined)[] = ['block', 'latest', 'park', 'none', undefined] satisfies readonly (
  | OrderPolicy
  | undefined
)[]
const NAME = /^[A-Za-z0-9][\w.-]{0,99}$/
const NAME_REMEDY = 'Use up to 100 letters, digits, ".", "_" and "-".'

const refuse = (path: string, problem: string, remedy: string): never => {
  throw new SluiceError('configuration', `${path}: ${problem}`, { retry: 'never', remedy })
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 1
const isDuration = (value: number): boolean => Number.isFinite(value) && value >= 0

/** Completes a subscription with the defaults. @throws SluiceError `configuration` naming the setting and what to do. */
export function toActive(
  subscription: Subscription,
  others: readonly ActiveSubscription[],
  { targets, leaseMs }: Surroundings,
): ActiveSubscription {
  const { on, name, handler, order, sources, subject, fetch } = subscription
  const { timeoutMs = DEFAULT_TIMEOUT_MS, concurrency = DEFAULT_CONCURRENCY } = subscription
  const retry = { ...DEFAULT_RETRY, ...subscription.retry }
  const path = `subscriptions.${name}`
  if (!NAME.test(name)) refuse(path, 'this is not a name.', NAME_REMEDY)
  if (others.some((other) => other.name === name))
    refuse(path, 'the name is taken.', 'Names tell subscriptions apart in the store: choose another.')
  if (on.length === 0 || on.includes('')) refuse(`${path}.on`, 'it lists no event type.', 'List types, or "*" for all.')
  if (typeof handler !== 'function')
    refuse(`${path}.handler`, 'this is no function.', 'Pass async (event, context) => { … }.')
  if (!ORDERS.includes(order)) refuse(`${path}.order`, 'there is no such order.', 'Choose block, latest, park or none.')
  if (!(timeoutMs > 0 && timeoutMs < leaseMs))
    refuse(
      `${path}.timeoutMs`,
      `${timeoutMs} is not between 0 and the lease of ${leaseMs} ms.`,
      'Shorten it or raise worker.leaseMs.',
    )
  if (!isCount(concurrency)) refuse(`${path}.concurrency`, `${concurrency} is no count.`, 'Write 1 or more.')
  if (!isCount(retry.attempts)) refuse(`${path}.retry.attempts`, `${retry.attempts} is no count.`, 'Write 1 or more.')
  for (const delay of [retry.baseMs, retry.capMs, ...(retry.scheduleMs ?? [])]) {
    if (!isDuration(delay)) refuse(`${path}.retry`, `${delay} is no duration.`, 'Write milliseconds, 0 or more.')
  }
  if (!(retry.factor >= 1)) refuse(`${path}.retry.factor`, `${retry.factor} is below 1.`, 'Write 1 or more.')
  if (fetch && !targets[fetch.target])
    refuse(`${path}.fetch.target`, `${fetch.target} is not configured.`, 'Add it to targets.')
  return {
    name,
    handler,
    filter: { on, ...(sources ? { sources } : {}), ...(subject === undefined ? {} : { subject }) },
    retry,
    timeoutMs,
    concurrency,
    ...(order ? { order } : {}),
    ...(fetch ? { fetch } : {}),
  }
}

/** @throws SluiceError `configuration` where a source could never be reached, or never take a delivery. */
export function checkSources(sources: Readonly<Record<string, Source>>, limits: DoorLimits): void {
  for (const [name, source] of Object.entries(sources)) {
    if (!NAME.test(name)) refuse(`sources.${name}`, 'this is not a name.', NAME_REMEDY)
    const maxBytes = source.limits?.maxBytes ?? limits.maxBytes
    if (!isCount(maxBytes) || maxBytes > limits.budgetBytes)
      refuse(
        `sources.${name}.limits.maxBytes`,
        `${maxBytes} is not between 1 and limits.budgetBytes (${limits.budgetBytes}).`,
        'Lower it or raise the budget: a body that large would be refused for ever.',
      )
  }
}

/** @throws SluiceError `configuration` where a poll could never run, or would miss changes silently. */
export function checkPolls({ polls, sources, targets }: Surroundings): void {
  for (const [index, poll] of polls.entries()) {
    const { name, target, backs, when, pageSize, overlapMs, startFrom } = poll
    const path = `polls.${name}`
    if (!NAME.test(name)) refuse(path, 'this is not a name.', NAME_REMEDY)
    if (polls.findIndex((other) => other.name === name) !== index || Object.hasOwn(sources, name))
      refuse(path, 'a poll or a source has this name.', 'Events are identified by it: choose another.')
    if (!targets[target]) refuse(`${path}.target`, `${target} is not configured.`, 'Add it to targets.')
    if (!targets[target]?.changes) refuse(`${path}.target`, `${target} cannot be polled.`, 'Poll an OData target.')
    if (when === 'stale' && !(backs && poll.staleAfterMs > 0))
      refuse(`${path}.when`, '"stale" needs to know whose silence.', 'Set backs to a source, and staleAfterMs.')
    // An instance without intake knows no sources.
    if (backs && Object.keys(sources).length > 0 && !sources[backs])
      refuse(`${path}.backs`, `no source ${backs} is configured.`, 'Mend its name.')
    if (!isCount(pageSize)) refuse(`${path}.pageSize`, `${pageSize} is no count.`, 'Write 1 or more.')
    if (!isDuration(overlapMs)) refuse(`${path}.overlapMs`, `${overlapMs} is no duration.`, 'Write milliseconds.')
    if (!startFrom) refuse(`${path}.startFrom`, 'it is empty.', 'Write now, beginning or an RFC 3339 moment.')
  }
}
