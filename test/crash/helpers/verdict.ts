import type { ErpSandbox } from 'cap-sluice/testing'
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

export async function judge(erp: ErpSandbox, { name, log }: Shop): Promise<Verdict> {
  const [documents, orders] = await Promise.all([erp.rows('IncomingDocuments'), erp.rows('A_SalesOrder')])
  const isOurs = (reference: unknown) => String(reference).startsWith(`${name}:`)
  return merge(
    judgeFacts(
      log.filter(({ type }) => type === 'order.created'),
      documents.filter((row) => isOurs(row.ExternalReference)),
    ),
    judgeStates(
      log.filter(({ type }) => type === 'stock.changed'),
      orders.filter((row) => isOurs(row.ExternalDocumentID)),
    ),
  )
}

/** The documents of one order, in the order they have to come. */
const STEPS = ['order', 'confirmation']

function judgeFacts(sent: readonly SentMessage[], rows: readonly Row[]): Verdict {
  const found = Map.groupBy(rows, (row) => String(row.ExternalReference))
  const expected = new Map(sent.flatMap((one) => STEPS.map((step) => [`${one.id}/${step}`, one])))
  return {
    lost: [...expected].filter(([id, { acknowledged }]) => acknowledged && !found.has(id)).map(([id]) => id),
    duplicates: [...found].filter(([, same]) => same.length > 1).map(([id]) => id),
    unknown: [...found.keys()].filter((id) => !expected.has(id)),
    reordered: [...Map.groupBy(rows, (row) => String(row.Subject))].filter(isReordered).map(([key]) => key),
  }
}

/** The ERP numbers its documents in the order they come. */
function isReordered([, rows]: [string, readonly Row[]]): boolean {
  const places = rows
    .toSorted((a, b) => Number(a.ID) - Number(b.ID))
    .map((row) => Number(row.Amount) * STEPS.length + STEPS.indexOf(String(row.EventType)))
  return places.some((place, n) => place < (places[n - 1] ?? 0))
}

function judgeStates(sent: readonly SentMessage[], rows: readonly Row[]): Verdict {
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

const merge = (a: Verdict, b: Verdict): Verdict => ({
  lost: [...a.lost, ...b.lost],
  duplicates: [...a.duplicates, ...b.duplicates],
  unknown: [...a.unknown, ...b.unknown],
  reordered: [...a.reordered, ...b.reordered],
})
