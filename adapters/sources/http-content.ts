import type { Delivery } from '#domain/source'
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
import { checkOneOf, checkOptions, misconfigured } from './options.ts'
import { elementsIn, localName, parseXml, readXmlText, writeXml, type XmlElement } from './xml.ts'
import { xmlToJson } from './xml-json.ts'

/** How a body becomes events. Without options it is one, as it came. */
export interface ContentOptions {
  /** XML bodies become JSON. The delivery keeps the bytes. */
  readonly xml?: 'json'
  /** Elements that are lists in that JSON even where there is one, by their path: `ORDERS05/IDOC/E1EDP01`. */
  readonly arrays?: readonly string[]
  /** One event for each part of a batch. */
  readonly split?:
    | { /** JSON pointer to a list; empty where the body itself is the list. */ readonly json: string }
    | { /** Path from the root element, without prefixes: `ORDERS05/IDOC`. */ readonly xml: string }
    | { readonly csv: CsvOptions }
}

export const CONTENT_OPTIONS = ['xml', 'arrays', 'split'] as const satisfies readonly (keyof ContentOptions)[]

/** One event's payload; `json` where fields may be read from it. */
export interface Part {
  readonly type: string
  readonly json?: Json
  readonly data?: string
  readonly dataBase64?: string
}

export type ReadContent = (delivery: Delivery) => readonly Part[] | Bad

/** A larger batch would hold one transaction for seconds. */
const MAX_PARTS = 10_000
const JSON_TYPE = 'application/json'

/** @param needsJson whether some attribute is read from the body */
export function compileContent(kind: string, options: ContentOptions, needsJson: boolean): ReadContent {
  const { xml, split } = checkContent(kind, options)
  const arrays = new Set(options.arrays?.map(withoutSlashes))
  const read = ((): ReadContent => {
    if (split && 'json' in split) return (delivery) => readList(delivery, split.json)
    if (split && 'csv' in split) return (delivery) => readLines(delivery, split.csv)
    const path = split && withoutSlashes(split.xml).split('/')
    if (path || xml) return (delivery) => readElements(delivery, path, xml, arrays)
    return (delivery) => readWhole(delivery, needsJson)
  })()
  return (delivery) => {
    if (delivery.body.length === 0) return [fromQuery(delivery)]
    const parts = read(delivery)
    if (!('length' in parts)) return parts
    if (parts.length === 0) return bad('attribute-missing', 'split')
    return parts.length > MAX_PARTS ? bad('too-large', 'split') : parts
  }
}

function checkContent(kind: string, options: ContentOptions): ContentOptions {
  const { xml, arrays, split } = options
  if (xml !== undefined) checkOneOf(kind, 'xml', xml, ['json'])
  if (arrays && !xml) throw misconfigured(kind, 'arrays', 'stands without "xml"', 'Set "xml" to "json" or remove it.')
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
  if (xml && !('xml' in split)) {
    throw misconfigured(kind, 'split', 'splits no XML, and "xml" is set', 'Remove one of the two.')
  }
  return options
}

const withoutSlashes = (path: string): string => path.replaceAll(/^\/+|\/+$/g, '')

/** A body of any kind, as it came. JSON is read where the sender says that it is, or an attribute stands in it. */
function readWhole(delivery: Delivery, needsJson: boolean): readonly Part[] | Bad {
  const type = contentType(delivery)
  if (needsJson || (type !== undefined && isJsonType(type))) {
    const read = readJson(delivery)
    return read.ok ? [fromJson(read.json, mediaType(type))] : read
  }
  const whole = { type: mediaType(type) ?? 'application/octet-stream', ...readPayload(delivery.body, type) }
  return findEncodingProblem(delivery) ?? [whole]
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
  path: readonly string[] | undefined,
  xml: 'json' | undefined,
  arrays: ReadonlySet<string>,
): readonly Part[] | Bad {
  const read = readXmlText(delivery)
  if (!read.ok) return read
  const parsed = parseXml(read.text)
  if (!parsed.ok) return parsed
  const found = path ? select(parsed.root, path) : [{ element: parsed.root, namespaces: {} }]
  const parts: Part[] = []
  for (const { element, namespaces } of found) {
    if (!xml) {
      parts.push({ type: mediaType(contentType(delivery)) ?? 'application/xml', data: writeXml(element, namespaces) })
      continue
    }
    const json = xmlToJson(element, below(path, arrays))
    if (!json.ok) return json
    parts.push(fromText(json.text))
  }
  return parts
}

/** Paths of lists count from the document's root; the JSON of a part counts from the part. */
const below = (path: readonly string[] | undefined, arrays: ReadonlySet<string>): ReadonlySet<string> =>
  path
    ? new Set(
        [...arrays].map((one) =>
          one
            .split('/')
            .slice(path.length - 1)
            .join('/'),
        ),
      )
    : arrays

interface Selected {
  readonly element: XmlElement
  readonly namespaces: Readonly<Record<string, string>>
}

function select(root: XmlElement, [first, ...path]: readonly string[]): readonly Selected[] {
  if (localName(root.name) !== first) return []
  let level: readonly Selected[] = [{ element: root, namespaces: {} }]
  for (const name of path) {
    level = level.flatMap(({ element, namespaces }) => {
      const declared = { ...namespaces, ...declarations(element) }
      return elementsIn(element)
        .filter((child) => localName(child.name) === name)
        .map((child) => ({ element: child, namespaces: declared }))
    })
  }
  return level
}

const declarations = ({ attributes }: XmlElement): Record<string, string> =>
  Object.fromEntries(Object.entries(attributes).filter(([name]) => name === 'xmlns' || name.startsWith('xmlns:')))

const fromText = (text: string): Part => fromJson(parseJson(text) ?? { text, value: undefined })

const fromJson = (json: Json, type: string | undefined = JSON_TYPE): Part => ({ type, json, data: json.text })
