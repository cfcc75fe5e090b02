import type { Nature, ObjectRef } from '#domain/event'
import { type Delivery, onlyHeader } from '#domain/source'
import { laneOf } from './draft.ts'
import { type Json, textAt } from './json.ts'
import { misconfigured } from './options.ts'
import { toMoment } from './timestamp.ts'

/**
 * Where a value stands: `/data/id` is a JSON pointer (RFC 6901) into the body, `query:id` a parameter of the URL, anything
 * else a header's name. Kind `http` reads XML by the JSON that `xmlToJson` makes of it: `/Order/Item/0/@id`.
 */
export type Locator = string

/** Options of the kinds whose bodies have no fixed shape. */
export interface FieldOptions {
  /** The provider's own event type. */
  readonly type?: Locator
  /** RFC 3339, or 10 digits (seconds) or 13 digits (milliseconds) since 1970. */
  readonly time?: Locator
  readonly subject?: Locator
  /** Defaults to `<object type>/<key>`, else to the subject. */
  readonly partitionkey?: Locator
  readonly sequence?: Locator
  /** The business object: a fixed type and where its key (several parts are joined by `/`) and version stand. */
  readonly object?: { readonly type: string; readonly key: Locator | readonly Locator[]; readonly version?: Locator }
  /** First part of the type of events that `types` does not name, and the events' `source`. */
  readonly provider?: string
  /** Canonical type by provider's type, e.g. `{ "invoice.paid": "billing.invoice.paid.v1" }`. */
  readonly types?: Readonly<Record<string, string>>
  /** `fact` unless every event of this source only says that its object is now different. */
  readonly nature?: Nature
}

export const FIELD_OPTIONS = [
  'type',
  'time',
  'subject',
  'partitionkey',
  'sequence',
  'object',
  'provider',
  'types',
  'nature',
] as const satisfies readonly (keyof FieldOptions)[]

/** Reads one value; `json` is undefined where the body is not JSON. */
export type Field = {
  readonly header?: string
  /** Whether it needs a body that is JSON. */
  readonly inBody?: true
  read(delivery: Delivery, json: Json | undefined): string | undefined
}

export function compileField(kind: string, option: string, locator: Locator): Field {
  if (typeof locator !== 'string' || locator === '') {
    throw misconfigured(kind, option, 'is empty', 'Give a JSON pointer (/data/id) or the name of a header.')
  }
  if (locator.startsWith('/')) {
    const path = locator
      .slice(1)
      .split('/')
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    return { inBody: true, read: (_delivery, json) => (json ? textAt(json, ...path) : undefined) }
  }
  if (locator.startsWith('query:')) {
    const name = locator.slice('query:'.length)
    return { read: ({ query }) => query.get(name) || undefined }
  }
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(locator)) {
    throw misconfigured(kind, option, 'is no header name', 'A JSON pointer begins with "/".')
  }
  const header = locator.toLowerCase()
  return { header, read: (delivery) => onlyHeader(delivery.headers, header) ?? undefined }
}

/** The attributes of one delivery, as far as the options say where they stand. */
interface ReadFields {
  readonly providertype: string | undefined
  readonly type: string
  readonly time: string | undefined
  readonly subject: string | undefined
  readonly partitionkey: string | undefined
  readonly sequence: string | undefined
  readonly object: ObjectRef | undefined
}

export interface Fields {
  readonly needsJson: boolean
  read(delivery: Delivery, json: Json | undefined): ReadFields
}

export function compileFields(kind: string, options: FieldOptions): Fields {
  const { provider = kind, types = {}, object } = options
  const compile = (option: 'type' | 'time' | 'subject' | 'partitionkey' | 'sequence'): Field | undefined =>
    options[option] === undefined ? undefined : compileField(kind, option, options[option])
  const [type, time, subject] = [compile('type'), compile('time'), compile('subject')]
  const [partitionkey, sequence] = [compile('partitionkey'), compile('sequence')]
  const key = (object ? [object.key].flat() : []).map((locator) => compileField(kind, 'object.key', locator))
  const version = object?.version === undefined ? undefined : compileField(kind, 'object.version', object.version)
  const all = [type, time, subject, partitionkey, sequence, version, ...key]

  function readObject(delivery: Delivery, json: Json | undefined): ObjectRef | undefined {
    const parts = key.map((field) => field.read(delivery, json))
    if (!object || parts.some((part) => !part)) return undefined
    const found = version?.read(delivery, json)
    return { type: object.type, key: parts.join('/'), ...(found ? { version: found } : {}) }
  }

  return {
    needsJson: all.some((field) => field?.inBody),
    read(delivery, json) {
      const providertype = type?.read(delivery, json)
      const about = readObject(delivery, json)
      const named = subject?.read(delivery, json)
      return {
        providertype,
        type: canonicalType(provider, types, providertype ?? (type ? '' : 'received')),
        time: toMoment(time?.read(delivery, json)),
        subject: named,
        partitionkey: partitionkey?.read(delivery, json) ?? (about ? laneOf(about) : named),
        sequence: sequence?.read(delivery, json),
        object: about,
      }
    },
  }
}

/** The canonical type where the table has one, `<provider>.<type>` otherwise; none without a provider's type. */
export function canonicalType(provider: string, types: Readonly<Record<string, string>>, type: string): string {
  if (type === '') return ''
  return (Object.hasOwn(types, type) ? types[type] : undefined) ?? `${provider}.${type}`
}
