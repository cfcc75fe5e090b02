import { createServer } from 'node:http'
import { flushCompileCache } from 'node:module'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { createGateway, type Role } from 'cap-sluice'
import { type CdsInboxOptions, cdsInbox } from '../../adapters/inbox/index.ts'
import {
  type BusinessOptions,
  businessTargets,
  headquartersPoll,
  type SubscriptionName,
  shopSources,
  subscriptionOf,
} from './helpers/business.ts'
import { watchPostgres } from './helpers/database-failpoints.ts'
import { type Armed, arm, reach, tell } from './helpers/failpoints.ts'
import { answerFirst, type Mutation, mutatedInbox, mutatedSource, mutatedTarget } from './helpers/mutations.ts'
import { watchedHandler, watchedInbox, watchedSource, watchedTarget, watchWrites } from './helpers/watched-ports.ts'

export interface ChildOptions extends BusinessOptions {
  /** As the ERP shall remember who wrote. */
  readonly name: string
  readonly store: CdsInboxOptions
  readonly subscriptions: readonly SubscriptionName[]
  readonly leaseMs: number
  /** How long it waits for its handlers when it is asked to end. */
  readonly drainMs: number
  readonly roles?: readonly Role[]
}

// A gateway as a Node developer composes one, with failpoints around it: the product has none of its own.
// Options are its argument; FAILPOINT and MUTATION come from the environment, further orders as lines.
const options = JSON.parse(process.argv[2] ?? '') as ChildOptions
const { FAILPOINT, MUTATION } = process.env
const mutation = MUTATION as Mutation | undefined

if (FAILPOINT) arm(JSON.parse(FAILPOINT) as Armed)
watchPostgres(mutation !== 'no-transaction')
watchWrites()

const map = <From, To>(record: Readonly<Record<string, From>>, change: (value: From) => To): Record<string, To> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))

const gateway = createGateway({
  inbox: watchedInbox(mutatedInbox(cdsInbox(options.store), mutation)),
  sources: map(shopSources(options), (source) => watchedSource(mutatedSource(source, mutation))),
  targets: map(businessTargets(options), (target) => watchedTarget(mutatedTarget(target, mutation))),
  subscriptions: options.subscriptions
    .map((name) => subscriptionOf(name, options.name))
    .map((one) => ({ ...one, handler: watchedHandler(one.handler), timeoutMs: options.leaseMs - 100 })),
  polls: options.headquarters ? [headquartersPoll(options)] : [],
  worker: { leaseMs: options.leaseMs, idleMs: 100 },
  ...(options.roles && { roles: options.roles }),
})

const door = mutation === 'answer-first' ? answerFirst(gateway) : gateway.express()
const server = createServer((request, response) => {
  response.once('finish', () => reach('answered'))
  door(request, response)
})

process.on('SIGTERM', async () => {
  const drained = gateway.drain({ timeoutMs: options.drainMs })
  reach('draining')
  await drained
  server.close()
  server.closeAllConnections()
  await gateway.stop()
  process.exit(0)
})

// The test is gone, however it went.
const orders = createInterface({ input: process.stdin }).once('close', () => process.exit(0))
orders.on('line', (line) => {
  arm((JSON.parse(line) as Armed | null) ?? undefined)
  tell({ armed: true })
})

await gateway.start()
server.listen(0, '127.0.0.1', () => {
  // A killed process would never write it.
  flushCompileCache()
  tell({ ready: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
})
