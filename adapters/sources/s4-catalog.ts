import { SluiceError } from '#domain/errors'
import rows from './s4-catalog.json' with { type: 'json' }

/**
 * SAP S/4HANA's business events (`sap.s4.beh.<object>.v1.<Object>.<Event>.v1`) and the APIs that hold the full records.
 * Data, meant to be edited: a row may be replaced or added by configuration (`sluice.catalog`) without touching this.
 * https://api.sap.com/package/SAPS4HANABusinessEvents
 */

/** Where the full record is read. */
export interface S4Api {
  readonly version: 'v2' | 'v4'
  /** The service as its path names it, without a `;v=…`: how a target's address is recognized. */
  readonly service: string
  readonly entity: string
  /** Elements of the entity's key, one for each field of the row's `key`; absent where those do not make a key. */
  readonly key?: readonly string[]
  /** Element that grows with every change. */
  readonly changed?: string
  readonly types?: Readonly<Record<string, 'Edm.Guid' | 'Edm.DateTime'>>
  /** `verified`: seen in the service's own `$metadata`. `inferred`: from its name only; look before you rely on it. */
  readonly evidence?: Evidence
}

/** `inferred` rows follow the pattern of verified ones and have not been seen in a system. */
type Evidence = 'verified' | 'inferred'

export interface S4Row {
  /** As in the event's type. */
  readonly object: string
  /** Which events of the object: those of its items (`Item…`, `Itm…`), or the others. */
  readonly of?: 'items'
  /** Area and noun of the canonical type: `sales.order` makes `sales.order.changed.v1`. */
  readonly type: string
  /** Fields of the event's data that identify the object; none where that is not known. */
  readonly key: readonly string[]
  /** Whether *Created* and *Changed* only say that the object is now different; anything else is a fact anyway. */
  readonly nature: 'state' | 'fact'
  readonly apis: readonly S4Api[]
  /** Whether the events were seen in SAP's own lists or payloads. */
  readonly evidence: Evidence
  readonly note?: string
}

const S4_ROWS = rows as readonly S4Row[]

/** A configured row: what it leaves out is as in the row it stands for. A new object needs `type` and `key`. */
export type S4RowOverride = Partial<Omit<S4Row, 'object'>>

export interface S4Catalog {
  readonly rows: readonly S4Row[]
  /** The row of an object's events; `items` for `Item…` and `Itm…` ones. */
  find(object: string, of?: 'items'): S4Row | undefined
}

/** @param overrides by object, items as `SalesOrder/items` */
export function catalogOf(overrides: Readonly<Record<string, S4RowOverride>> = {}): S4Catalog {
  const byName = new Map(S4_ROWS.map((row) => [nameOf(row), row]))
  for (const [name, override] of Object.entries(overrides)) {
    const [object = '', of] = name.split('/')
    if (!/^\w+$/.test(object) || (of !== undefined && of !== 'items')) {
      throw refused(name, 'is no object', 'Name it as events do, items as SalesOrder/items.')
    }
    const known = byName.get(name)
    const row = { nature: 'state', apis: [], evidence: 'verified', ...known, ...override, object } as S4Row
    if (!row.type || !row.key) throw refused(name, 'has no type or key', 'Give e.g. "custom.order" and ["Order"].')
    const unlike = row.apis.find(({ key }) => key && key.length !== row.key.length)
    if (unlike) {
      throw refused(
        name,
        `does not say how ${unlike.entity} is keyed`,
        'Give "apis" one key element for each of "key".',
      )
    }
    byName.set(name, of ? { ...row, of } : row)
  }
  return { rows: [...byName.values()], find: (object, of) => byName.get(of ? `${object}/${of}` : object) }
}

const nameOf = ({ object, of }: Pick<S4Row, 'object' | 'of'>): string => (of ? `${object}/${of}` : object)

const refused = (name: string, problem: string, remedy: string): SluiceError =>
  new SluiceError('configuration', `sluice.catalog.${name} ${problem}.`, { retry: 'never', remedy })

/** SAP's own, as shipped. */
export const S4_CATALOG = catalogOf()
