import { randomUUID } from 'node:crypto'
import type { Delivery, Item, Source } from '#domain/source'
import {
  type Bad,
  bad,
  contentType,
  findEncodingProblem,
  isJsonType,
  mediaType,
  readJson,
  readPayload,
} from './body.ts'
import { byId, joinId, toItem } from './draft.ts'
import { compileField, compileFields, FIELD_OPTIONS, type FieldOptions, type Locator } from './fields.ts'
import { compileScheme, type HmacScheme, SCHEME_OPTIONS } from './hmac-scheme.ts'
import { identityWithoutId } from './identity.ts'
import type { Json } from './json.ts'
import { checkOptions, misconfigured } from './options.ts'

/** Options of kind `hmac`: how the provider signs, and where the facts stand. */
export interface HmacOptions extends HmacScheme, FieldOptions {
  /** What identifies an event for ever; several values that are unique only together are given as a list. */
  readonly id?: Locator | readonly Locator[]
  /** Needed where there is no `id`: each delivery is an event, or equal content within the window is one. */
  readonly identity?: 'none' | { readonly hashWindowMs: number }
}

/**
 * Any provider that signs with HMAC: which header, which bytes, and where the event's facts stand, all configured.
 * `docs/adding-a-source.md` lists ready configurations for well-known providers.
 */
export function hmac(options: HmacOptions): Source {
  checkOptions('hmac', options, [...SCHEME_OPTIONS, ...FIELD_OPTIONS, 'id', 'identity'])
  const scheme = compileScheme('hmac', options)
  const fields = compileFields('hmac', options)
  const { provider = 'hmac', nature = 'fact' } = options
  const ids = (options.id === undefined ? [] : [options.id].flat()).map((id) => compileField('hmac', 'id', id))
  if (ids.length > 0 && options.identity !== undefined) {
    throw misconfigured('hmac', 'identity', 'stands beside "id"', 'Keep one of them.')
  }
  const idless = ids.length === 0 ? identityWithoutId('hmac', options.identity) : undefined
  const needsJson = fields.needsJson || ids.some(({ inBody }) => inBody)

  function normalize(delivery: Delivery): Item {
    const content = readContent(delivery, needsJson)
    if (!content.ok) return content
    const parts = ids.map((field) => field.read(delivery, content.json))
    if (parts.some((part) => !part)) return bad('attribute-missing', 'id')
    const id = parts.length === 1 ? parts[0] : joinId(parts as string[])
    const { object, ...attributes } = fields.read(delivery, content.json)
    return toItem({
      identity: idless ?? byId(id),
      attributes: {
        id: idless ? randomUUID() : (id ?? ''),
        source: provider,
        datacontenttype: mediaType(contentType(delivery)) ?? 'application/json',
        ...attributes,
      },
      nature,
      object,
      data: content.data,
      dataBase64: content.dataBase64,
    })
  }

  return {
    kind: 'hmac',
    verify: (delivery, { now }) => scheme(delivery, now),
    normalize: (delivery) => [normalize(delivery)],
  }
}

/** JSON where the type says so or a field is read from it; any other body as it is. */
function readContent(
  delivery: Delivery,
  needsJson: boolean,
): { ok: true; json?: Json; data?: string; dataBase64?: string } | Bad {
  const type = contentType(delivery)
  if (needsJson || isJsonType(type)) {
    const read = readJson(delivery)
    return read.ok ? { ok: true, json: read.json, data: read.json.text } : read
  }
  return findEncodingProblem(delivery) ?? { ok: true, ...readPayload(delivery.body, type) }
}
