import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'chai'
import { type TestDatabase, testDatabase } from '../helpers/postgres.ts'
import { type CapApp, capApp, ORDERS_MODEL, ORDERS_SOURCE } from './helpers/cap-app.ts'

const sluice = { sources: { orders: ORDERS_SOURCE } }
const ORDERS = '/odata/v4/orders/Orders'
const COCKPIT = '/odata/v4/cockpit/Events'

const FILES = {
  ...ORDERS_MODEL,
  'server.js': `import cds from '@sap/cds'
cds.on('served', async () => {
  const sluice = await cds.connect.to('sluice')
  sluice.on('order.created.v1', async (event) => {
    await INSERT.into('app.Orders').entries({ ID: event.id, amount: event.data.amount })
  })
})`,
}
const MODEL = { 'srv/sluice.cds': "using from 'cap-sluice';" }
const OPERATOR = { roles: ['SluiceViewer', 'SluiceOperator'] }

describe("an app's surroundings", function () {
  this.timeout(120_000)
  let app: CapApp | undefined
  afterEach(async () => {
    await app?.cleanUp()
    app = undefined
  })

  const inApp = async (requires: object, files: Record<string, string> = {}, dependencies: string[] = []) => {
    app = await capApp({ cds: { requires: { sluice, ...requires } }, files: { ...FILES, ...files }, dependencies })
    return app
  }
  const statusFor = async (url: string, user: string, password = '') =>
    (await fetch(url + COCKPIT, { headers: { authorization: `Basic ${btoa(`${user}:${password}`)}` } })).status

  it('has the operator API and the cockpit with using from, and neither without', async () => {
    const auth = { kind: 'mocked', users: { operator: OPERATOR, viewer: { roles: ['SluiceViewer'] }, '*': true } }
    const folder = await inApp({ auth }, MODEL)
    const running = await folder.start()
    expect((await fetch(running.url + COCKPIT)).status).to.equal(401)
    expect(await statusFor(running.url, 'someone')).to.equal(403)
    expect(await statusFor(running.url, 'viewer')).to.equal(200)
    expect((await fetch(`${running.url}/cockpit/`)).status).to.equal(200)
    await running.stop()
    folder.write('srv/sluice.cds', '')
    const without = await folder.start()
    expect(await statusFor(without.url, 'operator')).to.equal(404)
    expect((await fetch(`${without.url}/cockpit/`)).status).to.equal(404)
    expect((await without.deliver('o-1', { amount: 1 })).status).to.equal(200)
  })

  it('keeps the store apart from the database of the app', async () => {
    const folder = await inApp({ db: { kind: 'sqlite', credentials: { url: 'app.db' } } }, MODEL)
    await folder.cds('deploy', '--to', 'sqlite:app.db')
    const running = await folder.start({ args: [] })
    await running.deliver('o-1', { amount: 1 })
    await running.rows(ORDERS, 1)
    const tablesOf = (file: string) => {
      const database = new DatabaseSync(join(folder.folder, file), { readOnly: true })
      const names = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all()
      database.close()
      return names.map(({ name }) => String(name))
    }
    expect(tablesOf('app.db').filter((name) => /sluice/i.test(name))).to.deep.equal([])
    expect(tablesOf('sluice.db')).to.include('sluice_Events').and.not.include('app_Orders')
  })

  it('works in an app without a database', async () => {
    const server = `import cds from '@sap/cds'
;(await cds.connect.to('sluice')).on('*', { name: 'all' }, (event) => console.log('got', event.id))`
    const folder = await inApp(
      { db: false },
      { 'db/schema.cds': '', 'srv/orders-service.cds': '', 'server.js': server },
    )
    const running = await folder.start({ args: [] })
    await running.deliver('o-1', {})
    await running.says('got o-1')
  })

  it('follows profiles, real authentication in production, and secrets of a bound service', async () => {
    const secret = 'from the binding'
    const folder = await inApp(
      {
        '[production]': {
          sluice: { sources: { bound: { ...ORDERS_SOURCE, secrets: ['env:BOUND_SECRET'] } } },
          auth: { kind: 'basic', users: { operator: { password: 'right', ...OPERATOR } } },
        },
      },
      MODEL,
    )
    const VCAP_SERVICES = JSON.stringify({
      'user-provided': [{ name: 'app-secrets', tags: ['cds:sluice'], credentials: { BOUND_SECRET: secret } }],
    })
    const development = await folder.start()
    expect((await fetch(`${development.url}/webhooks/bound`, { method: 'POST' })).status).to.equal(404)
    await development.stop()
    const unbound = await folder.startFails({ env: { NODE_ENV: 'production' } })
    expect(unbound.output).to.match(/the environment variable BOUND_SECRET is not set/)
    const production = await folder.start({ env: { NODE_ENV: 'production', VCAP_SERVICES } })
    expect((await fetch(`${production.url}/webhooks/bound`, { method: 'POST', body: '{}' })).status).to.equal(401)
    expect(await statusFor(production.url, 'operator', 'wrong')).to.equal(401)
    expect(await statusFor(production.url, 'operator', 'right')).to.equal(200)
    expect(production.output()).not.to.include(secret)
  })

  it('runs in cds.test', async () => {
    const folder = await inApp(
      {},
      {
        'test/orders.test.js': `import cds from '@sap/cds'
import { createHmac } from 'node:crypto'
const { GET, expect } = cds.test(import.meta.dirname + '/..', '--in-memory')
it('books the order', async () => {
  const body = '{"amount":3}'
  const signature = createHmac('sha256', process.env.ORDERS_SECRET).update(body).digest('hex')
  const headers = { 'content-type': 'application/json', 'x-event-id': 'o-1', 'x-event-type': 'order.created.v1', 'x-signature': signature }
  const { gateway } = await cds.connect.to('sluice')
  const { status } = await gateway.receive({ method: 'POST', url: '/webhooks/orders', headers, body: Buffer.from(body) })
  expect(status).to.equal(200)
  for (;;) {
    const { data } = await GET('${ORDERS}')
    if (data.value.length > 0) return expect(data.value[0].amount).to.equal(3)
  }
})`,
      },
    )
    expect(await folder.mocha('test/orders.test.js')).to.match(/1 passing/)
  })

  describe('with Postgres', () => {
    let database: TestDatabase
    beforeEach(async function () {
      database = await testDatabase(this, 'nothing')
    })
    afterEach(() => database?.drop())

    const bound = () => ({
      NODE_ENV: 'production',
      VCAP_SERVICES: JSON.stringify({
        'postgresql-db': [
          { name: 'pg', label: 'postgresql-db', tags: ['postgresql'], credentials: database.credentials },
        ],
      }),
    })
    const requires = { '[production]': { db: 'postgres', auth: { kind: 'dummy' } } }

    for (const first of ['the deployer', 'the app'] as const) {
      it(`puts the inbox into the app's bound database, deployed first by ${first}`, async () => {
        const folder = await inApp(requires, first === 'the deployer' ? MODEL : {}, ['@cap-js/postgres'])
        await folder.deploy(bound())
        if (first === 'the app') {
          await (await folder.start({ args: [], env: bound() })).stop()
          folder.write('srv/sluice.cds', MODEL['srv/sluice.cds'])
          await folder.deploy(bound())
        }
        const running = await folder.start({ args: [], env: bound() })
        expect((await running.deliver('o-1', { amount: 4 })).status).to.equal(200)
        expect((await running.rows(ORDERS, 1))[0]).to.include({ ID: 'o-1', amount: 4 })
        expect(await database.sql('SELECT id FROM sluice_events')).to.deep.equal([{ id: 'o-1' }])
        expect(existsSync(join(folder.folder, 'sluice.db'))).to.equal(false)
        await running.stop()
        // A deployment of a running app changes nothing of what it holds.
        await folder.deploy(bound())
        expect(await database.sql('SELECT id FROM sluice_events')).to.have.length(1)
      })
    }

    it("boots as cds build makes it, with its tables left out of CAP's own deployer", async () => {
      const files = { ...MODEL, 'srv/server.js': FILES['server.js'] }
      const folder = await inApp(requires, files, ['@cap-js/postgres'])
      await folder.cds('build', '--production')
      await folder.deploy(bound(), 'gen/pg')
      const [found] = await database.sql("SELECT to_regclass('app_orders') AS app, to_regclass('sluice_events') AS own")
      expect(found).to.deep.equal({ app: 'app_orders', own: null })
      const served = JSON.parse(folder.read('gen/srv/srv/csn.json'))
      expect(served.definitions['sluice.Events']).not.to.have.property('@cds.persistence.skip')
      // There CAP looks for code beside our model by the package's name: `exports` must let it look.
      const running = await folder.start({ args: [], env: bound(), from: 'gen/srv' })
      expect((await running.deliver('o-1', { amount: 4 })).status).to.equal(200)
      expect((await running.rows(ORDERS, 1))[0]).to.include({ ID: 'o-1', amount: 4 })
      expect((await fetch(running.url + COCKPIT)).status).to.equal(200)
      expect((await fetch(`${running.url}/cockpit/`)).status).to.equal(200)
    })
  })

  it('leaves its tables in what goes to HANA, where only CAP deploys', async () => {
    const folder = await inApp({}, MODEL)
    const sql = await folder.cds('compile', '*', '--to', 'hana')
    expect(sql).to.match(/sluice[._]Events/i)
    expect(await folder.cds('compile', '*', '--to', 'sql')).not.to.match(/sluice_Events/)
  })
})
