/** A CloudEvent to be written: attributes in their canonical text, data as JSON source text. */
export interface OutgoingEvent {
  readonly attributes: Readonly<Record<string, string>> & {
    readonly specversion: '1.0'
    readonly id: string
    readonly source: string
    readonly type: string
  }
  readonly data?: string
}

interface HttpMessage {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** HTTP binding §3.1: attributes as `ce-` headers, data as the body. */
export function toBinary({ attributes, data }: OutgoingEvent): HttpMessage {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(attributes)) {
    if (name !== 'datacontenttype') headers[`ce-${name}`] = encodeHeader(value)
  }
  return { headers: { ...headers, 'content-type': attributes.datacontenttype ?? 'application/json' }, body: data ?? '' }
}

/** HTTP binding §3.2, JSON format. */
export const toStructured = (event: OutgoingEvent): HttpMessage => ({
  headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
  body: toJson(event),
})

/** HTTP binding §3.3, JSON batch format. */
export const toBatched = (events: readonly OutgoingEvent[]): HttpMessage => ({
  headers: { 'content-type': 'application/cloudevents-batch+json; charset=utf-8' },
  body: `[${events.map(toJson).join(',')}]`,
})

/** Data stays source text: serializing it again would round long integers. */
function toJson({ attributes, data }: OutgoingEvent): string {
  const members = Object.entries(attributes).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  return `{${[...members, ...(data === undefined ? [] : [`"data":${data}`])].join(',')}}`
}

/** Percent-encoding of header values, §3.1.3.2: blank, quote, percent and all that is no printable ASCII. */
export const encodeHeader = (value: string): string =>
  value
    .toWellFormed()
    .replaceAll(/[^\x21\x23\x24\x26-\x7e]+/gu, (run) =>
      [...Buffer.from(run)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
    )
