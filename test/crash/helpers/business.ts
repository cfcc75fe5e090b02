import type { Handler, HandlerEvent, PollPolicy, Source, Target } from 'cap-sluice'
import { odataTarget } from 'cap-sluice/odata'
import { hmac } from 'cap-sluice/sources'

interface Access {
  readonly url: string
  readonly user: string
  readonly password: string
}

/** What the gateway under test is for: a shop's facts and states go to an ERP, a headquarters' changes too. */
export interface BusinessOptions {
  readonly secret: string
  readonly erp: Access
  readonly headquarters?: Access
  /** How long the ERP may take to commit a write whose answer was lost. */
  readonly settleMs: number
  readonly poll?: Pick<PollPolicy, 'overlapMs' | 'pageSize'>
}

/** The body of a shop's message. */
export interface ShopMessage {
  readonly type: 'order.created' | 'stock.changed' | 'poison.sent'
  readonly key: string
  readonly seq: number
}

const V2 = '/sap/opu/odata/sap'
const V4 = '/sap/opu/odata4/sap'

/** The shop signs as many do, and says what happened (`orders`) or that something is now different (`stock`). */
export function shopSources({ secret }: Pick<BusinessOptions, 'secret'>): Record<'orders' | 'stock', Source> {
  const shop = {
    provider: 'shop',
    secrets: [secret],
    header: 'x-shop-signature',
    prefix: 'sha256=',
    id: 'x-shop-id',
    type: '/type',
  }
  return {
    orders: hmac({ ...shop, partitionkey: '/key' }),
    stock: hmac({ ...shop, nature: 'state', object: { type: 'Stock', key: '/key' } }),
  }
}

export function businessTargets({ erp, headquarters, settleMs }: BusinessOptions): Record<string, Target> {
  const access = ({ url, user, password }: Access, path: string) => ({
    url: url + path,
    auth: { kind: 'basic' as const, user, password },
    settleMs,
    timeoutMs: 1_000,
  })
  return {
    documents: odataTarget({
      ...access(erp, `${V2}/API_SLUICE_DEMO_SRV`),
      version: 'v2',
      entities: { IncomingDocuments: { key: ['ID'], reference: 'ExternalReference' } },
    }),
    orders: odataTarget({
      ...access(erp, `${V4}/API_SALES_ORDER_SRV`),
      version: 'v4',
      entities: { A_SalesOrder: { key: ['SalesOrder'], reference: 'ExternalDocumentID' } },
    }),
    ...(headquarters && {
      headquarters: odataTarget({
        ...access(headquarters, `${V2}/API_SALES_ORDER_SRV`),
        version: 'v2',
        entities: {
          A_SalesOrder: { key: ['SalesOrder'], object: 'SalesOrder', version: 'LastChangeDateTime', readonly: true },
        },
      }),
    }),
  }
}

/** A second application's or a newer version's subscription may want the same orders. */
export type SubscriptionName = 'orders' | 'stock' | 'poison' | 'changes' | 'audit'

/** As long as it takes: on a slow machine most attempts run out of time, and giving up is not what is tested. */
const RETRY = { attempts: 1_000, baseMs: 50, factor: 2, capMs: 400 }

/** @param system who writes, as the ERP shall remember it */
export const subscriptionOf = (name: SubscriptionName, system: string) => ({ name, ...SUBSCRIPTIONS[name](system) })

const SUBSCRIPTIONS = {
  // A fact becomes two documents, so that a crash can come between a handler's writes.
  orders: (system: string) => ({
    on: ['shop.order.created'],
    retry: RETRY,
    handler: handlerOf(async (event, { documents }) => {
      for (const step of ['order', 'confirmation']) {
        const reference = `${event.id}/${step}`
        await documents?.create('IncomingDocuments', document(system, step, event.data), { reference })
      }
    }),
  }),
  // A state becomes a note of its own, and one record that shows the latest. Nothing in it guards it: the lane must.
  stock: (system: string) => ({
    on: ['shop.stock.changed'],
    retry: RETRY,
    handler: handlerOf(async ({ id, data }, { documents, orders }) => {
      await documents?.create('IncomingDocuments', document(system, 'state', data), { reference: `${id}/state` })
      const row = { SalesOrderType: 'OR', SalesOrganization: '1010', SoldToParty: '17100001', TotalNetAmount: data.seq }
      await orders?.upsert('A_SalesOrder', { reference: data.key }, { ...row, PurchaseOrderByCustomer: system })
    }),
  }),
  // A handler that takes its process with it.
  poison: () => ({
    on: ['shop.poison.sent'],
    retry: { ...RETRY, attempts: 2 },
    handler: handlerOf(() => process.kill(process.pid, 'SIGKILL')),
  }),
  // One document for each version of a headquarters' order.
  changes: (system: string) => ({
    on: ['headquarters.order.changed'],
    retry: RETRY,
    fetch: { target: 'headquarters' },
    handler: (async (_event, { record, targets }) => {
      if (!record) throw new Error('the subscription fetches its record')
      const { SalesOrder, TotalNetAmount } = record.data
      const data = document(system, 'change', { key: String(SalesOrder), seq: Number(TotalNetAmount) })
      const reference = changeReference(system, String(SalesOrder), String(record.version))
      await targets.documents?.create('IncomingDocuments', data, { reference })
    }) satisfies Handler,
  }),
  audit: (system: string) => ({
    on: ['shop.order.created'],
    retry: RETRY,
    handler: handlerOf(async (event, { documents }) => {
      const reference = `${event.id}/audit`
      await documents?.create('IncomingDocuments', document(system, 'audit', event.data), { reference })
    }),
  }),
}

type Sessions = Parameters<Handler>[1]['targets']

const handlerOf =
  (handle: (event: HandlerEvent<ShopMessage>, targets: Sessions) => unknown): Handler =>
  async (event, { targets }) => {
    await handle(event as HandlerEvent<ShopMessage>, targets)
  }

const document = (system: string, step: string, { key, seq }: Pick<ShopMessage, 'key' | 'seq'>) => ({
  SourceSystem: system,
  EventType: step,
  Subject: key,
  Amount: seq,
})

/** @param system whose label tells which cluster has copied the change */
export const changeReference = (system: string, order: string, version: string): string =>
  `${system.split(':')[0]}:${order}@${Date.parse(version)}`

/** Small pages, so that a crash can come between two; a short overlap, so that every run reads rows again. */
const POLL = { overlapMs: 2_000, pageSize: 2 }

export const headquartersPoll = ({ poll = POLL }: Pick<BusinessOptions, 'poll'>): PollPolicy => ({
  ...poll,
  name: 'headquarters',
  target: 'headquarters',
  entity: 'A_SalesOrder',
  type: 'headquarters.order.changed',
  object: 'SalesOrder',
  schedule: {
    slotsBetween: (after, until) => (until > after ? [until] : []),
    start(due) {
      const timer = setInterval(due, 200)
      return { stop: () => clearInterval(timer) }
    },
  },
  when: 'always',
  staleAfterMs: 60_000,
  startFrom: 'beginning',
})
