import { aliasName, isBelowAliasRoot } from '#domain/alias'
import { DEFAULT_RETRY, type RetryPolicy } from '#domain/backoff'
import { SluiceError } from '#domain/errors'
import type { Conversion } from '#domain/event'
import type { EventFilter } from '#domain/filter'
import { canonicalPath, isHttpPath } from '#domain/http-path'
import type { Source } from '#domain/source'
import type { OrderPolicy } from '#domain/subscription'
import type { Target } from '#domain/target'
import type { DoorLimits } from './door.ts'
import type { ActiveSubscription } from './runtime/attempt.ts'
import type { FetchSpec } from './runtime/enrich.ts'
import type { Handler } from './runtime/handler.ts'
import type { PollPolicy } from './runtime/poll-policy.ts'

/** How a subscription behaves. Durations in ms; everything but the name has a default. */
export interface SubscriptionOptions extends Omit<EventFilter, 'on'> {
  /** Stable: the store knows the subscription by it, over restarts and versions. 1 to 100 letters, digits, `.` `_` `-`. */
  readonly name: string
  /** Among the events of one `partitionkey`. By default facts `block`, and of state notifications the `latest` counts. */
  readonly order?: OrderPolicy
  /** How often and how late a failed dispatch is tried again; 25 tries over some 16 hours by default. */
  readonly retry?: Partial<RetryPolicy>
  /** Longest a handler may run, less than `worker.leaseMs`; 30,000. */
  readonly timeoutMs?: number
  /** Handlers that run at once in this process; 32. Events of one `partitionkey` never do. */
  readonly concurrency?: number
  /** Reads the full record first, where the event is only a hint: `context.record`. */
  readonly fetch?: FetchSpec
  /** Turns the stored event into what the handler reads: `xmlToJson()` from `cap-sluice/sources`. */
  readonly convert?: Conversion
}

/** A subscription as a value; `gateway.on` makes the same of its arguments. */
export interface Subscription<Data = unknown, Result = unknown, TargetName extends string = string>
  extends SubscriptionOptions {
  /** Event types; one may end in `*`, and a provider's own word for a type will do too. */
  readonly on: readonly string[]
  /** Written as a method, so that a handler of known data fits into a list of subscriptions. */
  handler(...parts: Parameters<Handler<Data, Result, TargetName>>): ReturnType<Handler<Data, Result, TargetName>>
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
  const { on, name, handler, order, sources, subject, fetch, convert } = subscription
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
    ...(convert ? { convert } : {}),
  }
}

/** @throws SluiceError `configuration` where a source could never be reached, or never take a delivery. */
export function checkSources(sources: Readonly<Record<string, Source>>, limits: DoorLimits): void {
  const taken = new Map<string, string>()
  for (const [name, source] of Object.entries(sources)) {
    if (!NAME.test(name)) refuse(`sources.${name}`, 'this is not a name.', NAME_REMEDY)
    if (source.path !== undefined) {
      const path = canonicalPath(source.path)
      if (!isHttpPath(path)) refuse(`sources.${name}.path`, 'it is no path.', 'Write e.g. erp/orders or erp/orders/*.')
      const other = taken.get(path)
      if (other)
        refuse(`sources.${name}.path`, `sources.${other} has it already.`, 'Choose another: case does not count.')
      taken.set(path, name)
    }
    for (const alias of source.aliases ?? []) {
      const other = taken.get(aliasName(alias))
      if (!isBelowAliasRoot(alias.path))
        refuse(`sources.${name}`, `${alias.path} is no path that CAP registers.`, 'Begin it with /-/ or /messaging/.')
      if (other)
        refuse(`sources.${name}`, `sources.${other} takes over ${alias.path} already.`, 'Name another queue or path.')
      taken.set(aliasName(alias), name)
    }
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
