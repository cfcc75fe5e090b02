import { LIMITS } from '#domain/check-draft'
import type { Delivery } from '#domain/source'
import {
  type Bad,
  bad,
  contentType,
  decodeText,
  findEncodingProblem,
  isJsonType,
  mediaType,
  readJson,
  readPayload,
  typeOf,
} from './body.ts'
import { elementsOf, type Json, memberOf, parseJson, textAt, valueAt } from './json.ts'

/** A CloudEvent as it came: attributes as text, data as source text. Nothing is checked yet but its form. */
export interface Envelope {
  readonly ok: true
  readonly attributes: Readonly<Record<string, string>>
  /** Data that is JSON, parsed: for reading fields. */
  readonly json?: Json
  readonly data?: string
  readonly dataBase64?: string
}

/** `sloppy` reads around what brokers and ABAP systems are known to get wrong; `strict` finds it. */
export type Reading = 'strict' | 'sloppy'

/**
 * The events of an HTTP request in binary, structured or batch mode.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
 * JSON that has the four required attributes is an event whatever its content type says: Event Mesh passes on the type
 * that the publisher set, or none.
 * @returns undefined where the request holds no CloudEvent
 */
export function readCloudEvents(delivery: Delivery, reading: Reading): readonly (Envelope | Bad)[] | undefined {
  const media = mediaType(contentType(delivery))
  const declared = media?.startsWith('application/cloudevents') ?? false
  if (!declared && delivery.headers['ce-specversion']) return [readBinary(delivery, reading)]
  const read = readJson(delivery)
  if (!read.ok) return declared ? [read] : undefined
  if (Array.isArray(read.json.value)) {
    const events = elementsOf(read.json)
    const batch = media === 'application/cloudevents-batch+json' || (events.length > 0 && events.every(isEnvelope))
    return batch ? events.map((event) => readStructured(event, reading)) : undefined
  }
  return declared || isEnvelope(read.json) ? [readStructured(read.json, reading)] : undefined
}

const REQUIRED = ['id', 'source', 'type'] as const

/** `specversion` and the rest; their order and blanks around their names do not matter. */
function isEnvelope({ value }: Json): boolean {
  if (typeof value !== 'object' || value === null) return false
  const names = new Set(Object.keys(value).map((name) => name.trim()))
  return names.has('specversion') && REQUIRED.filter((name) => names.has(name)).length >= 2
}

function readBinary(delivery: Delivery, reading: Reading): Envelope | Bad {
  const problem = findEncodingProblem(delivery)
  if (problem) return problem
  const attributes: Record<string, string> = {}
  for (const [name, values] of Object.entries(delivery.headers)) {
    if (!name.startsWith('ce-')) continue
    const value = values.every((each) => each === values[0]) ? decodeHeader(values[0] ?? '') : undefined
    if (value === undefined) return bad('attribute-invalid', name.slice(3))
    attributes[name.slice(3)] = value
  }
  // §3.1.1: it is `Content-Type` alone that says so.
  if (reading === 'strict' && 'datacontenttype' in attributes) return bad('attribute-invalid', 'datacontenttype')
  const type = contentType(delivery)
  if (type !== undefined) attributes.datacontenttype = type
  return withPayload(attributes, delivery.body)
}

/**
 * Quoting and one round of percent-decoding, HTTP binding §3.1.3.2. A percent sign that begins no such sequence stays.
 * @returns undefined where the decoded bytes are not UTF-8
 */
function decodeHeader(value: string): string | undefined {
  const quoted = value.length > 1 && value.startsWith('"') && value.endsWith('"')
  const text = quoted ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value
  if (!text.includes('%')) return text
  try {
    return text.replaceAll(/(?:%[\dA-Fa-f]{2})+/g, decodeURIComponent)
  } catch (thrown) {
    if (thrown instanceof URIError) return undefined
    throw thrown
  }
}

function readStructured(event: Json, reading: Reading): Envelope | Bad {
  if (typeof event.value !== 'object' || event.value === null || Array.isArray(event.value))
    return bad('not-json', 'event')
  const attributes: Record<string, string> = {}
  const payload: { data?: string; data_base64?: string } = {}
  for (const [written, value] of Object.entries(event.value)) {
    const name = reading === 'strict' ? written : written.trim()
    if (name === 'data' || name === 'data_base64') payload[name] = written
    else if (typeof value === 'object') {
      if (value !== null) return bad('attribute-invalid', name)
    } else if (reading === 'strict' && !isOfItsType(name, value)) return bad('attribute-invalid', name)
    // The source text costs a look at the whole document, so only what is kept is worth it.
    else attributes[name] = (name in LIMITS ? textAt(event, written) : String(value)) ?? ''
  }
  if (payload.data_base64 !== undefined) {
    if (payload.data !== undefined) return bad('attribute-invalid', 'data_base64')
    return readBase64(attributes, valueAt(event.value, [payload.data_base64]))
  }
  const data = payload.data === undefined ? undefined : memberOf(event, payload.data)
  if (!data) return { ok: true, attributes }
  // JSON format §3.1: only where the type says that data is no JSON is a string the payload itself.
  if (typeof data.value === 'string' && !isJsonType(attributes.datacontenttype)) {
    return { ok: true, attributes, data: data.value }
  }
  return { ok: true, attributes: { datacontenttype: 'application/json', ...attributes }, json: data, data: data.text }
}

/** JSON format §2.2: the specification's own attributes are strings, an extension may be a boolean or a whole number. */
const isOfItsType = (name: string, value: unknown): boolean =>
  typeof value === 'string' || (!OWN.has(name) && (typeof value === 'boolean' || Number.isInteger(value)))

const OWN: ReadonlySet<string> = new Set([
  ...['specversion', ...REQUIRED],
  ...['datacontenttype', 'dataschema', 'subject', 'time'],
])

function readBase64(attributes: Record<string, string>, value: unknown): Envelope | Bad {
  if (typeof value !== 'string') return bad('attribute-invalid', 'data_base64')
  const bytes = Buffer.from(value, 'base64')
  if (bytes.toString('base64') !== value) return bad('attribute-invalid', 'data_base64')
  return withPayload(attributes, bytes)
}

function withPayload(attributes: Record<string, string>, bytes: Uint8Array): Envelope | Bad {
  const type = attributes.datacontenttype
  if (bytes.length === 0) return { ok: true, attributes }
  if (type === undefined) return withUntyped(attributes, readPayload(bytes, type))
  if (!isJsonType(type)) return { ok: true, attributes, ...readPayload(bytes, type) }
  const text = decodeText(bytes, type)
  if (text === undefined) return bad('not-utf8', 'data')
  const json = parseJson(text)
  return json ? { ok: true, attributes, json, data: text } : bad('not-json', 'data')
}

/** JSON where it is JSON; other text must not pass for it. */
function withUntyped(attributes: Record<string, string>, payload: ReturnType<typeof readPayload>): Envelope {
  const json = payload.data === undefined ? undefined : parseJson(payload.data)
  if (json) return { ok: true, attributes, json, ...payload }
  return { ok: true, attributes: { datacontenttype: typeOf(payload, json), ...attributes }, ...payload }
}
