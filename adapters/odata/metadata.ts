import { XMLParser } from 'fast-xml-parser'
import { SluiceError } from '#domain/errors'
import type { HttpSession } from './http-session.ts'
import type { ODataEntitySpec } from './options.ts'

/** What a service says of its entity sets. */
export type Metadata = ReadonlyMap<string, { readonly key: readonly string[]; readonly elements: ReadonlySet<string> }>

/** @throws SluiceError as every read does, and `target-answer-unreadable` where it is no `$metadata` */
export async function readMetadata(http: HttpSession, signal: AbortSignal): Promise<Metadata> {
  const answer = await http.read({ method: 'GET', path: '$metadata', headers: { accept: 'application/xml' }, signal })
  if (answer.status !== 200) throw http.fault(answer, false)
  return parseMetadata(answer.text)
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  removeNSPrefix: true,
  processEntities: false,
  parseTagValue: false,
  isArray: (_name, _path, _leaf, isAttribute) => !isAttribute,
})

type Node = Readonly<Record<string, unknown>>

/** EDMX of OData V2 and V4, which are alike in what is asked for here. https://docs.oasis-open.org/odata/odata-csdl-xml/v4.01/ */
export function parseMetadata(text: string): Metadata {
  if (/<!DOCTYPE/i.test(text)) throw unreadable()
  const schemas = childrenOf(parse(text), ['Edmx', 'DataServices', 'Schema'])
  const types = new Map(
    schemas.flatMap((schema) => childrenOf(schema, ['EntityType'])).map((type) => [nameOf(type), type]),
  )
  const sets = schemas.flatMap((schema) => childrenOf(schema, ['EntityContainer', 'EntitySet']))
  if (sets.length === 0) throw unreadable()
  return new Map(
    sets.map((set) => {
      const chain = [...baseTypes(types, localName(String(set['@EntityType'])))]
      return [
        nameOf(set),
        {
          key: chain.flatMap((type) => childrenOf(type, ['Key', 'PropertyRef'])).map(nameOf),
          elements: new Set(chain.flatMap((type) => childrenOf(type, ['Property'])).map(nameOf)),
        },
      ]
    }),
  )
}

/** Where a configured entity differs from what the service says; empty where it does not. */
export function findMismatches(name: string, spec: ODataEntitySpec, metadata: Metadata): readonly string[] {
  const found = metadata.get(name)
  if (!found) return [`the service has no entity set ${name}`]
  const same = spec.key.length === found.key.length && spec.key.every((element) => found.key.includes(element))
  const elements = [spec.version, spec.reference, spec.guard].filter((element) => element !== undefined)
  return [
    ...(same ? [] : [`${name} is keyed by ${found.key.join(', ')}, and not by ${spec.key.join(', ')}`]),
    // A reference may be an element of a related record.
    ...elements.filter((one) => !one.includes('/') && !found.elements.has(one)).map((one) => `${name} has no ${one}`),
  ]
}

export const mismatch = (problems: readonly string[]): SluiceError =>
  new SluiceError('entity-mismatch', `The target differs from its configuration: ${problems.join('; ')}.`, {
    retry: 'never',
    remedy: 'Correct it under `entities` of the target, or in `sluice.catalog` where it comes from the S/4 catalog.',
  })

function parse(text: string): unknown {
  try {
    return parser.parse(text)
  } catch {
    // The parser's messages quote the document.
    throw unreadable()
  }
}

function* baseTypes(types: ReadonlyMap<string, Node>, name: string): Iterable<Node> {
  const seen = new Set<string>()
  for (let at = name; types.has(at) && !seen.has(at); ) {
    const type = types.get(at) as Node
    yield type
    seen.add(at)
    at = localName(String(type['@BaseType'] ?? ''))
  }
}

function childrenOf(node: unknown, path: readonly string[]): readonly Node[] {
  let level = [node as Node]
  for (const name of path) level = level.flatMap((one) => (Array.isArray(one?.[name]) ? (one[name] as Node[]) : []))
  return level
}

const nameOf = (node: Node): string => String(node['@Name'])

const localName = (qualified: string): string => qualified.slice(qualified.lastIndexOf('.') + 1)

const unreadable = (): SluiceError =>
  new SluiceError('target-answer-unreadable', 'The target’s $metadata cannot be read.', {
    remedy: 'Does `url` lead to an OData service?',
  })
