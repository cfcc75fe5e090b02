import type { Bad } from './body.ts'
import { elementsIn, localName, parseXml, writeXml, type XmlElement } from './xml.ts'
import { elementToJson, textToJson } from './xml-json.ts'

/** A document to be read. Plain, because it may cross to another thread. */
export interface XmlWork {
  readonly text: string
  /** Local names from the root down: each element there is a part. Without it the document is one, as JSON. */
  readonly path?: readonly string[]
  /** Whether parts are wanted as JSON too. */
  readonly needsJson?: boolean
  /** Elements that are lists even where there is one. */
  readonly arrays?: readonly string[]
}

/** JSON and XML as text. */
export type XmlParts = { readonly ok: true; readonly parts: readonly { data?: string; json?: string }[] } | Bad

export function readXml({ text, path, needsJson = false, arrays }: XmlWork): XmlParts {
  if (path) return readElements(text, path, needsJson)
  const json = textToJson(text, arrays && new Set(arrays))
  return json.ok ? { ok: true, parts: [{ json: json.text }] } : json
}

function readElements(text: string, path: readonly string[], needsJson: boolean): XmlParts {
  const parsed = parseXml(text)
  if (!parsed.ok) return parsed
  const parts: { data: string; json?: string }[] = []
  for (const { element, namespaces } of select(parsed.root, path)) {
    const data = writeXml(element, namespaces)
    const json = needsJson ? elementToJson(element) : undefined
    if (json && !json.ok) return json
    parts.push(json ? { data, json: json.text } : { data })
  }
  return { ok: true, parts }
}

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
