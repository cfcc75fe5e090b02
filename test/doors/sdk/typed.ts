// What a TypeScript user writes, and what their compiler must refuse. Never run.
import { createServer } from 'node:http'
import {
  type Clock,
  createGateway,
  type Gateway,
  type GatewayHealth,
  type Handler,
  type HandlerContext,
  type HandlerEvent,
  type Item,
  type Log,
  type OrderPolicy,
  PermanentError,
  type Reply,
  RetryAfterError,
  type RetryPolicy,
  SluiceError,
  type Source,
  type Subscription,
  type SubscriptionOptions,
  type Target,
  type Verification,
  type WriteResult,
} from 'cap-sluice'
import { authenticator } from 'cap-sluice/auth'
import { cdsInbox, memoryInbox } from 'cap-sluice/inbox'
import { type ODataTargetOptions, odataTarget } from 'cap-sluice/odata'
import { cronSchedule } from 'cap-sluice/schedule'
import { github, type SourceKind, type StripeOptions, sources, stripe } from 'cap-sluice/sources'
import { erpSandbox, eventMeshBroker, fakeTarget, signed, simulate, virtualClock } from 'cap-sluice/testing'

interface Order {
  readonly id: string
  readonly total: number
}

declare module 'cap-sluice' {
  interface EventTypes {
    'acme.order.created.v1': Order
    'acme.order.canceled.v1': { readonly id: string }
  }
}

const stripeOptions: StripeOptions = { secrets: ['whsec_x'], toleranceMs: 1_000 }
const erpOptions: ODataTargetOptions = {
  version: 'v2',
  url: 'https://erp.example/sap/opu/odata/sap/API_SALES_ORDER_SRV',
  auth: { kind: 'basic', user: 'u', password: 'p' },
  entities: { A_SalesOrder: { key: ['SalesOrder'], reference: 'PurchaseOrderByCustomer' } },
}
const bookings: Handler<Order, WriteResult, 'erp'> = async (event, { targets }) =>
  targets.erp.create('A_SalesOrder', { Total: event.data.total }, { reference: event.id })
const listed: Subscription<Order> = { name: 'listed', on: ['commerce.*'], handler: (event) => event.data.total }

const gateway = createGateway({
  inbox: cdsInbox({ url: 'sluice.db' }),
  sources: { stripe: stripe(stripeOptions), github: github({ secrets: ['s'] }) },
  targets: { erp: odataTarget(erpOptions) },
  subscriptions: [listed, { name: 'inline', on: ['*'], handler: (event, { log }) => log.info(event.type) }],
  polls: [
    {
      name: 'orders',
      target: 'erp',
      entity: 'A_SalesOrder',
      type: 'sales.order.changed.v1',
      object: 'SalesOrder',
      schedule: cronSchedule({ cron: '*/5 * * * *' }),
      overlapMs: 0,
      pageSize: 500,
      when: 'always',
      staleAfterMs: 900_000,
      startFrom: 'now',
    },
  ],
  roles: ['intake', 'worker'],
  authenticate: authenticator(),
  log: console,
  worker: { idleMs: 100 },
})

// Data by event type, by type argument, and unknown where nothing is known.
gateway.on('acme.order.created.v1', { name: 'typed' }, ({ data }) => {
  const total: number = data.total
  return total
})
gateway.on(['acme.order.created.v1', 'acme.order.canceled.v1'], { name: 'both' }, ({ data }) => data.id)
gateway.on<Order>('acme.order', { name: 'explicit', order: 'block', retry: { attempts: 3 } }, bookings)
gateway.on('acme.*', { name: 'unknown', concurrency: 4 }, async (event, context) => {
  // @ts-expect-error unknown data has no members
  event.data.total
  // @ts-expect-error there is no such target
  context.targets.crm
  const record: Readonly<Record<string, unknown>> | undefined = context.record?.data
  const bytes: Uint8Array | undefined = await context.payload()
  const shop: string | undefined = (await context.delivery())?.headers['x-shop']
  context.log.info('from', { shop })
  context.signal.throwIfAborted()
  if (event.subject === '') throw new PermanentError('no subject', { remedy: 'Ask the sender.' })
  if (bytes?.length === 0) throw new RetryAfterError(1_000, 'later')
  return record
})
// @ts-expect-error a subscription needs a name
gateway.on('a', {}, () => {})
// @ts-expect-error there is no such order
gateway.on('a', { name: 'a', order: 'fifo' }, () => {})
// @ts-expect-error a misspelled option
gateway.on('a', { name: 'a', timeout: 1 }, () => {})
// @ts-expect-error an inbox is needed
createGateway({})
// @ts-expect-error there is no such role
createGateway({ inbox: memoryInbox(), roles: ['janitor'] })
// @ts-expect-error secrets are a list
stripe({ secrets: 'whsec_x' })
// @ts-expect-error there is no such kind
const kind: SourceKind = 'fax'

const house: Source = {
  kind: 'house',
  verify: ({ headers }): Verification =>
    headers['x-house']?.[0] ? { ok: true, authlevel: 'token' } : { ok: false, reason: 'token-missing' },
  normalize: ({ body }): Item[] => [
    {
      ok: true,
      draft: {
        identity: { none: true },
        attributes: { id: '1', source: '/house', type: 'house.rung' },
        nature: 'fact',
        data: new TextDecoder().decode(body),
      },
    },
  ],
}

export async function main(any: Gateway, target: Target, clock: Clock, log: Log): Promise<void> {
  const policy: Partial<RetryPolicy> = { attempts: 1 }
  const order: OrderPolicy = 'latest'
  const options: SubscriptionOptions = { name: 'x', order, retry: policy, sources: ['s4'], fetch: { target: 'erp' } }
  any.on('*', options, (_event: HandlerEvent, context: HandlerContext) => context.targets)
  const plain = createGateway({ inbox: memoryInbox(), sources: { house }, targets: { target }, clock, log })
  createServer(gateway.express())
  const mount = (_path: string, _handler: (request: never, response: never, next: () => void) => void) => {}
  mount('/webhooks', gateway.express())

  const headers = new Headers({ 'x-house': '1' })
  const reply: Reply = await plain.receive({ method: 'POST', url: 'https://x.example/house', headers, body: '{}' })
  new Response(reply.body ?? null, { status: reply.status, ...(reply.headers ? { headers: reply.headers } : {}) })
  await plain.receive({ method: 'POST', url: '/house', headers: { 'x-house': ['1'] }, body: new Uint8Array() })
  // @ts-expect-error a parsed body cannot be verified
  await plain.receive({ method: 'POST', url: '/house', headers: {}, body: { parsed: true } })

  const replayed = await gateway.admin.replay('key', undefined, 'ann')
  if (!replayed.ok) {
    const reason: 'not-found' | 'conflict' = replayed.reason
    throw new SluiceError('x', reason, { retry: { afterMs: 1 } })
  }
  const [first] = replayed.dispatches
  const { state, clockOffsetMs }: GatewayHealth = await gateway.health()
  const { unfinished }: { unfinished: number } = await gateway.stop({ timeoutMs: 1 })
  log.info('stopped', { first, state, clockOffsetMs, unfinished, kinds: Object.keys(sources), kind })

  const erp = fakeTarget()
  const app = simulate({ sources: { stripe: stripe(stripeOptions) }, targets: { erp } })
  app.gateway.on('*', { name: 'x' }, (event, { targets }) => targets.erp.create('O', {}, { reference: event.id }))
  await app.deliver('stripe', signed.stripe({ secret: 's', type: 'payment_intent.succeeded' }))
  await app.send({ type: 'x', data: { a: 1 } })
  const [dispatch] = await app.settle()
  const outcome: 'waiting' | 'done' | 'skipped' | 'dead' | 'unsure' | undefined = dispatch?.status
  const { writes } = erp
  log.info('simulated', { outcome, action: writes[0]?.action, at: virtualClock().now() })
  const simulators = [await erpSandbox({ port: 0 }), await eventMeshBroker()]
  for (const each of simulators) await each.stop()
}
