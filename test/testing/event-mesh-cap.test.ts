import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect } from 'chai'
import { freePort } from '../../demo/free-port.ts'
import { authority, type EventMeshBroker, eventMeshBroker } from '../../testing/index.ts'
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
    })
    after(async () => {
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
      await soon(async () => (await broker.state()).subscriptions[0]?.subscriptionStatus === 'ACTIVE')
      const { queues, subscriptions } = await broker.state()
      expect(queues.find(({ name }) => name === QUEUE)?.topics).to.deep.equal(['+/+/+/ce/sales/order/created/v1'])
      expect(subscriptions[0]).to.include({ name: QUEUE, handshakeStatus: 'COMPLETED', qos: 1 })
      expect(subscriptions[0]?.endpoint).to.match(/\/messaging\/enterprise-messaging\?q=default\/cap\.app\/1\/orders$/)
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

    it('publishes an event', async () => {
      await broker.queue(`${NAMESPACE}/shipped`, [`${NAMESPACE}/ce/sales/order/shipped/*`])
      app.stdin?.write('emit\n')
      await soon(async () =>
        (await broker.state()).queues.some(({ name, ready }) => name.endsWith('shipped') && ready === 1),
      )
    })
  })
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
