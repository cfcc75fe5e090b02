import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { cdsInbox } from '../../../adapters/inbox/index.ts'
import { eventMesh } from '../../../adapters/sources/index.ts'
import { createGateway, type Gateway } from '../../../srv/gateway.ts'
import { type EventMeshBroker, eventMeshBroker } from '../../../testing/event-mesh/index.ts'
import { until } from '../../testing/support.ts'

const SLOTS = 18
const COUNT = 10 * SLOTS
const QUARTER_MS = 15 * 60_000
const DAY_MS = 24 * 60 * 60_000

const good = (n: number) => ({
  specversion: '1.0',
  id: `good-${n}`,
  source: '/s4',
  type: 'sap.s4.beh.salesorder.v1.SalesOrder.Deleted.v1',
  data: { SalesOrder: String(n) },
})
/** Whatever makes a receiver fail: no JSON, no id, wrong types, half an envelope, bytes, a list of nothing. */
const poison = (n: number): string | object =>
  [
    '{',
    '',
    'null',
    '[1,2]',
    '\u0000',
    { ...good(n), id: '' },
    { ...good(n), id: { deep: [] } },
    { ...good(n), type: 'x'.repeat(5_000) },
    { ...good(n), data_base64: '!', data: 1 },
    { specversion: '9', id: String(n), type: '', source: '' },
  ][n % 10] ?? ''

/** Time as the broker sees it: real time is nothing, and a delivery that was not acknowledged costs 15 minutes or more. */
describe('event-mesh: poison at full speed', () => {
  let broker: EventMeshBroker
  let gateway: Gateway | undefined
  let server: Server | undefined
  let folder: string

  beforeEach(async () => {
    broker = await eventMeshBroker()
    folder = mkdtempSync(join(tmpdir(), 'sluice-poison-'))
  })
  afterEach(async () => {
    server?.closeAllConnections()
    server?.close()
    await gateway?.stop({ timeoutMs: 1_000 })
    await broker.stop()
    ;[server, gateway] = [undefined, undefined]
    rmSync(folder, { recursive: true, force: true })
  })

  const listen = async (listener: RequestListener): Promise<string> => {
    server = createServer(listener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/s4`
  }
  const sluice = async (): Promise<string> => {
    const audience = broker.client.audience[0] ?? ''
    gateway = createGateway({
      inbox: cdsInbox({ url: join(folder, 'sluice.db') }),
      sources: { s4: eventMesh({ queue: 'q/s4', auth: { kind: 'jwt', jwksUrl: broker.jwksUrl, audience } }) },
      authenticate: authenticator(),
    })
    await gateway.start()
    return listen(gateway.express())
  }
  const queue = async () => (await broker.state()).queues.find(({ name }) => name === 'q/s4')

  /** Sends everything through the 18 slots. @returns how long that takes in the broker's time, in ms */
  async function timeFor(endpoint: string, make: (n: number) => string | object): Promise<number> {
    await broker.queue('q/s4', ['t/*'])
    for (let n = 0; n < COUNT; n++) await broker.publish(`t/${n}`, make(n), 'application/cloudevents+json')
    await broker.subscribe('q/s4', endpoint)
    for (let passedMs = 0; ; passedMs += QUARTER_MS) {
      let found = await queue()
      const rests = () => (found?.nacked ?? 0) - (found?.redelivered ?? 0)
      // Moves by itself until all is acknowledged, or all that is under way waits for its next try.
      await until(async () => {
        found = await queue()
        return found?.acked === COUNT || (rests() > 0 && rests() === found?.unacked)
      })
      if (found?.acked === COUNT || passedMs >= DAY_MS) return passedMs
      await broker.advance(QUARTER_MS)
    }
  }

  for (const [what, make] of [
    ['good events', good],
    ['poison', poison],
    ['half and half', (n: number) => (n % 2 ? good(n) : poison(n))],
  ] as const) {
    it(`takes ${COUNT} messages of ${what} through 18 slots with one delivery each, and no time passes`, async () => {
      expect(await timeFor(await sluice(), make)).to.equal(0)
      expect(await queue()).to.include({ nacked: 0, redelivered: 0, ready: 0, unacked: 0, dead: 0, purged: 0 })
    })
  }

  // What the above would look like with a single 4xx: so the figures can tell one from the other.
  it('would not get past the first 18 within a day, were poison refused', async () => {
    const endpoint = await listen((request, response) => {
      request.resume()
      response.setHeader('webhook-allowed-origin', '*')
      response.writeHead(request.method === 'OPTIONS' ? 200 : 422).end()
    })
    expect(await timeFor(endpoint, poison)).to.equal(DAY_MS)
    expect(await queue()).to.include({ acked: 0, ready: COUNT - SLOTS })
  })
})
