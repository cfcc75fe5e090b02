import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createGateway } from 'cap-sluice'
import { expect } from 'chai'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { virtualClock } from '../../testing/virtual-clock.ts'
import { until } from '../crash/helpers/until.ts'
import { hmacSource, signed } from '../helpers/hmac-source.ts'
import { never, untilSo } from '../helpers/turns.ts'
import { type TestApp, testApp } from '../service/app.ts'

/** Between SIGTERM and SIGKILL. https://docs.cloudfoundry.org/devguide/deploy-apps/app-lifecycle.html#shutdown */
const CLOUD_FOUNDRY_MS = 10_000

/** The system a handler waits for. */
async function slowSystem() {
  const held: ServerResponse[] = []
  let answers = false
  const server: Server = createServer((_request, response) => {
    if (answers) response.end()
    else held.push(response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => held.length,
    recover: () => {
      answers = true
    },
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

describe('shutdown', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-shutdown-'))
  const file = join(folder, 'sluice.db')
  let app: TestApp | undefined
  let slow: Awaited<ReturnType<typeof slowSystem>> | undefined
  afterEach(async () => {
    slow?.close()
    await app?.cleanUp()
    slow = app = undefined
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  function sql<Row>(text: string): Row[] {
    const database = new DatabaseSync(file)
    try {
      return database.prepare(text).all() as unknown as Row[]
    } finally {
      database.close()
    }
  }

  // Fails with a stopTimeoutMs above nine seconds, and where somebody waits for the handler without a limit.
  it('is over before Cloud Foundry kills, whatever a handler does; the next instance goes on when the lease is over', async function () {
    this.timeout(60_000)
    slow = await slowSystem()
    app = await testApp(
      { subscriptions: { orders: { on: '*', handler: 'test/service/handlers' } } },
      { 'sluice-db': { kind: 'sqlite', credentials: { url: file } } },
    )
    await app.deliver('endless', JSON.stringify({ waitFor: slow.url }))
    await until('the handler runs', () => slow?.asked() === 1)
    let wasKilled = false
    const platform = setTimeout(() => {
      wasKilled = true
      void app?.kill()
    }, CLOUD_FOUNDRY_MS)
    await app.stop()
    clearTimeout(platform)
    expect(wasKilled).to.equal(false)
    expect(app.output()).to.match(/stopped.*unfinished: 1/s)
    const [lane] = sql<{ owner: string | null }>('SELECT owner FROM sluice_Lanes')
    expect(lane?.owner, 'the lease runs out by itself: the handler might still have been writing').to.be.a('string')
    expect(sql('SELECT * FROM sluice_Attempts')).to.deep.equal([])

    // A minute passes.
    sql(`UPDATE sluice_Lanes SET availableAt = '2020-01-01T00:00:00.000Z'`)
    slow.recover()
    await app.restart()
    await until(
      'it is done',
      () => sql<{ status: string }>('SELECT status FROM sluice_Dispatches')[0]?.status === 'done',
    )
    const attempts = sql<{ outcome: string }>('SELECT outcome FROM sluice_Attempts ORDER BY n')
    expect(attempts.map(({ outcome }) => outcome)).to.deep.equal(['lost', 'ok'])
  })

  it('takes as long in any process, unless it is told otherwise', async () => {
    const clock = virtualClock()
    const gateway = createGateway({
      clock,
      inbox: memoryInbox({ now: clock.now }),
      sources: { shop: hmacSource() },
      subscriptions: [{ name: 'endless', on: ['*'], handler: never }],
    })
    await gateway.start()
    await gateway.receive({ method: 'POST', url: '/shop', headers: signed('{}'), body: Buffer.from('{}') })
    await clock.advance(10)
    let stopped: { unfinished: number } | undefined
    void gateway.stop().then((result) => {
      stopped = result
    })
    await clock.advance(7_999)
    expect(stopped).to.equal(undefined)
    await clock.advance(1)
    await untilSo(() => stopped !== undefined)
    expect(stopped).to.deep.equal({ unfinished: 1 })
  })
})
