import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { type TestDatabase, testDatabase } from '../helpers/postgres.ts'
import { type TestApp, testApp } from './app.ts'

const production = { NODE_ENV: 'production' }

/** Preloaded by the app: SIGUSR2 puts its clock six seconds ahead, and back with the next one. */
const SHIFTED_CLOCK = `data:text/javascript,${encodeURIComponent(`
  const Real = Date
  let ahead = 0
  process.on('SIGUSR2', () => { ahead = 6_000 - ahead })
  globalThis.Date = class extends Real {
    constructor(...parts) { super(...(parts.length > 0 ? parts : [Real.now() + ahead])) }
    static now() { return Real.now() + ahead }
  }`)}`

/** A server that answers when the test says so. */
async function heldAnswer() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const asked = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    answer: () => {
      void asked.then(([, response]) => response.end(() => server.close()))
    },
  }
}

describe('the life of the app', () => {
  let app: TestApp | undefined
  let database: TestDatabase | undefined
  afterEach(async () => {
    await app?.cleanUp()
    await database?.drop()
    app = undefined
    database = undefined
  })

  it('is ready once the store is open, and keeps events over a restart', async () => {
    app = await testApp()
    expect((await app.request('/health')).json<unknown>()).to.deep.equal({ status: 'UP' })
    expect((await app.request('/health/ready')).json<unknown>()).to.deep.equal({ status: 'UP' })
    expect((await app.deliver('kept')).json<{ status: string }>().status).to.equal('accepted')
    await app.kill()
    await app.restart()
    expect((await app.deliver('kept')).json<{ status: string }>().status).to.equal('duplicate')
  })

  // The disk is full for it as soon as the system lets it write no file any further (Linux only).
  it('asks senders to come again while its disk is full, says for as long that it is not ready, and heals by itself', async () => {
    app = await testApp({ subscriptions: { orders: { on: '*', handler: 'test/service/handlers' } } })
    const limit = (soft: string) => execFileSync('prlimit', ['--pid', String(app?.pid()), `--fsize=${soft}:unlimited`])
    expect((await app.deliver('before')).status).to.equal(200)
    limit('4096')
    const refused = await app.deliver('refused')
    expect(refused.status).to.equal(503)
    expect(refused.headers.get('retry-after')).to.match(/^[1-9]\d*$/)
    // What only reads goes well, and means nothing.
    expect((await app.request('/odata/v4/cockpit/Sources', { user: 'viewer' })).status).to.equal(200)
    expect((await app.request('/health/ready')).json<unknown>()).to.deep.equal({
      status: 'DOWN',
      reason: 'store-unavailable',
    })
    expect((await app.request('/health')).status).to.equal(200)
    limit('unlimited')
    expect((await app.deliver('refused')).json<{ status: string }>().status).to.equal('accepted')
    expect((await app.request('/health/ready')).status).to.equal(200)
  })

  it('is not ready while its clock is off by more than five seconds, and stores all the same', async function () {
    database = await testDatabase(this)
    const { credentials } = database
    const preload = { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import "${SHIFTED_CLOCK}"` }
    app = await testApp({}, { 'sluice-db': { kind: 'postgres', credentials } }, preload)
    const turnClock = () => process.kill(app?.pid() ?? 0, 'SIGUSR2')
    const ready = async () => (await app?.request('/health/ready'))?.json<unknown>()
    turnClock()
    while (JSON.stringify(await ready()) !== '{"status":"DOWN","reason":"clock"}') {}
    expect((await app.request('/health')).status).to.equal(200)
    expect((await app.deliver('meanwhile')).status).to.equal(200)
    turnClock()
    while (JSON.stringify(await ready()) !== '{"status":"UP"}') {}
  })

  it('logs one JSON object a line in production, with the correlation id and without secrets', async () => {
    app = await testApp({}, {}, production)
    const headers = { 'x-correlation-id': 'trace-me', 'x-event-id': '1', 'x-signature': 'deadbeef' }
    const answer = await app.request('/webhooks/orders', { method: 'POST', body: '{"iban":"DE00"}', headers })
    expect(answer.status).to.equal(401)
    expect(answer.headers.get('x-correlation-id')).to.equal('trace-me')
    await app.stop()
    const lines = app
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
    const refused = lines.map((line) => JSON.parse(line)).find(({ msg }) => msg?.includes('refused'))
    expect(refused).to.include({ level: 'warn', logger: 'sluice', correlation_id: 'trace-me' })
    expect(app.output()).not.to.match(/deadbeef|DE00/)
  })

  it('refuses anonymous callers in production, where nobody configured authentication', async () => {
    app = await testApp({}, { auth: { kind: 'mocked', users: {} } }, production)
    expect((await app.request('/odata/v4/cockpit/Events')).status).to.equal(401)
  })

  it('ends on SIGTERM with its work done and its store closed', async () => {
    app = await testApp({ subscriptions: { orders: { on: '*', handler: 'test/service/handlers' } } })
    await app.deliver('before-the-end')
    await app.stop()
    expect(app.output()).to.include('stopped')
  })

  it('still stores deliveries while it drains, says that it is not ready, and waits for the running handler', async () => {
    app = await testApp({ subscriptions: { orders: { on: '*', handler: 'test/service/handlers' } } })
    const handler = await heldAnswer()
    await app.deliver('held', JSON.stringify({ waitFor: handler.url }))
    await handler.asked
    const ended = app.stop()
    let ready = await app.request('/health/ready')
    while (ready.status === 200) ready = await app.request('/health/ready')
    expect(ready.json<unknown>()).to.deep.equal({ status: 'DOWN', reason: 'draining' })
    expect((await app.deliver('while-draining')).json<{ status: string }>().status).to.equal('accepted')
    handler.answer()
    await ended
    expect(app.output()).to.include('handled')
    await app.restart()
    expect((await app.deliver('while-draining')).json<{ status: string }>().status).to.equal('duplicate')
  })

  const mistakes: [string, Record<string, unknown>, RegExp][] = [
    ['an unknown setting', { sorces: {} }, /sluice: "sorces" is not a setting/],
    [
      'a poll without a version',
      {
        targets: { erp: { kind: 'odata-v2', url: 'http://localhost' } },
        polls: { p: { target: 'erp', entity: 'A', type: 't', object: 'A', key: ['A'], cron: '* * * * *' } },
      },
      /sluice\.polls\.p\.version: /,
    ],
    [
      'a cron that never fires',
      {
        targets: { erp: { kind: 'odata-v2', url: 'http://localhost' } },
        polls: {
          p: { target: 'erp', entity: 'A', type: 't', object: 'A', key: ['A'], version: 'V', cron: '0 0 31 2 *' },
        },
      },
      /sluice\.polls\.p\.cron: .*never fires/,
    ],
    [
      'a time zone that does not exist',
      {
        targets: { erp: { kind: 'odata-v2', url: 'http://localhost' } },
        polls: {
          p: {
            target: 'erp',
            entity: 'A',
            type: 't',
            object: 'A',
            key: ['A'],
            version: 'V',
            cron: '0 3 * * *',
            timezone: 'Europe/Walldorf',
          },
        },
      },
      /sluice\.polls\.p\.cron: .*"Europe\/Walldorf".*`timezone`/,
    ],
    [
      'a handler that is not there',
      { subscriptions: { s: { on: '*', handler: 'srv/nowhere' } } },
      /sluice\.subscriptions\.s\.handler: there is no module/,
    ],
    [
      'a secret that is not set',
      { targets: { erp: { kind: 'odata-v2', url: 'env:NOT_SET' } } },
      /sluice\.targets\.erp\.url: the environment variable NOT_SET is not set/,
    ],
    [
      'a create that could not be found again',
      { targets: { erp: { kind: 'odata-v2', url: 'http://localhost', entities: { A: { key: ['ID'] } } } } },
      /sluice\.targets\.erp: .*reference/,
    ],
  ]
  for (const [name, sluice, message] of mistakes) {
    it(`does not start with ${name}, and says where and what to do`, async () => {
      const started = await testApp(sluice).then(
        (running) => running.cleanUp().then(() => 'it started'),
        (thrown: Error) => thrown.message,
      )
      expect(started)
        .to.match(message)
        .and.match(/the gateway ended with 1:/)
    })
  }
})
