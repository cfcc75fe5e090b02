import { SluiceError } from '#domain/errors'
import type { Key, TargetRecord } from '#domain/target'
import { misconfigured } from './classify.ts'
import type { Data, Dialect, Element, RawRecord } from './dialect.ts'
import { type EdmType, isGuid } from './edm.ts'
import type { ODataEntitySpec } from './options.ts'

/** An entity set with what the configuration says of it: how its keys, filters and records are written and read. */
export interface Entity {
  readonly name: string
  readonly spec: ODataEntitySpec
  /** `A_SalesOrder('4711')` or `Items(Order='1',Item='10')`, URI-encoded. @throws where the key is not the entity's. */
  path(key: Key): string
  /** `Order eq '1' and Item eq '10'`, not yet encoded. */
  filter(where: Key): string
  /** A comparison of one element, e.g. with `ge`. */
  compare(element: string, operator: string, value: Element): string
  keyOf(data: Data): Key | undefined
  /** Canonical text of a key: its values joined by `/`. */
  keyText(key: Key): string
  record(raw: RawRecord, etagHeader?: string): TargetRecord
}

export function entityOf(name: string, spec: ODataEntitySpec, dialect: Dialect): Entity {
  /** A reference is a text even where it looks like a Guid: it is the sender's, in an element for free text. */
  function typeOf(element: string, value: Element): EdmType | undefined {
    const told = spec.types?.[element]
    if (told || typeof value !== 'string') return told
    if (element === spec.version) return 'Edm.DateTimeOffset'
    return spec.key.includes(element) && isGuid(value) ? 'Edm.Guid' : 'Edm.String'
  }

  const literal = (element: string, value: Element): string => dialect.literal(value, typeOf(element, value))

  const compare = (element: string, operator: string, value: Element): string =>
    `${elementPath(element)} ${operator} ${literal(element, value)}`

  function checkKey(key: Key): void {
    const missing = spec.key.find((element) => key[element] === undefined || key[element] === '')
    if (missing === undefined && Object.keys(key).length === spec.key.length) return
    throw new SluiceError('invalid-key', `A key of ${name} must have the elements ${spec.key.join(', ')}.`, {
      retry: 'never',
      remedy: 'Correct the mapping, or `entities` of the target.',
    })
  }

  return {
    name,
    spec,
    compare,
    path(key) {
      checkKey(key)
      const parts = spec.key.map((element) => [element, encodeURIComponent(literal(element, key[element] ?? ''))])
      return `${name}(${parts.length === 1 ? parts[0]?.[1] : parts.map((part) => part.join('=')).join(',')})`
    },
    filter: (where) =>
      Object.entries(where)
        .map(([element, value]) => compare(element, 'eq', value))
        .join(' and '),
    keyOf(data) {
      const pairs = spec.key.map((element) => [element, data[element]] as const)
      return pairs.every(([, value]) => isElement(value)) ? (Object.fromEntries(pairs) as Key) : undefined
    },
    keyText(key) {
      checkKey(key)
      return spec.key.map((element) => String(key[element])).join('/')
    },
    record(raw, etagHeader) {
      const etag = raw.etag ?? etagHeader
      const version = spec.version === undefined ? undefined : raw.data[spec.version]
      return {
        data: raw.data,
        ...(etag && { etag }),
        ...(isElement(version) && version !== '' && { version: String(version) }),
      }
    },
  }
}

/** @throws SluiceError `configuration` for an entity set that is not configured */
export function entitiesOf(
  specs: Readonly<Record<string, ODataEntitySpec>>,
  dialect: Dialect,
): (name: string) => Entity {
  const entities = new Map(Object.entries(specs).map(([name, spec]) => [name, entityOf(name, spec, dialect)]))
  return (name) => {
    const entity = entities.get(name)
    if (entity) return entity
    throw misconfigured(`The target knows no entity \`${name}\`.`, 'Add it under `entities` with its key.')
  }
}

/** Names come from handlers and must not be a way into the query. A path leads to an element of a related record. */
export function elementPath(text: string): string {
  if (/^[A-Za-z_]\w*(\/[A-Za-z_]\w*)*$/.test(text)) return text
  throw new SluiceError('invalid-value', 'An element name is malformed.', {
    retry: 'never',
    remedy: 'Correct the mapping.',
  })
}

const isElement = (value: unknown): value is Element =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
