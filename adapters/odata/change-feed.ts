import type { ChangesPage, ChangesRequest, Key } from '#domain/target'
import { compareVersions } from '#domain/version'
import { misconfigured } from './classify.ts'
import type { RawRecord } from './dialect.ts'
import type { Entity } from './entity.ts'
import { isMoment, nextTick } from './moments.ts'
import { type Position, readPosition, writePosition } from './position.ts'
import type { Reader } from './reader.ts'

/** Rows of no version (never changed since an upgrade, say) are no changes; the filter leaves them out. */
const EVER = '1970-01-01T00:00:00Z'

/**
 * Reads what changed in the order of its version, in pages that begin where the last one ended by value and not by
 * number, because rows move to the end while they are read.
 *
 * A page may end among rows of one version, and V2 shows milliseconds where S/4 keeps 100 ns: rows cannot be taken up
 * again "after version v, key k". So a page gives back its last version's rows and the next begins with that version;
 * where one version fills a page, its rows are read by key. No filter needs an `or` across version and key, which
 * Gateway services built on select options do not understand.
 */
export async function readChanges(entity: Entity, reader: Reader, request: ChangesRequest): Promise<ChangesPage> {
  const { version } = entity.spec
  if (version === undefined) {
    throw misconfigured(
      `Entity \`${entity.name}\` has no \`version\`.`,
      'Name the element that grows with every change.',
    )
  }
  const position = request.after === undefined ? { from: startOf(entity, request) } : readPosition(request.after)

  const read = async (at: Position) => {
    const query = {
      $filter: filterOf(entity, version, at),
      $orderby: orderOf(entity, version, at),
      $top: request.pageSize,
    }
    const { rows, more } = await reader.rows(entity, query, request.signal)
    return { rows: rows.map((raw) => rowOf(entity, version, raw)), more }
  }

  if (position.until !== undefined) return versionPage({ ...position, until: position.until })
  const { rows, more } = await read(position)
  checkOrder(entity, position.from, rows)
  const last = rows.at(-1)
  if (!more || !last) return { rows: rows.map(publicRow) }
  const whole = rows.filter((row) => row.version !== last.version)
  if (whole.length > 0) return { rows: whole.map(publicRow), next: writePosition({ from: last.version }) }
  return versionPage({ from: last.version, until: nextTick(last.version) })

  async function versionPage(at: Position & { until: string }): Promise<ChangesPage> {
    const part = await read(at)
    const after = part.rows.at(-1)?.keys
    return {
      rows: part.rows.map(publicRow),
      next: writePosition(part.more && after ? { ...at, after } : { from: at.until }),
    }
  }
}

/** A service that ignores `$orderby` or `$filter` would make the feed lose rows, or never end. */
function checkOrder(entity: Entity, from: string, rows: readonly Row[]): void {
  const descends = rows.some((row, at) => compareVersions(rows[at - 1]?.version ?? row.version, row.version) === 1)
  const tooEarly = rows.some((row) => (compareVersions(nextTick(row.version), from) ?? 0) <= 0)
  if (!descends && !tooEarly) return
  throw misconfigured(
    `The service ignores ${descends ? '`$orderby`' : '`$filter`'} on the version of \`${entity.name}\`.`,
    'Poll by an element the service can filter and sort by.',
  )
}

interface Row {
  readonly key: string
  readonly version: string
  readonly data: string
  readonly keys: Key
}

const publicRow = ({ key, version, data }: Row) => ({ key, version, data })

function startOf(entity: Entity, { since = EVER }: ChangesRequest): string {
  if (isMoment(since)) return since
  throw misconfigured(`A poll of \`${entity.name}\` starts at no moment.`, 'Poll by an element that holds a timestamp.')
}

function filterOf(entity: Entity, version: string, { from, until, after }: Position): string {
  const parts = [entity.compare(version, 'ge', from)]
  if (until !== undefined) parts.push(entity.compare(version, 'lt', until))
  if (after !== undefined) parts.push(afterKey(entity, after))
  return parts.join(' and ')
}

/** Within one version by key alone: its rows may differ in digits that are not shown. */
const orderOf = (entity: Entity, version: string, { until }: Position): string =>
  (until === undefined ? [version, ...entity.spec.key] : entity.spec.key).join(',')

/** `A gt 1 or (A eq 1 and B gt 2)`, in parentheses. */
function afterKey(entity: Entity, after: Key): string {
  const alternatives = entity.spec.key.map((element, at) => {
    const equal = entity.spec.key.slice(0, at).map((before) => entity.compare(before, 'eq', after[before] ?? ''))
    return [...equal, entity.compare(element, 'gt', after[element] ?? '')].join(' and ')
  })
  return alternatives.length === 1
    ? (alternatives[0] ?? '')
    : `(${alternatives.map((part) => `(${part})`).join(' or ')})`
}

function rowOf(entity: Entity, element: string, raw: RawRecord): Row {
  const [keys, { version }] = [entity.keyOf(raw.data), entity.record(raw)]
  if (!keys) {
    throw misconfigured(
      `Rows of \`${entity.name}\` lack a key element.`,
      'Correct `key` under `entities` of the target.',
    )
  }
  if (version === undefined || !isMoment(version)) {
    throw misconfigured(
      `\`${element}\` of \`${entity.name}\` holds no moment with an offset.`,
      'Poll by an element of type Edm.DateTimeOffset.',
    )
  }
  return { key: entity.keyText(keys), version, data: JSON.stringify(raw.data), keys }
}
