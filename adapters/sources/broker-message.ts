import { randomUUID } from 'node:crypto'
import type { Delivery, Item } from '#domain/source'
import {
  bad,
  contentType,
  decodeText,
  findEncodingProblem,
  isJsonType,
  mediaType,
  readPayload,
  typeOf,
} from './body.ts'
import { type Envelope, readCloudEvents } from './cloudevents-binding.ts'
import { joinId, toItem } from './draft.ts'
import { parseJson } from './json.ts'
import type { S4Catalog } from './s4-catalog.ts'
import { readS4Event, toSloppyMoment } from './s4-event.ts'

/** Messages are up to 1 MB and batches larger; anything beyond is stored as *too large*, not refused. */
export const MAX_MESSAGE_BYTES = 8 * 1024 * 1024

/** What a delivery says about where its message came from. */
export interface Surroundings extends SharedParts {
  /** The source of events that name none. */
  readonly queue: string
  /** The header that holds the address. */
  readonly addressHeader: string
}

/** What all sources of a gateway read by. */
export interface SharedParts {
  /** SAP's own unless configuration adds to it. */
  readonly catalog?: S4Catalog
}

/**
 * The messages of SAP's brokers: CloudEvents in any mode, however sloppy, and anything else by its address. Nothing is
 * refused; what cannot be read is an item for the quarantine.
 */
export function readMessages(delivery: Delivery, { queue, addressHeader, catalog }: Surroundings): readonly Item[] {
  const address = readAddress(delivery, addressHeader)
  const events = readCloudEvents(delivery, 'sloppy')
  if (!events) return [fromPlain(delivery, queue, address, catalog)]
  return events.map((event) => (event.ok ? fromEnvelope(event, queue, address, catalog) : event))
}

function fromEnvelope(
  event: Envelope,
  queue: string,
  address: string | undefined,
  catalog: S4Catalog | undefined,
): Item {
  const { attributes } = event
  const { id, subject } = attributes
  const type = attributes.type || address
  if (!id) return bad('attribute-missing', 'id')
  if (!type) return bad('attribute-missing', 'type')
  const source = attributes.source || queue
  const { object, partitionkey, nature, ...facts } = readS4Event(type, event.json, catalog)
  return toItem({
    identity: { id: joinId([source, id]) },
    attributes: {
      id,
      source,
      type: facts.type ?? type,
      providertype: type,
      subject: subject || object?.key,
      time: toSloppyMoment(attributes.time),
      datacontenttype: attributes.datacontenttype,
      dataschema: attributes.dataschema || undefined,
      partitionkey: attributes.partitionkey || partitionkey || subject || undefined,
      sequence: attributes.sequence,
      traceparent: attributes.traceparent,
      tracestate: attributes.tracestate,
    },
    nature,
    object,
    data: event.data,
    dataBase64: event.dataBase64,
  })
}

/**
 * A message that is no CloudEvent: its address is its type. It has no id, and equal content may well be two changes, so
 * each delivery is an event of its own. What calls itself JSON and is none would fail in every handler.
 */
function fromPlain(delivery: Delivery, queue: string, type: string | undefined, catalog: S4Catalog | undefined): Item {
  const problem = findEncodingProblem(delivery)
  if (problem) return problem
  if (!type) return bad('unknown-topic', 'x-address')
  const declared = contentType(delivery)
  const payload = readPayload(delivery.body, declared)
  const json = payload.data === undefined ? undefined : parseJson(payload.data)
  if (declared && isJsonType(declared) && delivery.body.length > 0 && !json) return bad('not-json')
  const { object, partitionkey, nature, ...facts } = readS4Event(type, json, catalog)
  return toItem({
    identity: { none: true },
    attributes: {
      id: randomUUID(),
      source: queue,
      type: facts.type ?? type,
      providertype: type,
      subject: object?.key,
      datacontenttype: mediaType(declared) ?? typeOf(payload, json),
      partitionkey,
    },
    nature,
    object,
    ...payload,
  })
}

/**
 * `topic:<namespace>/ce/sap/s4/beh/…/Created/v1` → `sap.s4.beh.….Created.v1`; without `/ce/` the whole topic, and
 * `queue:<queue>` where the message was sent to the queue itself.
 */
function readAddress(delivery: Delivery, header: string): string | undefined {
  const address = asUtf8(delivery.headers[header]?.[0] ?? '').replace(/^(topic|queue):/, '')
  const event = address.split('/ce/').at(-1) ?? address
  return event.replaceAll('/', '.') || undefined
}

/** Node reads header bytes as Latin-1; brokers write topics in UTF-8. */
function asUtf8(header: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: bytes beyond ASCII are what this looks for
  if (/^[\x00-\x7f]*$/.test(header)) return header
  return decodeText(Buffer.from(header, 'latin1'), undefined) ?? header
}
