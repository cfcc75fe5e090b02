import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect } from 'chai'
import type { Inbox } from '#domain/ports'
import { authenticator } from '../../adapters/auth/authenticate.ts'
import { eventMeshTarget, meshPull } from '../../adapters/event-mesh/index.ts'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { eventMesh } from '../../adapters/sources/index.ts'
import { freePort } from '../../demo/free-port.ts'
import { createGateway, type Gateway } from '../../srv/gateway.ts'
import { authority, type EventMeshBroker, eventMeshBroker } from '../../testing/index.ts'
import { hmacSource, signed } from '../helpers/hmac-source.ts'
import { connectionTo } from '../helpers/mesh.ts'
import { until } from './support.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const HOST = 'mesh.sluice.test'
const NAMESPACE = 'default/cap.app/1'
const QUEUE = `${NAMESPACE}/orders`

/** CAP knows neither ports nor other name services: what it asks port 443 of the broker's name leads to the simulator. */
const NAME_SERVICE = `
const https = require('node:https')
const { createConnection } = https.globalAgent
https.globalAgent.createConnection = function (options, done) {
  const there = options.host === '${HOST}' ? { ...options, host: '127.0.0.1', port: Number(process.env.MESH_PORT) } : options
  return createConnection.call(this, there, done)
}`

const SERVER = `
const cds = globalThis.cds
cds.on('served', async () => {
  const messaging = await cds.connect.to('messaging')
  messaging.on('sales.order.created.v1', ({ data, headers }) => {
    console.log('RECEIVED ' + JSON.stringify({ data, id: headers.id, type: headers.type, source: headers.source }))
  })
  process.stdin.on('data', () => messaging.emit('sales.order.shipped.v1', { order: '4711' }))
  process.stdin.on('close', () => process.exit(0))
})
module.exports = cds.server`

/**
 * A foreign client that was not written for the simulator: CAP's own messaging, unchanged, in a process of its own,
 * over TLS with an authority that only NODE_EXTRA_CA_CERTS vouches for.
 */
for (const { kind, label } of [
  { kind: 'enterprise-messaging', label: 'enterprise-messaging' },
  { kind: 'event-mesh', label: 'event-mesh-message-client' },
]) {
  describe(`Event Mesh simulator and CAP's ${kind}`, function () {
    this.timeout(60_000)
    let broker: EventMeshBroker
    let app: ChildProcess
    let front: https.Server
    let folder: string
    let output: string
    /** The other end, on the same broker. */
    let gateway: Gateway
    let server: http.Server
    const memory = memoryInbox()

    before(async () => {
      output = ''
      folder = mkdtempSync(join(tmpdir(), 'sluice-cap-'))
      const ca = authority('the platform')
      const rules = { publish: [`${NAMESPACE}/*`, 'default/another/1/*'], subscribe: ['*'], queues: [`${NAMESPACE}/*`] }
      broker = await eventMeshBroker({ tls: true, hostname: HOST, trustedCa: ca.certificate, rules })
      const port = await freePort()
      front = await tlsInFrontOf(port, ca.issue('the router', ['127.0.0.1']))
      writeFileSync(join(folder, 'ca.pem'), broker.ca ?? '')
      writeFileSync(join(folder, 'name-service.cjs'), NAME_SERVICE)
      writeFileSync(join(folder, 'server.js'), SERVER)
      const messaging = {
        kind,
        format: 'cloudevents',
        queue: { name: QUEUE },
        webhook: { waitingPeriod: 1 },
        outboxed: false,
      }
      const requires = { messaging, auth: { kind: 'mocked' } }
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'cap-app', cds: { requires } }))
      app = spawn(process.execPath, [join(ROOT, 'node_modules/@sap/cds/bin/serve.js')], {
        cwd: folder,
        stdio: ['pipe', 'pipe', 'pipe'],
        env: {
          PATH: process.env.PATH,
          HOME: folder,
          PORT: String(port),
          NODE_OPTIONS: `--require ${join(folder, 'name-service.cjs')}`,
          NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
          MESH_PORT: new URL(broker.url).port,
          VCAP_APPLICATION: JSON.stringify({
            application_id: 'app',
            application_name: 'cap-app',
            application_uris: [`127.0.0.1:${(front.address() as AddressInfo).port}`],
          }),
          VCAP_SERVICES: JSON.stringify({ [label]: [{ label, name: 'mesh', tags: [], credentials: binding(broker) }] }),
        },
      })
      const heard = (chunk: Buffer) => {
        output += chunk
      }
      app.stdout?.on('data', heard)
      app.stderr?.on('data', heard)
      gateway = sluice(broker, memory)
      await gateway.start()
      server = http.createServer(gateway.express()).listen(0, '127.0.0.1')
      await once(server, 'listening')
      for (const queue of ['pushed', 'pulled']) {
        await broker.queue(`${NAMESPACE}/${queue}`, [`${NAMESPACE}/ce/sales/order/shipped/*`])
      }
      const { port: at } = server.address() as AddressInfo
      await broker.subscribe(`${NAMESPACE}/pushed`, `http://127.0.0.1:${at}/webhooks/pushed`)
    })
    after(async () => {
      await gateway?.stop({ timeoutMs: 1_000 })
      server?.closeAllConnections()
      server?.close()
      if (app && app.exitCode === null && app.signalCode === null) {
        const exited = once(app, 'exit')
        app.kill('SIGKILL')
        await exited
      }
      front?.closeAllConnections()
      front?.close()
      await broker?.stop()
      rmSync(folder, { recursive: true, force: true })
    })

    const soon = async (isSo: () => Promise<boolean> | boolean) => {
      try {
        await until(isSo)
      } catch (error) {
        throw new Error(`${error instanceof Error ? error.message : error}\n${output.slice(-4_000)}`)
      }
    }

    it('deploys its queue, its topics and its webhook', async () => {
      const webhook = async () => (await broker.state()).subscriptions.find(({ name }) => name === QUEUE)
      await soon(async () => (await webhook())?.subscriptionStatus === 'ACTIVE')
      const { queues } = await broker.state()
      const subscription = await webhook()
      expect(queues.find(({ name }) => name === QUEUE)?.topics).to.deep.equal(['+/+/+/ce/sales/order/created/v1'])
      expect(subscription).to.include({ name: QUEUE, handshakeStatus: 'COMPLETED', qos: 1 })
      expect(subscription?.endpoint).to.match(/\/messaging\/enterprise-messaging\?q=default\/cap\.app\/1\/orders$/)
    })

    it('receives an event', async () => {
      await broker.publish('default/another/1/ce/sales/order/created/v1', {
        specversion: '1.0',
        id: 'evt-1',
        type: 'sales.order.created.v1',
        source: '/default/another/1',
        datacontenttype: 'application/json',
        data: { order: '4711' },
      })
      await soon(() => output.includes('RECEIVED'))
      const received = /RECEIVED (.+)/.exec(output)?.[1] ?? ''
      expect(JSON.parse(received)).to.deep.equal({
        data: { order: '4711' },
        id: 'evt-1',
        type: 'sales.order.created.v1',
        source: '/default/another/1',
      })
      await soon(async () => (await broker.state()).queues.find(({ name }) => name === QUEUE)?.acked === 1)
    })

    it('receives what Sluice publishes', async () => {
      output = ''
      await gateway.receive({ method: 'POST', url: '/webhooks/shop', headers: signed('{}'), body: Buffer.from('{}') })
      await soon(() => output.includes('RECEIVED'))
      const received = JSON.parse(/RECEIVED (.+)/.exec(output)?.[1] ?? '')
      const [stored] = memory.state.events.values()
      expect(received).to.deep.equal({
        data: { order: 12345 },
        id: stored?.key,
        type: 'sales.order.created.v1',
        source: '/default/another/1',
      })
    })

    it('publishes what Sluice takes, pushed and pulled', async () => {
      app.stdin?.write('emit\n')
      const taken = () => [...memory.state.events.values()].filter(({ origin }) => origin !== 'shop')
      await soon(() => taken().length === 2)
      expect(taken().map(({ origin }) => origin)).to.have.members(['pulled', 'pushed'])
      for (const { attributes, data } of taken()) {
        expect(attributes).to.include({ type: 'sales.order.shipped.v1', source: `/${NAMESPACE}` })
        expect(data).to.equal('{"order":"4711"}')
      }
      const [one, other] = taken()
      expect(one?.attributes.id).to.equal(other?.attributes.id)
    })
  })
}

const sluice = (broker: EventMeshBroker, inbox: Inbox): Gateway => {
  const connection = connectionTo(broker, { namespace: 'default/another/1' })
  const { jwksUrl, client, ca = '' } = broker
  const queue = `${NAMESPACE}/pulled`
  const pulled = eventMesh({ queue, auth: { kind: 'none' } })
  const auth = { kind: 'jwt', jwksUrl, audience: client.audience } as const
  const keys = new https.Agent({ ca })
  return createGateway({
    inbox,
    authenticate: authenticator({ fetch: (url) => fetchOver(keys, url) }),
    sources: { shop: hmacSource(), pushed: eventMesh({ queue: `${NAMESPACE}/pushed`, auth }) },
    consumers: [{ name: 'pulled', source: pulled, pull: meshPull(connection, queue), consumers: 1, idleMs: 100 }],
    targets: { mesh: eventMeshTarget({ connection }) },
    subscriptions: [
      {
        name: 'out',
        on: ['*'],
        sources: ['shop'],
        handler: ({ key }, { targets }) =>
          targets.mesh?.publish({ key, type: 'sales.order.created.v1', data: { order: 12345 } }),
      },
    ],
  })
}

/** As `GuardedFetch`, with the broker's authority, which only its own run vouches for. */
const fetchOver = async (agent: https.Agent, url: string) => {
  const [answer] = (await once(https.get(url, { agent }), 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  return { status: answer.statusCode ?? 0, headers: {}, body: Buffer.concat(chunks) }
}

const binding = ({ client }: EventMeshBroker) => {
  const oa2 = {
    clientid: client.clientId,
    clientsecret: client.clientSecret,
    tokenendpoint: `https://${HOST}/oauth/token`,
    granttype: 'client_credentials',
  }
  const uri = `https://${HOST}`
  return {
    namespace: NAMESPACE,
    management: [{ uri, oa2 }],
    messaging: [{ protocol: ['httprest'], broker: { type: 'saprestmgw' }, uri, oa2 }],
  }
}

/** As the platform's router: ends TLS and passes on. */
const tlsInFrontOf = async (port: number, { certificate, key }: { certificate: string; key: string }) => {
  const server = https.createServer({ cert: certificate, key }, (incoming, response) => {
    const { method, url, headers } = incoming
    const onward = http.request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.writeHead(502).end())
    incoming.pipe(onward)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server
}
