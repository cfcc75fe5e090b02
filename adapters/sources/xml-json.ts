import { type Bad, bad } from './body.ts'
import { CDATA, localName, nameOf, parseXml, TEXT, toElement, type XmlElement, type XmlNode } from './xml.ts'

/**
 * An element as JSON, in the usual form: children by their local name, attributes as `@name`, text beside them as
 * `#text`; an element with nothing but text is that text. What repeats is a list, and so is what `arrays` names: a list
 * with one line must not look different. Values stay text, because `0010` is no number.
 * @param arrays paths from the root, e.g. `ORDERS05/IDOC/E1EDP01`
 */
export function elementToJson(root: XmlElement, arrays: ReadonlySet<string> = NONE): JsonText | Bad {
  try {
    const name = localName(root.name)
    return { ok: true, text: JSON.stringify({ [name]: jsonOf(root, name, arrays) }) }
  } catch (thrown) {
    if (thrown instanceof UnknownEntity) return bad('not-xml', 'entity')
    throw thrown
  }
}

/** The same of a document. */
export function textToJson(text: string, arrays?: ReadonlySet<string>): JsonText | Bad {
  const parsed = parseXml(text)
  return parsed.ok ? elementToJson(parsed.root, arrays) : parsed
}

interface JsonText {
  readonly ok: true
  readonly text: string
}

const NONE: ReadonlySet<string> = new Set()

class UnknownEntity extends Error {}

function jsonOf({ attributes, children }: XmlElement, path: string, arrays: ReadonlySet<string>): unknown {
  // Without a prototype: an element may be called `__proto__`.
  const members: Record<string, unknown> = Object.create(null)
  for (const [name, value] of Object.entries(attributes)) {
    if (name !== 'xmlns' && !name.startsWith('xmlns:')) members[`@${localName(name)}`] = decodeEntities(value)
  }
  let text = ''
  for (const child of children) {
    const written = textOf(child)
    if (written !== undefined) {
      text += written
      continue
    }
    const element = toElement(child)
    const name = localName(element.name)
    add(members, name, jsonOf(element, `${path}/${name}`, arrays), arrays.has(`${path}/${name}`))
  }
  const names = Object.keys(members)
  if (names.length === 0) return text
  // Blanks between elements are layout.
  if (text.trim() !== '') members[TEXT] = text
  return members
}

function add(members: Record<string, unknown>, name: string, value: unknown, always: boolean): void {
  const known = members[name]
  if (known === undefined) members[name] = always ? [value] : value
  else if (Array.isArray(known)) known.push(value)
  else members[name] = [known, value]
}

/** Undefined for an element. */
function textOf(node: XmlNode): string | undefined {
  const name = nameOf(node)
  if (name === TEXT) return decodeEntities(String(node[TEXT]))
  if (name !== CDATA) return undefined
  return (node[CDATA] as readonly XmlNode[]).map((part) => String(part[TEXT])).join('')
}

const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', apos: "'", quot: '"' }

/** XML's own five and characters by number, each once; anything else would need a document type. */
function decodeEntities(text: string): string {
  if (!text.includes('&')) return text
  return text.replaceAll(/&([^;&\s]{0,12});?/g, (written, name: string) => {
    const decoded = written.endsWith(';') ? (NAMED[name] ?? byNumber(name)) : undefined
    if (decoded === undefined) throw new UnknownEntity()
    return decoded
  })
}

/** https://www.w3.org/TR/xml/#charsets */
function byNumber(name: string): string | undefined {
  const [, hex, decimal] = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(name) ?? []
  if (hex === undefined && decimal === undefined) return undefined
  const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
  const allowed =
    code === 9 || code === 10 || code === 13 || (code >= 0x20 && code <= 0xd7ff) || (code >= 0xe000 && code <= 0xfffd)
  return allowed || (code >= 0x10000 && code <= 0x10ffff) ? String.fromCodePoint(code) : undefined
}
