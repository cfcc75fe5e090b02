import type { EventAttributes, EventDraft, Nature, ObjectRef } from '#domain/event'
import type { Source } from '#domain/source'

/** An event as a test thinks of it; everything but the type has a default. */
export interface SimulatedEvent<Data = unknown>
  extends Partial<Omit<EventAttributes, 'specversion' | 'type' | 'authlevel'>> {
  readonly type: string
  /** JSON data. */
  readonly data?: Data
  /** JSON source text instead: integers beyond 2^53 survive. */
  readonly dataText?: string
  /** `fact` unless given. */
  readonly nature?: Nature
  /** The business object; with it `partitionkey` is `<type>/<key>` unless given. */
  readonly object?: ObjectRef
}

/** A source that believes everything: events without a sender, for handlers that do not care who sent them. */
export const simulatedSource = (): Source => ({
  kind: 'simulated',
  verify: () => ({ ok: true, authlevel: 'none' }),
  normalize: ({ body }) => [{ ok: true, draft: toDraft(JSON.parse(Buffer.from(body).toString()) as SimulatedEvent) }],
})

function toDraft(event: SimulatedEvent): EventDraft {
  const { data, dataText, nature = 'fact', object, recordedtime: _recordedtime, ...attributes } = event
  const { id = '', source = '/simulated' } = attributes
  const partitionkey = attributes.partitionkey ?? (object ? `${object.type}/${object.key}` : attributes.subject)
  const content = dataText ?? (data === undefined ? undefined : JSON.stringify(data))
  return {
    identity: { id },
    attributes: {
      datacontenttype: 'application/json',
      ...attributes,
      id,
      source,
      ...(partitionkey === undefined ? {} : { partitionkey }),
    },
    nature,
    ...(object ? { object } : {}),
    ...(content === undefined ? {} : { data: content }),
  }
}
