import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect } from 'chai'
import { testDatabase } from '../helpers/postgres.ts'
import { type App, type Consumer, consumer, startApp } from './helpers/consumer.ts'

const sign = (body: string) => `sha256=${createHmac('sha256', 'secret-of-the-test').update(body).digest('hex')}`

interface Sending {
  readonly path?: string
  readonly id: string
  readonly how?: string
  readonly signature?: string
  /** Sends it byte by byte, without a length. */
  readonly streamed?: boolean
}

/** A signed GitHub delivery over real HTTP. */
async function deliver(app: App, { path = '/webhooks/github', id, how = 'fine', signature, streamed }: Sending) {
  const body = JSON.stringify({ how })
  const outgoing = request({
    host: '127.0.0.1',
    port: app.port,
    path,
    method: 'POST',
    agent: false,
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'watch',
      'x-github-delivery': id,
      'x-hub-signature-256': signature ?? sign(body),
    },
  })
  if (streamed) for (const byte of body) outgoing.write(byte)
  outgoing.end(streamed ? undefined : body)
  const [response] = await once(outgoing, 'response')
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode as number, text }
}

const handled =
  (id: string, gateway = 'one') =>
  (message: Readonly<Record<string, unknown>>) =>
    message.handled === id && message.gateway === gateway

describe('door: SDK, from the packed package', function () {
  this.timeout(120_000)
  let home: Consumer
  const apps: App[] = []
  const start = async (file: string, options: object) => {
    const app = await startApp(home.folder, file, options)
    apps.push(app)
    return app
  }
  before(async () => {
    home = await consumer(['serve.mjs', 'app.mjs', 'app.cjs', 'receive.mjs', 'receive.cjs', 'receive-run.mjs'])
  })
  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.end('SIGKILL')))
  })
  after(() => home?.remove())

  for (const [what, file, framework] of [
    ['Express 5', 'app.mjs', 'express'],
    ['Express 4', 'app.mjs', 'express4'],
    ['node:http', 'app.mjs', undefined],
    ['Express 5 by require()', 'app.cjs', 'express'],
    ['Express 4 by require()', 'app.cjs', 'express4'],
    ['node:http by require()', 'app.cjs', undefined],
  ] as const) {
    it(`takes deliveries in ${what}, lives through its handlers' errors, and stops when they are done`, async () => {
      const app = await start(file, { framework })
      expect((await deliver(app, { id: 'a' })).status).to.equal(200)
      await app.hears(handled('a'))
      expect(JSON.parse((await deliver(app, { id: 'a' })).text).status).to.equal('duplicate')
      expect((await deliver(app, { id: 'b', streamed: true })).status).to.equal(200)
      await app.hears(handled('b'))
      expect((await deliver(app, { id: 'c', signature: sign('another') })).status).to.equal(401)

      // Two gateways share the process and nothing else.
      const path = '/api/v2/hooks/github'
      expect(JSON.parse((await deliver(app, { id: 'a', path })).text).status).to.equal('accepted')
      await app.hears(handled('a', 'two'))

      const elsewhere = await deliver(app, { id: 'd', path: '/webhooks/nobody' })
      expect(elsewhere.status).to.equal(framework ? 418 : 404)
      if (framework) {
        expect(JSON.parse((await deliver(app, { id: 'd', path: '/orders' })).text)).to.deep.equal({
          parsed: { how: 'fine' },
        })
        const behind = await fetch(`http://127.0.0.1:${app.port}/api/v2/hooks/status`)
        expect(await behind.json()).to.deep.equal({ behind: 'the gateway' })
      }

      for (const how of ['permanent', 'undefined', 'error']) await deliver(app, { id: how, how })
      for (const id of ['undefined', 'error']) await app.hears(handled(id))
      await app.hears(({ began }) => began === 'permanent')
      await app.says('a dispatch needs an operator')

      await deliver(app, { id: 'slow', how: 'wait' })
      await app.hears(({ began }) => began === 'slow')
      const ending = app.end('SIGTERM')
      app.tell('finish')
      await app.hears(handled('slow'))
      const { stopped } = (await app.hears((message) => 'stopped' in message)) as { stopped: unknown }
      expect(stopped).to.deep.equal([{ unfinished: 0 }, { unfinished: 0 }])
      expect(await ending).to.equal(0)
    })
  }

  for (const framework of ['express', 'express4']) {
    it(`names a body that ${framework}.json() has consumed, and what to do, in the answer and in the log`, async () => {
      const app = await start('app.mjs', { framework, parserFirst: true })
      const { status, text } = await deliver(app, { id: 'a' })
      expect(status).to.equal(500)
      expect(JSON.parse(text)).to.deep.equal({
        type: 'urn:sluice:problem:body-consumed',
        title: 'The body was read before it reached the gateway.',
        status: 500,
        detail: 'Mount gateway.express() before express.json() and every other body parser.',
      })
      await app.says(/a body parser ran before Sluice[\s\S]*Mount gateway\.express\(\) before/)
      expect(app.said.filter(({ began }) => began)).to.deep.equal([])
    })
  }

  it('stops within its limit, whatever a handler does, and says what it left', async () => {
    const app = await start('app.mjs', { stop: { timeoutMs: 50 } })
    await deliver(app, { id: 'a', how: 'hang' })
    await app.hears(({ began }) => began === 'a')
    expect(await app.end('SIGTERM')).to.equal(0)
    expect(app.said.at(-1)).to.deep.equal({ stopped: [{ unfinished: 1 }, { unfinished: 0 }] })
  })

  /** What was acknowledged before anybody could handle it is handled by whoever comes next. */
  async function survivesKill(inbox: object): Promise<void> {
    const first = await start('app.mjs', { inbox, roles: ['intake'] })
    expect((await deliver(first, { id: 'a' })).status).to.equal(200)
    expect(await first.end('SIGKILL')).to.equal('SIGKILL')
    const second = await start('app.mjs', { inbox })
    expect(JSON.parse((await deliver(second, { id: 'a' })).text).status).to.equal('duplicate')
    await second.hears(handled('a'))
    expect(await second.end()).to.equal(0)
  }

  it('keeps what it acknowledged in a SQLite file, without cds serve', async () => {
    await survivesKill({ url: 'inbox.db' })
    rmSync(join(home.folder, 'inbox.db'), { force: true })
  })

  it('keeps what it acknowledged in Postgres, without cds serve', async function () {
    const database = await testDatabase(this as unknown as Mocha.Context, 'nothing')
    try {
      await survivesKill({ kind: 'postgres', credentials: database.credentials })
    } finally {
      await Promise.all(apps.splice(0).map((app) => app.end('SIGKILL')))
      await database.drop()
    }
  })

  it('holds two SQLite files apart in one process', async () => {
    const app = await start('app.mjs', { inbox: { url: 'one.db' }, second: { url: 'two.db' } })
    const path = '/api/v2/hooks/github'
    for (const sending of [{ id: 'a' }, { id: 'a', path }]) {
      expect(JSON.parse((await deliver(app, sending)).text).status).to.equal('accepted')
    }
    await Promise.all([app.hears(handled('a')), app.hears(handled('a', 'two'))])
    expect(await app.end()).to.equal(0)
  })

  for (const file of ['receive.mjs', 'receive.cjs']) {
    it(`works without HTTP (${file})`, async () => {
      const app = await start(file, {})
      const { replies } = (await app.hears((message) => 'replies' in message)) as { replies: unknown }
      expect(replies).to.deep.equal([
        [200, 'accepted'],
        [200, 'duplicate'],
        [401, 'urn:sluice:problem:refused'],
      ])
      expect(await app.hears(({ handled: data }) => data !== undefined)).to.deep.equal({
        port: 0,
        handled: { total: 1 },
      })
    })
  }

  describe('an inbox that cannot be', () => {
    let outside: string
    before(() => {
      outside = mkdtempSync(join(tmpdir(), 'sluice-bare-'))
    })
    after(() => rmSync(outside, { recursive: true, force: true }))

    for (const [what, inbox, message, installed] of [
      ['@sap/cds', { url: 'sluice.db' }, /needs the package @sap\/cds, .* Run: npm add @sap\/cds$/, []],
      [
        'a database package',
        { kind: 'postgres', credentials: { host: '127.0.0.1' } },
        /needs the package @cap-js\/postgres, .* Run: npm add /,
        ['@sap/cds'],
      ],
      ['credentials', { kind: 'postgres' }, /no credentials\. Add credentials: \{ host, /, []],
    ] as const) {
      it(`names ${what} where it has none`, async () => {
        const { dependencies } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8'))
        const links = [...Object.keys(dependencies), ...installed]
        const bare = await consumer(['open.mjs'], { home: outside, links })
        const app = await startApp(bare.folder, 'open.mjs', inbox)
        apps.push(app)
        const { fault } = (await app.hears((said) => 'fault' in said)) as { fault: { code: string; message: string } }
        expect(fault.code).to.equal('configuration')
        expect(fault.message).to.match(message)
      })
    }
  })
})
