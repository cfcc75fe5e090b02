import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { SluiceError } from '#domain/errors'

export interface XmlElement {
  /** Without its prefix. */
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
  readonly text: string
}

type Node = Readonly<Record<string, unknown>>

const TEXT = '#text'
const ATTRIBUTES = ':@'
const MAX_DEPTH = 100

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  removeNSPrefix: true,
  parseTagValue: false,
  parseAttributeValue: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: MAX_DEPTH,
  // Without a document type there are none but XML's own five.
  processEntities: true,
  onDangerousProperty: (name) => name,
})

/**
 * A flow's model. A document type is refused wherever it stands, so nothing is declared, fetched or multiplied.
 * https://cheatsheetseries.owasp.org/cheatsheets/XML_Security_Cheat_Sheet.html
 * @param text at most what one entry of an archive may have
 * @throws SluiceError `flow`
 */
export function parseXml(text: string): XmlElement {
  if (/<!(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)/i.test(text)) throw unreadable('declares a document type')
  if (XMLValidator.validate(text) !== true) throw unreadable('is not well-formed XML')
  const [root] = parseNodes(text).map(toElement)
  if (!root) throw unreadable('is empty')
  return root
}

function parseNodes(text: string): readonly Node[] {
  try {
    return (parser.parse(text) as Node[]).filter((node) => nameOf(node) !== TEXT)
  } catch (thrown) {
    // The parser throws plain errors for whatever it does not take; their messages quote the document.
    if (thrown instanceof Error) throw unreadable('cannot be read as XML')
    throw thrown
  }
}

const nameOf = (node: Node): string => Object.keys(node).find((name) => name !== ATTRIBUTES) ?? TEXT

function toElement(node: Node): XmlElement {
  const name = nameOf(node)
  const nodes = (node[name] ?? []) as readonly Node[]
  return {
    name,
    attributes: (node[ATTRIBUTES] ?? {}) as XmlElement['attributes'],
    children: nodes.filter((child) => nameOf(child) !== TEXT).map(toElement),
    text: nodes.map((child) => (nameOf(child) === TEXT ? String(child[TEXT]) : '')).join(''),
  }
}

export const childrenNamed = ({ children }: XmlElement, name: string): readonly XmlElement[] =>
  children.filter((child) => child.name === name)

const unreadable = (what: string): SluiceError =>
  new SluiceError('flow', `The flow's model ${what}.`, {
    retry: 'never',
    remedy: 'Export the flow again; a model that was edited by hand must stay plain BPMN.',
  })
