import type { ErpSandbox } from 'cap-sluice/testing'
import { changeReference } from './business.ts'
import type { SentMessage, Shop } from './shop.ts'

/** What the ERP's own tables say to a sender's own log. Everything empty: each effect once, in order. */
export interface Verdict {
  /** Acknowledged, and not in the ERP. */
  readonly lost: readonly string[]
  readonly duplicates: readonly string[]
  /** In the ERP, and never sent. */
  readonly unknown: readonly string[]
  /** Keys whose effects came in another order than their messages. */
  readonly reordered: readonly string[]
}

export const FLAWLESS: Verdict = { lost: [], duplicates: [], unknown: [], reordered: [] }

type Row = Readonly<Record<string, unknown>>

/**
 * @param chains documents that an order becomes; those of one chain are written one after the other
 */
export async function judge(
  erp: ErpSandbox,
  { name, log }: Pick<Shop, 'name' | 'log'>,
  chains: readonly (readonly string[])[] = [['order', 'confirmation']],
): Promise<Verdict> {
  const [documents, orders] = await Promise.all([erp.rows('IncomingDocuments'), erp.rows('A_SalesOrder')])
  const isOurs = (reference: unknown) => String(reference).startsWith(`${name}:`)
  const ours = documents.filter((row) => isOurs(row.ExternalReference))
  const of = (steps: readonly string[]) => ours.filter((row) => steps.includes(String(row.EventType)))
  const facts = log.filter(({ type }) => type === 'order.created')
  const states = log.filter(({ type }) => type === 'stock.changed')
  const known = [...chains.flat(), 'state']
  return merge(
    ...chains.map((steps) => judgeDocuments(facts, of(steps), steps)),
    // A state that was superseded leaves no document.
    { ...judgeDocuments(states, of(['state']), ['state']), lost: [] },
    judgeRecords(
      states,
      orders.filter((row) => isOurs(row.ExternalDocumentID)),
    ),
    { ...FLAWLESS, unknown: ours.filter((row) => !known.includes(String(row.EventType))).map(referenceOf) },
  )
}

const referenceOf = (row: Row): string => String(row.ExternalReference)

/**
 * Each version of a headquarters' order at most once, and its last one in any case: what came between two looks at it
 * is part of the last.
 */
export async function judgeChanges(erp: ErpSandbox, headquarters: ErpSandbox, label: string): Promise<Verdict> {
  const [sent, rows] = await Promise.all([headquarters.sent(), erp.rows('IncomingDocuments')])
  const versions = sent.map(({ key, version }) => ({ key, reference: changeReference(label, key, version) }))
  const found = Map.groupBy(
    rows.map((row) => String(row.ExternalReference)).filter((reference) => reference.startsWith(`${label}:`)),
    (reference) => reference,
  )
  const last = new Map(versions.map(({ key, reference }) => [key, reference]))
  const known = new Set(versions.map(({ reference }) => reference))
  return {
    lost: [...last.values()].filter((reference) => !found.has(reference)),
    duplicates: [...found].filter(([, same]) => same.length > 1).map(([reference]) => reference),
    unknown: [...found.keys()].filter((reference) => !known.has(reference)),
    reordered: [],
  }
}

function judgeDocuments(sent: readonly SentMessage[], rows: readonly Row[], steps: readonly string[]): Verdict {
  const found = Map.groupBy(rows, referenceOf)
  const expected = new Map(sent.flatMap((one) => steps.map((step) => [`${one.id}/${step}`, one])))
  /** The ERP numbers its documents in the order they come. */
  const isReordered = (same: readonly Row[]): boolean => {
    const places = same
      .toSorted((a, b) => Number(a.ID) - Number(b.ID))
      .map((row) => Number(row.Amount) * steps.length + steps.indexOf(String(row.EventType)))
    return places.some((place, n) => place < (places[n - 1] ?? 0))
  }
  return {
    lost: [...expected].filter(([id, { acknowledged }]) => acknowledged && !found.has(id)).map(([id]) => id),
    duplicates: [...found].filter(([, same]) => same.length > 1).map(([id]) => id),
    unknown: [...found.keys()].filter((id) => !expected.has(id)),
    reordered: [...Map.groupBy(rows, (row) => String(row.Subject))]
      .filter(([, same]) => isReordered(same))
      .map(([key]) => key),
  }
}

function judgeRecords(sent: readonly SentMessage[], rows: readonly Row[]): Verdict {
  const found = Map.groupBy(rows, (row) => String(row.ExternalDocumentID))
  const byKey = Map.groupBy(sent, ({ key }) => key)
  const shown = (key: string) => Math.max(0, ...(found.get(key) ?? []).map((row) => Number(row.TotalNetAmount)))
  const lastOf = (messages: readonly SentMessage[]) => Math.max(0, ...messages.map(({ seq }) => seq))
  const behind = [...byKey].filter(([key, all]) => shown(key) < lastOf(all.filter((one) => one.acknowledged)))
  return {
    lost: behind.filter(([key]) => !found.has(key)).map(([key]) => key),
    duplicates: [...found].filter(([, same]) => same.length > 1).map(([key]) => key),
    unknown: [...found.keys()].filter((key) => shown(key) > lastOf(byKey.get(key) ?? [])),
    reordered: behind.filter(([key]) => found.has(key)).map(([key]) => key),
  }
}

export const merge = (...verdicts: readonly Verdict[]): Verdict => ({
  lost: verdicts.flatMap(({ lost }) => lost),
  duplicates: verdicts.flatMap(({ duplicates }) => duplicates),
  unknown: verdicts.flatMap(({ unknown }) => unknown),
  reordered: verdicts.flatMap(({ reordered }) => reordered),
})
