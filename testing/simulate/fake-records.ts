import { SluiceError } from '#domain/errors'
import type { ChangesPage, ChangesRequest, EntitySpec, Key, TargetRecord } from '#domain/target'

export type Row = Readonly<Record<string, unknown>>

/** The rows of one fake system, and what it does by itself: keys where none is given, etags, growing versions. */
export interface FakeRecords {
  /** @throws SluiceError `configuration` for an entity that is not declared */
  spec(entity: string): EntitySpec
  all(entity: string): readonly TargetRecord[]
  get(entity: string, key: Key): TargetRecord | undefined
  find(entity: string, where: Row): readonly TargetRecord[]
  /** Inserts or changes the row of this key. */
  put(entity: string, data: Row, at: Date): { readonly key: Key; readonly record: TargetRecord }
  page(request: ChangesRequest): ChangesPage
}

export const keyText = (key: Key): string => Object.values(key).join('/')

/** What an entity is taken for where a fake target was told of none. */
const ANY: EntitySpec = { key: ['ID'], reference: 'ExternalReference' }

export function fakeRecords(entities: Readonly<Record<string, EntitySpec>> | undefined): FakeRecords {
  const tables = new Map<string, Map<string, TargetRecord>>()
  let count = 0
  let lastStamp = 0

  const table = (entity: string) => {
    const found = tables.get(entity) ?? new Map<string, TargetRecord>()
    tables.set(entity, found)
    return found
  }

  function spec(entity: string): EntitySpec {
    const declared = entities === undefined ? ANY : Object.hasOwn(entities, entity) ? entities[entity] : undefined
    if (declared) return declared
    throw new SluiceError('configuration', `The fake target has no entity ${entity}.`, {
      retry: 'never',
      remedy: `Declare it: fakeTarget({ entities: { ${entity}: { key: [...] } } }).`,
    })
  }

  const keyOf = (entity: string, data: Row): Key =>
    Object.fromEntries(
      spec(entity).key.map((element) => [element, (data[element] as string | undefined) ?? String(count)]),
    )

  /** Later than any before: two changes at one virtual moment still are two versions. */
  function stamp(at: Date): string {
    lastStamp = Math.max(lastStamp + 1, at.getTime())
    return new Date(lastStamp).toISOString()
  }

  const matches = ({ data }: TargetRecord, where: Row): boolean =>
    Object.entries(where).every(([element, value]) => String(data[element]) === String(value))

  const versionOf = (record: TargetRecord): string => record.version ?? ''

  return {
    spec,
    all: (entity) => [...table(entity).values()],
    get: (entity, key) => table(entity).get(keyText(keyOf(entity, key))),
    find: (entity, where) => [...table(entity).values()].filter((record) => matches(record, where)),
    put(entity, data, at) {
      const { version } = spec(entity)
      count += 1
      const key = keyOf(entity, data)
      const before = table(entity).get(keyText(key))?.data
      const now = version === undefined ? undefined : stamp(at)
      const row = { ...before, ...key, ...data, ...(version !== undefined ? { [version]: now } : {}) }
      const record: TargetRecord = { data: row, etag: `W/"${count}"`, ...(now === undefined ? {} : { version: now }) }
      table(entity).set(keyText(key), record)
      return { key, record }
    },
    page({ entity, since = '', after = '', pageSize }) {
      const position = (key: string, record: TargetRecord) => `${versionOf(record)} ${key}`
      const rows = [...table(entity)]
        .filter(([key, record]) => versionOf(record) >= since && position(key, record) > after)
        .sort((a, b) => (position(...a) < position(...b) ? -1 : 1))
      const page = rows.slice(0, pageSize)
      const last = page.at(-1)
      return {
        rows: page.map(([key, record]) => ({ key, version: versionOf(record), data: JSON.stringify(record.data) })),
        ...(last && rows.length > page.length ? { next: position(...last) } : {}),
      }
    },
  }
}
