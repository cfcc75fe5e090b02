import type { EventAttributes, ObjectRef, StoredEvent } from '#domain/event'
import type { Log } from '#domain/ports'
import type { Awaitable } from '#domain/source'
import type { TargetRecord, TargetSession } from '#domain/target'

/** What a handler receives: CloudEvents attributes, the parsed data, and where it came from. */
export interface HandlerEvent<Data = unknown> extends EventAttributes {
  /** The inbox's own key. */
  readonly key: string
  /** Name of the configured source or poll. */
  readonly origin: string
  readonly object?: ObjectRef
  /** Parsed JSON where the content is JSON; the text otherwise; bytes where it is no text. Parsed on first use. */
  readonly data: Data
  /** The source text: integers beyond 2^53 and the order of keys are as the sender wrote them. */
  readonly dataText: string | undefined
}

export interface HandlerContext {
  readonly dispatch: string
  readonly subscription: string
  /** 1 for the first run; a replay adds one. */
  readonly run: number
  /** 1 for the first try of this run. */
  readonly attempt: number
  /** Aborted when the handler's time is up, the lease is lost, or the worker stops. */
  readonly signal: AbortSignal
  readonly log: Log
  /** The full record, where the subscription fetches one. */
  readonly record: TargetRecord | undefined
  readonly targets: Readonly<Record<string, TargetSession>>
  /** The delivery's bytes as they came; undefined once retention has removed them. */
  payload(): Promise<Uint8Array | undefined>
}

/** May return a small JSON value, which is kept with the dispatch. */
export type Handler<Data = unknown> = (event: HandlerEvent<Data>, context: HandlerContext) => Awaitable<unknown>

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

function parse({ data, dataBase64, attributes }: StoredEvent): unknown {
  if (dataBase64 !== undefined) return Buffer.from(dataBase64, 'base64')
  if (data === undefined) return undefined
  return JSON_TYPE.test(attributes.datacontenttype ?? 'application/json') ? JSON.parse(data) : data
}
