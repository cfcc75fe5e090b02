import type { AuthLevel } from './verification.ts'

/**
 * CloudEvents 1.0 context attributes with the official extensions (partitioning, sequence, distributed tracing,
 * recordedtime) and two of ours. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
 */
export interface EventAttributes {
  readonly specversion: '1.0'
  readonly id: string
  /** Chosen by the sender: shown and filtered on, never part of the identity. */
  readonly source: string
  readonly type: string
  readonly subject?: string
  /** RFC 3339, as the sender wrote it. */
  readonly time?: string
  readonly datacontenttype?: string
  readonly dataschema?: string
  readonly partitionkey?: string
  readonly sequence?: string
  readonly traceparent?: string
  readonly tracestate?: string
  readonly recordedtime?: string
  /** The provider's own word for the type, e.g. `payment_intent.succeeded`. */
  readonly providertype?: string
  readonly authlevel?: AuthLevel
}

/** `state`: "this object is now different", a newer one makes it needless. `fact`: it happened, and is never skipped. */
export type Nature = 'fact' | 'state'

/** The business object an event speaks of. `key` is its canonical text, e.g. `4711` or `4711/10`. */
export interface ObjectRef {
  readonly type: string
  readonly key: string
  /** Grows with every change where the sender knows one: a timestamp, a number, or an opaque tag. */
  readonly version?: string
}

/** How deliveries without a sender's id are recognized. `none`: each is its own event. */
export type Identity =
  | { readonly id: string }
  | { readonly hash: true; readonly windowMs: number }
  | { readonly none: true }

/** What a source makes of one item of a delivery. Checked by `checkDraft` before anything is stored. */
export interface EventDraft {
  readonly identity: Identity
  readonly attributes: Omit<EventAttributes, 'specversion' | 'recordedtime' | 'authlevel'> & {
    readonly authlevel?: AuthLevel
  }
  readonly nature: Nature
  readonly object?: ObjectRef
  /** JSON source text, or any other text; integers beyond 2^53 survive because nobody re-serializes it. */
  readonly data?: string
  /** Only where the payload is no UTF-8 text: RFC 4648 base64. */
  readonly dataBase64?: string
}

/** An event as the inbox keeps it and as handlers receive it. */
export interface StoredEvent {
  /** The inbox's own key, a UUID v7. */
  readonly key: string
  /** Name of the configured source or poll. With `attributes.id` it is the identity. */
  readonly origin: string
  readonly delivery: string
  readonly attributes: EventAttributes
  readonly nature: Nature
  readonly object?: ObjectRef
  readonly data?: string
  readonly dataBase64?: string
}

/**
 * What one subscription's handler gets in place of what is stored, e.g. JSON for XML. Pure.
 * @throws SluiceError with `retry: 'never'` where the event cannot be converted: the dispatch is dead at once
 */
export type Conversion = (event: StoredEvent) => StoredEvent | Promise<StoredEvent>
