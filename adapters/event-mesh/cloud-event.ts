import { SluiceError } from '#domain/errors'
import type { Publishable } from '#domain/target'

/** A message is at most 1 MB. */
const MAX_BYTES = 1_048_576
const JSON_TYPE = /[/+]json\s*(;|$)/i

/** Kept where the event has them: the others are ours to set. */
const CARRIED = ['subject', 'dataschema', 'partitionkey', 'sequence', 'traceparent', 'tracestate'] as const

/**
 * One event in structured mode. `data` goes out as the source text it came with: integers beyond 2^53 survive.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
 * @throws SluiceError `permanent` where it cannot be sent as it is
 */
export function toStructured(event: Publishable, own: { id: string; source: string; time: string }): string {
  if (!event.type) throw unpublishable('The event has no type.')
  const attributes: Record<string, string> = {
    specversion: '1.0',
    id: own.id,
    source: own.source,
    type: event.type,
    time: event.time ?? own.time,
  }
  for (const name of CARRIED) {
    const value = event[name]
    if (typeof value === 'string' && value !== '') attributes[name] = value
  }
  const text = withData(attributes, event)
  if (Buffer.byteLength(text) <= MAX_BYTES) return text
  throw unpublishable('The event is larger than the 1 MB an Event Mesh takes.')
}

function withData(attributes: Record<string, string>, { data, dataText, datacontenttype }: Publishable): string {
  const type = datacontenttype ?? 'application/json'
  const head = JSON.stringify({ ...attributes, datacontenttype: type }).slice(0, -1)
  if (data instanceof Uint8Array) return `${head},"data_base64":"${Buffer.from(data).toString('base64')}"}`
  const isJson = JSON_TYPE.test(type)
  const source = dataText === undefined || !isJson ? JSON.stringify(dataText ?? data) : dataText
  return source === undefined ? `${head}}` : `${head},"data":${source}}`
}

const unpublishable = (problem: string): SluiceError => new SluiceError('permanent', problem, { retry: 'never' })
