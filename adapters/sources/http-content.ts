import { andThen } from '#domain/awaitable'
import type { Awaitable, Delivery } from '#domain/source'
import {
  type Bad,
  bad,
  contentType,
  findEncodingProblem,
  isJsonType,
  mediaType,
  readJson,
  readPayload,
  readText,
} from './body.ts'
import { type CsvOptions, csvLines } from './csv.ts'
import { elementsOf, type Json, memberOf, parseJson } from './json.ts'
import { checkOptions, misconfigured } from './options.ts'
import { isXml, readXmlText } from './xml.ts'
import { readXmlApart } from './xml-apart.ts'

/** How a body becomes events. Without options it is one, as it came. */
export interface ContentOptions {
  /** One event for each part of a batch. */
  readonly split?:
    | { /** JSON pointer to a list; empty where the body itself is the list. */ readonly json: string }
    | { /** Path from the root element, without prefixes: `ORDERS05/IDOC`. */ readonly xml: string }
    | { readonly csv: CsvOptions }
}

export const CONTENT_OPTIONS = ['split'] as const satisfies readonly (keyof ContentOptions)[]

/** One event's payload; `json` where fields may be read from it. */
export interface Part {
  readonly type: string
  readonly json?: Json
  readonly data?: string
  readonly dataBase64?: string
}

export type ReadContent = (delivery: Delivery) => Awaitable<readonly Part[] | Bad>

/** A larger batch would hold one transaction for seconds. */
const MAX_PARTS = 10_000
const JSON_TYPE = 'application/json'
const XML_TYPE = 'application/xml'

/** @param needsJson whether some attribute is read from the body */
export function compileContent(kind: string, options: ContentOptions, needsJson: boolean): ReadContent {
  const { split } = checkContent(kind, options)
  const read = ((): ReadContent => {
    if (split && 'json' in split) return (delivery) => readList(delivery, split.json)
    if (split && 'csv' in split) return (delivery) => readLines(delivery, split.csv)
    const path = split && withoutSlashes(split.xml).split('/')
    return (delivery) => (path ? readElements(delivery, path, needsJson) : readWhole(delivery, needsJson))
  })()
  return (delivery) => {
    if (delivery.body.length === 0) return [fromQuery(delivery)]
    return andThen(read(delivery), bounded)
  }
}

function bounded(parts: readonly Part[] | Bad): readonly Part[] | Bad {
  if (!('length' in parts)) return parts
  if (parts.length === 0) return bad('attribute-missing', 'split')
  return parts.length > MAX_PARTS ? bad('too-large', 'split') : parts
}

function checkContent(kind: string, options: ContentOptions): ContentOptions {
  const { split } = options
  if (split === undefined) return options
  const names = Object.keys(split)
  if (names.length !== 1 || !['json', 'xml', 'csv'].includes(String(names[0]))) {
    throw misconfigured(kind, 'split', 'is not one of json, xml and csv', 'Give e.g. { "json": "/orders" }.')
  }
  if ('csv' in split) {
    checkOptions(kind, split.csv, ['header', 'separator'])
    if ((split.csv.separator ?? ',').length !== 1 || /["\r\n]/.test(split.csv.separator ?? ',')) {
      throw misconfigured(kind, 'split.csv.separator', 'is not one character', 'Give "," or ";" or a tab.')
    }
  } else if ('json' in split ? !/^(\/.*)?$/.test(split.json) : withoutSlashes(split.xml) === '') {
    throw misconfigured(kind, `split.${names[0]}`, 'is no path', 'Give /orders for JSON, ORDERS05/IDOC for XML.')
  }
  return options
}

const withoutSlashes = (path: string): string => path.replaceAll(/^\/+|\/+$/g, '')

/** A body of any kind, as it came. It is read where an attribute stands in it, or where the sender says that it is JSON. */
function readWhole(delivery: Delivery, needsJson: boolean): Awaitable<readonly Part[] | Bad> {
  const type = contentType(delivery)
  if (needsJson && isXml(delivery)) return readXmlFields(delivery)
  if (needsJson || (type !== undefined && isJsonType(type))) {
    const read = readJson(delivery)
    return read.ok ? [fromJson(read.json, mediaType(type))] : read
  }
  const whole = { type: mediaType(type) ?? 'application/octet-stream', ...readPayload(delivery.body, type) }
  return findEncodingProblem(delivery) ?? [whole]
}

/** XML stays XML; its JSON is for reading fields. */
function readXmlFields(delivery: Delivery): Awaitable<readonly Part[] | Bad> {
  const read = readXmlText(delivery)
  if (!read.ok) return read
  const type = contentType(delivery)
  return andThen(readXmlApart({ text: read.text }), (found) => {
    if (!found.ok) return found
    const json = asJson(found.parts[0]?.json ?? '')
    return [{ type: mediaType(type) ?? XML_TYPE, json, ...readPayload(delivery.body, type) }]
  })
}

/** A request without a body says what it wants in its query; a token there is none of the handler's business. */
function fromQuery({ query }: Delivery): Part {
  const members = [...new Set(query.keys())]
    .filter((name) => name !== 'access_token')
    .map((name) => [name, query.getAll(name).length > 1 ? query.getAll(name) : query.get(name)])
  return fromText(JSON.stringify(Object.fromEntries(members)))
}

function readList(delivery: Delivery, pointer: string): readonly Part[] | Bad {
  const read = readJson(delivery)
  if (!read.ok) return read
  let at: Json | undefined = read.json
  for (const name of pointer.split('/').slice(1)) {
    at = at && memberOf(at, name.replaceAll('~1', '/').replaceAll('~0', '~'))
  }
  if (!Array.isArray(at?.value)) return bad('attribute-missing', 'split')
  return at ? elementsOf(at).map((json) => fromJson(json)) : []
}

function readLines(delivery: Delivery, options: CsvOptions): readonly Part[] | Bad {
  const read = readText(delivery)
  if (!read.ok) return read
  const split = csvLines(read.text, options)
  return split.ok ? split.lines.map(fromText) : split
}

function readElements(
  delivery: Delivery,
  path: readonly string[],
  needsJson: boolean,
): Awaitable<readonly Part[] | Bad> {
  const read = readXmlText(delivery)
  if (!read.ok) return read
  const type = mediaType(contentType(delivery)) ?? XML_TYPE
  return andThen(readXmlApart({ text: read.text, path, needsJson }), (found) =>
    found.ok
      ? found.parts.map(({ data = '', json }) => (json ? { type, data, json: asJson(json) } : { type, data }))
      : found,
  )
}

const asJson = (text: string): Json => parseJson(text) ?? { text, value: undefined }

const fromText = (text: string): Part => fromJson(asJson(text))

const fromJson = (json: Json, type: string | undefined = JSON_TYPE): Part => ({ type, json, data: json.text })
