import type { EventAttributes, ObjectRef, StoredEvent } from '#domain/event'
import type { KeptDelivery } from '#domain/kept-delivery'
import type { Log } from '#domain/ports'
import type { Awaitable } from '#domain/source'
import type { HandlerTarget, TargetRecord } from '#domain/target'

/** What a handler receives: CloudEvents attributes (`id`, `type`, `subject`, …), the data, and where it came from. */
export interface HandlerEvent<Data = unknown> extends EventAttributes {
  /** The inbox's own key, a UUID v7. */
  readonly key: string
  /** Name of the configured source or poll. */
  readonly origin: string
  /** The business object it speaks of, where the source knows. */
  readonly object?: ObjectRef
  /** Parsed JSON where the content is JSON; the text otherwise; bytes where it is no text. Parsed on first use. */
  readonly data: Data
  /** The source text: integers beyond 2^53 and the order of keys are as the sender wrote them. */
  readonly dataText: string | undefined
}

/** What a handler may use beside the event. Valid for one attempt: what it does after its end is refused. */
export interface HandlerContext<TargetName extends string = string> {
  /** `<event key>:<subscription>:<run>`, as operators see it. */
  readonly dispatch: string
  readonly subscription: string
  /** 1 for the first run; a replay adds one. */
  readonly run: number
  /** 1 for the first try of this run. */
  readonly attempt: number
  /** Aborted when the handler's time is up, the lease is lost, or the worker stops. */
  readonly signal: AbortSignal
  /** Whether `signal` is aborted; to ask costs nothing, while the first look at `signal` makes one. */
  readonly aborted: boolean
  /** The gateway's own. Never log `event.data`: it may be personal. */
  readonly log: Log
  /** The full record, where the subscription fetches one. */
  readonly record: TargetRecord | undefined
  /** The gateway's targets by name. Each write has one effect per dispatch, however often the handler is tried. */
  readonly targets: Readonly<Record<TargetName, HandlerTarget>>
  /** The delivery's bytes as they came; undefined once retention has removed them. */
  payload(): Promise<Uint8Array | undefined>
  /** How it came: method, path, headers, caller. Undefined once retention has removed it. */
  delivery(): Promise<KeptDelivery | undefined>
}

/**
 * Brings one event into effect. At least once per dispatch: what it does beyond `context.targets` must bear a repetition.
 * What it throws is tried again by the subscription's `retry`; a `PermanentError` ends it *dead* at once, a
 * `RetryAfterError` says when; any other error counts as transient, because nobody knows better.
 * @returns nothing, or what JSON can hold, up to 64 KB: it is kept with the dispatch
 */
export type Handler<Data = unknown, Result = unknown, TargetName extends string = string> = (
  event: HandlerEvent<Data>,
  context: HandlerContext<TargetName>,
) => Awaitable<Result>

const JSON_TYPE = /[/+]json\s*(;|$)/i

/** A class, so that `data` is a getter on the prototype and costs nothing where a handler does not look. */
class Event {
  readonly #stored: StoredEvent
  #data: unknown
  #parsed = false

  constructor(stored: StoredEvent) {
    this.#stored = stored
    Object.assign(this, stored.attributes)
  }

  get key() {
    return this.#stored.key
  }
  get origin() {
    return this.#stored.origin
  }
  get object() {
    return this.#stored.object
  }
  get dataText() {
    return this.#stored.data
  }
  get data(): unknown {
    if (!this.#parsed) {
      this.#data = parse(this.#stored)
      this.#parsed = true
    }
    return this.#data
  }
}

export const toHandlerEvent = (stored: StoredEvent): HandlerEvent => new Event(stored) as unknown as HandlerEvent

type Ending = Pick<HandlerContext, 'signal' | 'aborted'>

/**
 * The context, with `signal` and `aborted` as getters. They are the same two for every attempt, found by a private field:
 * see `AttemptScope`. Own properties, so that `{ ...context }` has them.
 */
class Context {
  readonly #ending: Ending

  constructor(ending: Ending, facts: Omit<HandlerContext, keyof Ending>) {
    this.#ending = ending
    Object.assign(this, facts)
    Object.defineProperties(this, Context.#GETTERS)
  }

  static readonly #GETTERS: PropertyDescriptorMap & ThisType<Context> = {
    signal: {
      enumerable: true,
      get() {
        return this.#ending.signal
      },
    },
    aborted: {
      enumerable: true,
      get() {
        return this.#ending.aborted
      },
    },
  }
}

export const toHandlerContext = (ending: Ending, facts: Omit<HandlerContext, keyof Ending>): HandlerContext =>
  new Context(ending, facts) as Context & HandlerContext

function parse({ data, dataBase64, attributes }: StoredEvent): unknown {
  if (dataBase64 !== undefined) return Buffer.from(dataBase64, 'base64')
  if (data === undefined) return undefined
  return JSON_TYPE.test(attributes.datacontenttype ?? 'application/json') ? JSON.parse(data) : data
}
