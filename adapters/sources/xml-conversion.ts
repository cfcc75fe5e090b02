import { andThen } from '#domain/awaitable'
import { SluiceError } from '#domain/errors'
import type { Conversion, StoredEvent } from '#domain/event'
import { type Bad, isJsonType } from './body.ts'
import { decodeXml } from './xml.ts'
import { readXmlApart } from './xml-apart.ts'
import type { XmlParts } from './xml-reading.ts'

/** Options of `xmlToJson`. */
export interface XmlToJsonOptions {
  /**
   * Elements that are lists even where there is one, by their path from the event's root element, without prefixes:
   * `ORDERS05/IDOC/E1EDP01`.
   */
  readonly arrays?: readonly string[]
}

/**
 * For a subscription's `convert`: its handler reads XML as JSON. Children go by their local name, attributes as `@name`,
 * text beside them as `#text`; what repeats is a list; values stay text. The parser takes no document type, so no
 * entities, and bounds depth and size. What is JSON already stays as it is. Stored is what came.
 */
export function xmlToJson({ arrays = [] }: XmlToJsonOptions = {}): Conversion {
  const lists = arrays.map((path) => path.replaceAll(/^\/+|\/+$/g, ''))
  return (event) => {
    const { datacontenttype } = event.attributes
    if ((event.data === undefined && event.dataBase64 === undefined) || isJsonType(datacontenttype)) return event
    const read = textOf(event)
    const found = read.ok ? readXmlApart({ text: read.text, arrays: lists }) : read
    return andThen(found, (json) => withJson(event, json))
  }
}

function withJson({ dataBase64, ...event }: StoredEvent, found: XmlParts): StoredEvent {
  if (!found.ok) throw refused(found)
  const attributes = { ...event.attributes, datacontenttype: 'application/json' }
  return { ...event, attributes, data: found.parts[0]?.json ?? '' }
}

/** Bytes where they were no UTF-8: XML says itself in which charset it is. */
const textOf = ({ data, dataBase64 = '', attributes }: StoredEvent): { ok: true; text: string } | Bad =>
  data === undefined
    ? decodeXml(Buffer.from(dataBase64, 'base64'), attributes.datacontenttype)
    : { ok: true, text: data }

/** The detail is a word of ours and never quotes the document. */
const refused = ({ reason, detail }: Bad): SluiceError =>
  new SluiceError(reason, `The event cannot be read as XML${detail ? ` (${detail})` : ''}.`, {
    retry: 'never',
    remedy: 'Look at its data; a subscription that takes other bodies too must do without xmlToJson.',
  })
