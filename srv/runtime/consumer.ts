import { delayForRetry, type RetryPolicy } from '#domain/backoff'
import { type Fault, SluiceError, toFault } from '#domain/errors'
import type { Clock, Log } from '#domain/ports'
import type { Pull, PulledMessage } from '#domain/pull'
import type { Source } from '#domain/source'
import { faultFields } from './fault-fields.ts'
import { withinTime } from './within-time.ts'

/** A source whose messages are asked for, for systems that nobody can reach from outside. */
export interface ConsumerPolicy {
  /** The configured source's name. */
  readonly name: string
  readonly source: Source
  readonly pull: Pull
  /** Most requests that are under way at once. */
  readonly consumers: number
  /** Longest rest while the queue is empty, in ms. */
  readonly idleMs: number
}

export interface ConsumerParts {
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
  /** Commits one message. @returns whether it is in the store now; false: later perhaps */
  readonly store: (source: string, message: PulledMessage) => Promise<boolean>
  /** Told the first time how the broker answers, and when that changes. `undefined`: it does. */
  readonly report: (source: string, fault: Fault | undefined) => void
}

export interface Consumer {
  start(): void
  /** Asks for nothing more; what was handed out is still stored and acknowledged, up to `timeoutMs`. */
  stop(timeoutMs: number): Promise<void>
}

/** One retry a minute at least: an outage of the broker ends unnoticed by nobody. */
const ERRORS: RetryPolicy = { attempts: Number.POSITIVE_INFINITY, baseMs: 1_000, factor: 2, capMs: 60_000 }
const FIRST_REST_MS = 250
/** After that the message is left to the broker, which will hand it out again. */
const ACKNOWLEDGE_TRIES = 4
/** As if it were the code of a fault. */
const WELL = ''
/** Longest wait for requests that were called off: a store that hangs must not hold the end up. */
const ABORTED_MS = 1_000

/**
 * Reads a queue as fast as it fills: as long as messages come, consumers are added up to the limit; where it is empty
 * only one keeps asking, ever more rarely. Competing instances are welcome: the broker gives each message to one. A
 * message is acknowledged after its commit and never before: whoever dies in between gets it again, as a duplicate.
 */
export function createConsumer({ name, pull, consumers, idleMs }: ConsumerPolicy, parts: ConsumerParts): Consumer {
  const { clock, log } = parts
  const abort = new AbortController()
  const loops = new Set<Promise<void>>()
  const rests = new Set<() => void>()
  let stopping = false
  /** The last answer's code. Unknown at first: an alarm of an earlier life may stand in the store. */
  let last: string | undefined

  function rest(ms: number): Promise<void> {
    if (stopping) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        rests.delete(wake)
        cancel()
        resolve()
      }
      const cancel = clock.after(ms, wake)
      rests.add(wake)
    })
  }

  const add = (isFirst: boolean) => {
    const loop = run(isFirst)
      .catch((thrown) => log.error('a consumer ended', { source: name, ...faultFields(thrown) }))
      .finally(() => loops.delete(loop))
    loops.add(loop)
  }

  async function run(isFirst: boolean): Promise<void> {
    let [failures, restMs] = [0, FIRST_REST_MS]
    while (!stopping) {
      const asked = await ask()
      if (asked === 'took') {
        ;[failures, restMs] = [0, FIRST_REST_MS]
        if (!stopping && loops.size < consumers) add(false)
      } else if (!isFirst) return
      else if (asked === 'empty') {
        failures = 0
        await rest(Math.min(restMs, idleMs))
        restMs = Math.min(restMs * 2, idleMs)
      } else {
        failures += 1
        await rest(delayOf(asked.thrown, failures))
      }
    }
  }

  async function ask(): Promise<'took' | 'empty' | { readonly thrown: unknown }> {
    let message: PulledMessage | undefined
    try {
      message = await pull.consume(abort.signal)
    } catch (thrown) {
      if (!abort.signal.aborted) tell(thrown)
      return { thrown }
    }
    tell(undefined)
    if (!message) return 'empty'
    await keep(message)
    return 'took'
  }

  /** The store is down: nothing more is asked for, and the message in hand is offered again until it is in. */
  async function keep(message: PulledMessage): Promise<void> {
    for (let failures = 1; !(await isStored(message)); failures += 1) {
      if (stopping) return
      await rest(delayForRetry(ERRORS, failures, parts.random()))
    }
    await acknowledge(message)
  }

  /** A store that throws is a store that did not take it: the only consumer must not end by it. */
  async function isStored(message: PulledMessage): Promise<boolean> {
    try {
      return await parts.store(name, message)
    } catch (thrown) {
      log.error('a message could not be stored', { source: name, ...faultFields(thrown) })
      return false
    }
  }

  async function acknowledge({ id }: PulledMessage): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await pull.acknowledge(id, abort.signal)
      } catch (thrown) {
        if (tries === ACKNOWLEDGE_TRIES || toFault(thrown).retry === 'never' || stopping) {
          log.warn('a stored message was not acknowledged and will come again', {
            source: name,
            ...faultFields(thrown),
          })
          return
        }
        await rest(delayOf(thrown, tries))
      }
    }
  }

  function tell(thrown: unknown): void {
    const fault = thrown === undefined ? undefined : toFault(thrown)
    const before = last
    last = fault?.code ?? WELL
    if (last === before) return
    if (fault) log.warn('the queue cannot be read and will be asked again', { source: name, ...faultFields(thrown) })
    else if (before !== undefined) log.info('the queue answers again', { source: name })
    parts.report(name, fault)
  }

  function delayOf(thrown: unknown, failures: number): number {
    const { retry } = toFault(thrown)
    const asked = typeof retry === 'object' ? retry.afterMs : 0
    // What is refused for good is asked for again all the same: a queue may be created, a rule changed.
    return Math.max(delayForRetry(ERRORS, failures, parts.random()), asked)
  }

  return {
    start: () => add(true),
    async stop(timeoutMs) {
      stopping = true
      for (const wake of rests) wake()
      await withinTime(clock, timeoutMs, Promise.allSettled([...loops]))
      abort.abort()
      await withinTime(clock, ABORTED_MS, Promise.allSettled([...loops]))
      pull.close()
    },
  }
}

/**
 * The same source for messages that we fetched ourselves: the broker has proved itself by its address and took our
 * token, so there is no caller to be asked, no handshake and no challenge.
 */
export function pulled(source: Source): Source {
  const { kind, limits, normalize } = source
  return {
    kind,
    // What is poison stays in our quarantine and not in the queue.
    acknowledge: 'always-ok',
    ...(limits?.maxBytes === undefined ? {} : { limits: { maxBytes: limits.maxBytes } }),
    verify: () => ({ ok: true, authlevel: 'token' }),
    normalize: (delivery, verified) => normalize.call(source, delivery, verified),
  }
}

/** @throws SluiceError `configuration` */
export function checkConsumers(consumers: readonly ConsumerPolicy[]): void {
  for (const { name, consumers: most, idleMs } of consumers) {
    if (Number.isSafeInteger(most) && most >= 1 && most <= 100 && idleMs >= 1) continue
    throw new SluiceError('configuration', `sources.${name}: consumers is ${most}, idleMs ${idleMs}.`, {
      retry: 'never',
      remedy: 'Write 1 to 100 consumers and a rest of 1 ms or more.',
    })
  }
}
