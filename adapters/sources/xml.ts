import { XMLBuilder, XMLParser, XMLValidator } from 'fast-xml-parser'
import type { Delivery } from '#domain/source'
import { type Bad, bad, contentType, decodeText, findEncodingProblem, isJsonType, mediaType } from './body.ts'

/** A node as `fast-xml-parser` has it in `preserveOrder`: one name with its children, or text; attributes under `:@`. */
export type XmlNode = Readonly<Record<string, unknown>>

export interface XmlElement {
  /** As written, with its prefix. */
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlNode[]
}

export const TEXT = '#text'
export const CDATA = '#cdata'
const ATTRIBUTES = ':@'

/** Beyond these a document is an attack or belongs into a file transfer: ten megabytes of IDocs have 400,000 elements. */
const MAX_DEPTH = 100
const MAX_ELEMENTS = 500_000
const MAX_ATTRIBUTES = 256

/** Nothing is expanded, guessed or trimmed here: values stay as they are written. */
const SHARED = {
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  processEntities: false,
  cdataPropName: CDATA,
} as const

const parser = new XMLParser({
  ...SHARED,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: MAX_DEPTH,
  // Names such as `toString` are harmless in what is built of this, and must not be renamed.
  onDangerousProperty: (name) => name,
  updateTag(name, _path, attributes) {
    if (Object.keys(attributes ?? {}).length > MAX_ATTRIBUTES) throw new RangeError('attributes')
    return name
  },
})

const builder = new XMLBuilder({ ...SHARED, suppressEmptyNode: true })

/**
 * The root element of a document: no document type, so no entities but XML's own five and characters by number; depth,
 * elements and attributes are bounded. https://cheatsheetseries.owasp.org/cheatsheets/XML_Security_Cheat_Sheet.html
 */
export function parseXml(text: string): { ok: true; root: XmlElement } | Bad {
  const forbidden = findForbidden(text)
  if (forbidden) return forbidden
  const nodes = parseNodes(text)
  if ('ok' in nodes) return nodes
  const valid = XMLValidator.validate(text)
  if (valid !== true) return bad('not-xml', valid.err.code)
  // The validator does not look behind the root.
  if (text.slice(text.lastIndexOf('>') + 1).trim() !== '') return bad('not-xml', 'syntax')
  const roots = nodes.filter((node) => nameOf(node) !== TEXT)
  const [root] = roots
  return root && roots.length === 1 ? { ok: true, root: toElement(root) } : bad('not-xml', 'root')
}

function parseNodes(text: string): readonly XmlNode[] | Bad {
  try {
    return parser.parse(text) as readonly XmlNode[]
  } catch (thrown) {
    // The parser throws plain errors for whatever it does not take; their messages quote the document.
    if (!(thrown instanceof Error)) throw thrown
    const limit = thrown instanceof RangeError || thrown.message.startsWith('Maximum nested tags')
    return bad(limit ? 'xml-forbidden' : 'not-xml', limit ? 'limits' : 'syntax')
  }
}

/** Declarations and masses, found before anything is parsed. Comments and CDATA may speak of them. */
function findForbidden(text: string): Bad | undefined {
  let elements = 0
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at + 1)) {
    if (text.charCodeAt(at + 1) !== BANG) {
      elements += 1
      if (elements > 2 * MAX_ELEMENTS || hasManyAttributes(text, at)) return bad('xml-forbidden', 'limits')
      continue
    }
    const close = text.startsWith('<!--', at) ? '-->' : text.startsWith('<![CDATA[', at) ? ']]>' : undefined
    if (close === undefined) return bad('xml-forbidden', 'document type')
    at = text.indexOf(close, at + 4)
    if (at < 0) return bad('not-xml', 'syntax')
  }
  return undefined
}

const BANG = 0x21

/**
 * By the blanks of a tag outside of quotes. The parser looks at all of them before it asks anybody: four megabytes of
 * `<a b b b …>` would hold the process for seconds.
 */
function hasManyAttributes(text: string, from: number): boolean {
  let quote = 0
  let words = 0
  let inWord = false
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    // No `<` may stand in a tag, in quotes neither: the next one is the next to be looked at.
    if (code === 0x3c || (code === 0x3e && quote === 0)) return false
    if (quote !== 0) {
      if (code === quote) quote = 0
    } else if (code === 0x22 || code === 0x27) quote = code
    const isBlank = quote === 0 && (code === 0x20 || (code >= 0x09 && code <= 0x0d))
    if (!isBlank && !inWord) words += 1
    // A blank may stand on either side of a `=`.
    if (words > 3 * MAX_ATTRIBUTES + 1) return true
    inWord = !isBlank
  }
  return false
}

/** By its content type, or by how it begins where that says neither XML nor JSON: many a sender of XML says nothing. */
export function isXml(delivery: Delivery): boolean {
  const type = contentType(delivery)
  const media = mediaType(type)
  if (media?.endsWith('/xml') || media?.endsWith('+xml')) return true
  return (
    (media === undefined || !isJsonType(type)) && BEGIN.test(Buffer.from(delivery.body.subarray(0, 100)).toString())
  )
}

const BEGIN = /^\ufeff?\s*</

/** The text of an XML body. */
export function readXmlText(delivery: Delivery): { ok: true; text: string } | Bad {
  return findEncodingProblem(delivery) ?? decodeXml(delivery.body, contentType(delivery))
}

/** In the charset of the content type, else of the declaration (RFC 7303 §3). */
export function decodeXml(bytes: Uint8Array, type = ''): { ok: true; text: string } | Bad {
  const text = decodeText(bytes, /charset\s*=/i.test(type) ? type : `; charset=${declaredCharset(bytes)}`)
  return text === undefined ? bad('not-utf8') : { ok: true, text }
}

/** By the byte order mark, or by the declaration, whose characters are ASCII in every charset we read. */
function declaredCharset(body: Uint8Array): string {
  if (body[0] === 0xfe && body[1] === 0xff) return 'utf-16be'
  if (body[0] === 0xff && body[1] === 0xfe) return 'utf-16le'
  const start = Buffer.from(body.subarray(0, 200)).toString('latin1')
  return /^\s*<\?xml[^>]{0,150}\sencoding\s*=\s*["']([\w.:-]{1,40})["']/.exec(start)?.[1] ?? 'utf-8'
}

/** The element's XML, a document of its own: namespaces declared further out are declared in it. */
export const writeXml = ({ name, attributes, children }: XmlElement, outer: XmlElement['attributes'] = {}): string =>
  builder.build([{ [name]: children, [ATTRIBUTES]: { ...outer, ...attributes } }])

export const nameOf = (node: XmlNode): string => Object.keys(node).find((name) => name !== ATTRIBUTES) ?? TEXT

export function toElement(node: XmlNode): XmlElement {
  const name = nameOf(node)
  return {
    name,
    attributes: (node[ATTRIBUTES] ?? {}) as XmlElement['attributes'],
    children: (node[name] ?? []) as readonly XmlNode[],
  }
}

/** Elements among the children; text, CDATA and comments are none. */
export const elementsIn = ({ children }: XmlElement): readonly XmlElement[] =>
  children.filter((node) => nameOf(node) !== TEXT && nameOf(node) !== CDATA).map(toElement)

/** Without its prefix: senders choose prefixes as they like. */
export const localName = (name: string): string => name.slice(name.indexOf(':') + 1)
