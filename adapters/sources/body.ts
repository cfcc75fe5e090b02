import { TextDecoder } from 'node:util'
import type { BadReason, Delivery, Item } from '#domain/source'
import { type Json, parseJson } from './json.ts'

export type Bad = Extract<Item, { ok: false }>

export const bad = (reason: BadReason, detail?: string): Bad =>
  detail === undefined ? { ok: false, reason } : { ok: false, reason, detail }

const UTF8 = new TextDecoder('utf-8', { fatal: true })
const FORM = 'application/x-www-form-urlencoded'

/** A media type without its parameters, in lower case; undefined where the sender gave none. */
export function mediaType(contentType: string | undefined): string | undefined {
  const semicolon = contentType?.indexOf(';') ?? -1
  const type = semicolon < 0 ? contentType : contentType?.slice(0, semicolon)
  return type?.trim().toLowerCase() || undefined
}

export const contentType = (delivery: Delivery): string | undefined => delivery.headers['content-type']?.[0]

export const isForm = (delivery: Delivery): boolean => mediaType(contentType(delivery)) === FORM

/** `application/json`, `text/json`, `application/anything+json`; no type at all counts as JSON, as webhooks go. */
export function isJsonType(type: string | undefined): boolean {
  const media = mediaType(type)
  return media === undefined || media.endsWith('/json') || media.endsWith('+json')
}

/**
 * Signatures cover the bytes as they came, so this is asked only after `verify`. No provider of ours documents
 * compressed deliveries: another content encoding than none is for an operator to look at.
 */
export function findEncodingProblem(delivery: Delivery): Bad | undefined {
  const encodings = delivery.headers['content-encoding'] ?? []
  return encodings.some((encoding) => encoding !== '' && encoding.toLowerCase() !== 'identity')
    ? bad('unsupported-encoding', 'content-encoding')
    : undefined
}

export function readText(delivery: Delivery): { ok: true; text: string } | Bad {
  const problem = findEncodingProblem(delivery)
  if (problem) return problem
  const text = decodeText(delivery.body, contentType(delivery))
  return text === undefined ? bad('not-utf8') : { ok: true, text }
}

/** The body as JSON, whatever its content type says. */
export function readJson(delivery: Delivery): { ok: true; json: Json } | Bad {
  const read = readText(delivery)
  if (!read.ok) return read
  const json = parseJson(read.text)
  return json ? { ok: true, json } : bad('not-json')
}

/**
 * Bytes to text: strict UTF-8, a byte order mark dropped. The charset of the content type counts only where it says
 * UTF-16 or where the bytes are not UTF-8: senders that label UTF-8 as something else are the commoner mistake.
 */
export function decodeText(bytes: Uint8Array, type: string | undefined): string | undefined {
  const charset = /;\s*charset\s*=\s*"?([\w.:-]{1,40})"?/i.exec(type ?? '')?.[1]?.toLowerCase()
  const utf16 = charset?.startsWith('utf-16') ? decodeAs(charset, bytes) : undefined
  if (utf16 !== undefined) return utf16
  const utf8 = decode(UTF8, bytes)
  return utf8 !== undefined || charset === undefined ? utf8 : decodeAs(charset, bytes)
}

function decodeAs(charset: string, bytes: Uint8Array): string | undefined {
  try {
    return decode(new TextDecoder(charset, { fatal: true }), bytes)
  } catch (thrown) {
    if (thrown instanceof RangeError) return undefined // no such charset
    throw thrown
  }
}

function decode(decoder: TextDecoder, bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch (thrown) {
    if (thrown instanceof TypeError) return undefined // not in this charset
    throw thrown
  }
}

/** A payload of any kind: text where the bytes are text a database stores, base64 otherwise. */
export function readPayload(bytes: Uint8Array, type: string | undefined): { data?: string; dataBase64?: string } {
  if (bytes.length === 0) return {}
  const text = decodeText(bytes, type)
  return text === undefined || text.includes('\u0000')
    ? { dataBase64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64') }
    : { data: text }
}

/** The media type of a payload whose sender gave none. */
export function typeOf({ data, dataBase64 }: { data?: string; dataBase64?: string }, json: Json | undefined): string {
  if (dataBase64 !== undefined) return 'application/octet-stream'
  return json || data === undefined ? 'application/json' : 'text/plain'
}

/** One field of a form body, strictly decoded: `URLSearchParams` would replace broken sequences without a word. */
export function formField(text: string, name: string): { ok: true; value: string } | Bad {
  const prefix = `${name}=`
  const field = text.split('&').find((part) => part.startsWith(prefix))
  if (field === undefined) return bad('attribute-missing', name)
  try {
    return { ok: true, value: decodeURIComponent(field.slice(prefix.length).replaceAll('+', ' ')) }
  } catch (thrown) {
    if (thrown instanceof URIError) return bad('not-utf8', name)
    throw thrown
  }
}
