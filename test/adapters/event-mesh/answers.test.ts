import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { eventMeshTarget, manageMesh, meshPull } from '../../../adapters/event-mesh/index.ts'
import { memoryInbox } from '../../../adapters/inbox/memory/index.ts'
import { eventMesh } from '../../../adapters/sources/index.ts'
import { createGateway, type Gateway } from '../../../srv/gateway.ts'
import { type EventMeshBroker, eventMeshBroker, type Fault, virtualClock } from '../../../testing/index.ts'
import { hmacSource, signed } from '../../helpers/hmac-source.ts'
import { connectionTo, S4_TOPIC, s4Event } from '../../helpers/mesh.ts'
import { recordingLog } from '../../helpers/recording-log.ts'
import { until } from '../../testing/support.ts'

const NAMESPACE = 'default/my.app/1'
const WATCH_MS = 5_000
const html = { headers: { 'content-type': 'text/html' }, body: '<html>' }

/** What a broker, or whatever stands in front of it, may answer to everything; and what that means. */
const ANSWERS: readonly (readonly [string, Omit<Fault, 'match'>, 'refused' | 'unreachable'])[] = [
  ['403', { answer: 403 }, 'refused'],
  ['409', { answer: 409 }, 'refused'],
  ['429', { answer: 429, headers: { 'retry-after': '2' } }, 'unreachable'],
  ['503', { answer: 503 }, 'unreachable'],
  ['a page of HTML', { answer: 200, ...html }, 'unreachable'],
  ['a cut connection', { answer: 'cut' }, 'unreachable'],
  ['nothing', { answer: 'hang' }, 'unreachable'],
]

/** One gateway that sets up and watches, is pushed to, pulls and publishes. Its clock is moved, the broker is real. */
describe('an Event Mesh that answers oddly', function () {
  this.timeout(60_000)
  let broker: EventMeshBroker
  let gateway: Gateway
  let server: Server

  beforeEach(async () => {
    broker = await eventMeshBroker()
    await broker.queue('published', [`${NAMESPACE}/ce/*`])
  })
  afterEach(async () => {
    server.closeAllConnections()
    server.close()
    await gateway.stop({ timeoutMs: 0 })
    await broker.stop()
  })

  for (const [name, answer, code] of ANSWERS) {
    it(`${name}: alarms, hurts nobody, and goes on when it is over, in set-up, watch, pull and publish`, async () => {
      const clock = virtualClock(new Date())
      const soon = (isSo: () => Promise<boolean> | boolean) =>
        until(async () => {
          // Small steps: what the machine does in the time of one must not look late.
          await clock.advance(100)
          return isSo()
        })
      const memory = memoryInbox({ now: clock.now })
      const log = recordingLog()
      const connection = connectionTo(broker, { namespace: NAMESPACE })
      // What a busy machine is late for the broker believes to be under way for a quarter of an hour.
      const inTime = { timeoutMs: name === 'nothing' ? 1_000 : 10_000, now: clock.now }
      server = createServer((request, response) => gateway.express()(request, response)).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const webhookUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/pushed`
      const { jwksUrl, client } = broker
      const watched = (source: string, more: { webhookUrl?: string } = {}) => ({
        source,
        role: 'intake' as const,
        watchMs: WATCH_MS,
        mesh: manageMesh({ queue: source, connection, subscribe: { topics: ['sap/*'] }, ...more }, inTime),
      })
      const pulled = eventMesh({ queue: 'pulled', auth: { kind: 'none' } })
      gateway = createGateway({
        inbox: memory,
        clock,
        log,
        authenticate: authenticator(),
        sources: {
          shop: hmacSource(),
          pushed: eventMesh({ queue: 'pushed', auth: { kind: 'jwt', jwksUrl, audience: client.audience } }),
        },
        meshes: [watched('pushed', { webhookUrl }), watched('pulled')],
        consumers: [
          { name: 'pulled', source: pulled, pull: meshPull(connection, 'pulled', inTime), consumers: 2, idleMs: 1_000 },
        ],
        targets: { mesh: eventMeshTarget({ connection, ...inTime }) },
        subscriptions: [
          {
            name: 'out',
            on: ['*'],
            sources: ['shop'],
            handler: (event, { targets }) => targets.mesh?.publish({ ...event, type: 'shop.order.v1' }),
            retry: { scheduleMs: Array(1_000).fill(2_000) },
          },
        ],
      })
      const alarms = async () =>
        ((await gateway.health()).risks ?? []).filter(({ severity }) => severity === 'alarm').map((risk) => risk.code)
      const attempts = () => [...memory.state.attempts.values()].flat()

      await broker.switch({ faults: [{ match: '/(messagingrest|hub)/', ...answer }] })
      await gateway.start()
      await gateway.receive({ method: 'POST', url: '/webhooks/shop', headers: signed('{}'), body: Buffer.from('{}') })
      await soon(async () => (await alarms()).length === 3)
      expect(await alarms()).to.deep.equal([code, code, code])
      await soon(() => attempts().length > 0)
      const health = await gateway.health()
      expect([health.ok, health.state]).to.deep.equal([true, 'started'])

      // Over: set up, delivered both ways, published. What was refused for good waits for an operator.
      await broker.switch({ faults: [] })
      await soon(async () => (await broker.state()).subscriptions[0]?.subscriptionStatus === 'ACTIVE')
      await broker.publish(S4_TOPIC, s4Event('evt-1'))
      const origins = () => [...memory.state.events.values()].map(({ origin }) => origin).sort()
      await soon(() => origins().length === 3)
      expect(origins()).to.deep.equal(['pulled', 'pushed', 'shop'])
      const [dispatch] = memory.state.dispatches.values()
      if (code === 'refused') {
        expect(dispatch?.status).to.equal('dead')
        await gateway.admin.retry(dispatch?.id ?? '', 'operator')
      }
      await soon(
        async () => ((await broker.state()).queues.find((queue) => queue.name === 'published')?.ready ?? 0) > 0,
      )
      await soon(async () => (await alarms()).length === 0)

      // Again, while everything stands.
      await broker.switch({ faults: [{ match: '/(messagingrest|hub)/', ...answer }] })
      await soon(async () => (await alarms()).length === 3)
      await broker.switch({ faults: [] })
      await soon(async () => (await alarms()).length === 0)
      expect(log.messages('error').filter((line) => /ended|failed to/.test(line))).to.deep.equal([])
      expect(log.text()).to.not.include(client.clientSecret)
    })
  }
})
