import type { S4Api, S4Catalog } from './s4-catalog.ts'

/** What a target must know of an entity to fetch it, as its configuration spells it. */
export interface CatalogEntity {
  readonly key: readonly string[]
  readonly object: string
  readonly readonly: true
  readonly version?: string
  readonly types?: NonNullable<S4Api['types']>
}

/**
 * The entities that the catalog knows at a target's address, by entity set: so that `fetch` needs no configuration.
 * Readonly: writing takes a decision about references. Those without a key for the events' fields are left out.
 * @param address URL or path of the service's root
 */
export function catalogEntities(
  catalog: S4Catalog,
  version: 'v2' | 'v4',
  address: string,
): Readonly<Record<string, CatalogEntity>> {
  const segments = new Set(address.toLowerCase().split(/[/;?]/))
  const entities: Record<string, CatalogEntity> = {}
  for (const { object, of, apis } of catalog.rows) {
    for (const { service, entity, key, changed, types, ...api } of apis) {
      if (!key || api.version !== version || !segments.has(service.toLowerCase())) continue
      entities[entity] = {
        key,
        object: of ? `${object}Item` : object,
        readonly: true,
        ...(changed ? { version: changed } : {}),
        ...(types ? { types } : {}),
      }
    }
  }
  return entities
}
