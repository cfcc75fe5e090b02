import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type ErpSandbox, type EventMeshBroker, erpSandbox, eventMeshBroker } from 'cap-sluice/testing'
import { expect } from 'chai'
import type { Browser } from 'playwright-core'
import { openBrowser } from '../helpers/browser.ts'
import { type TestDatabase, testDatabase } from '../helpers/postgres.ts'
import { type BtpPlatform, btpPlatform } from './helpers/platform.ts'
import {
  installedProject,
  installedRouter,
  type Production,
  runDeployer,
  startProduction,
  startRouter,
} from './helpers/production.ts'
import { tlsPostgres } from './helpers/tls-postgres.ts'

const QUEUE = 'default/sluice/1/orders'
const PAUSE = "Subscriptions('orders')/CockpitService.pause"

/** A secret as the SAP BTP service operator writes it, mounted. https://github.com/SAP/sap-btp-service-operator */
function mount(directory: string, label: string, credentials: Readonly<Record<string, unknown>>): void {
  const described = (names: readonly string[]) => names.map((name) => ({ name, format: 'text' }))
  const metadata = {
    metaDataProperties: [...described(['type', 'label']), { name: 'tags', format: 'json' }],
    credentialProperties: described(Object.keys(credentials)),
  }
  const tags = JSON.stringify([label])
  const files = { ...credentials, type: label, label, tags, '.metadata': JSON.stringify(metadata) }
  mkdirSync(directory)
  for (const [name, value] of Object.entries(files)) writeFileSync(join(directory, name), String(value))
}

describe('the deployed project in production', function () {
  this.timeout(180_000)
  let folder: string
  let routerFolder: string
  let btp: BtpPlatform
  let database: TestDatabase
  let postgres: Awaited<ReturnType<typeof tlsPostgres>>
  let erp: ErpSandbox
  let broker: EventMeshBroker
  let app: Production | undefined
  const { NODE_EXTRA_CA_CERTS } = process.env

  before(async function () {
    database = await testDatabase(this, 'nothing')
    // Two installations, as npm makes them.
    this.timeout(180_000)
    const router = installedRouter()
    ;[folder, btp] = await Promise.all([installedProject(), btpPlatform()])
    routerFolder = await router
    postgres = await tlsPostgres(database.credentials, btp.tls.key, btp.tls.cert)
    // The broker fetches its tokens over https too; Node reads this when a process starts.
    process.env.NODE_EXTRA_CA_CERTS = btp.authority
    broker = await eventMeshBroker()
    erp = await erpSandbox()
    const basic = { Authentication: 'BasicAuthentication', User: erp.user, Password: erp.password, Type: 'HTTP' }
    btp.destinations.S4HANA = { Name: 'S4HANA', URL: erp.url, ProxyType: 'Internet', 'sap-client': '100', ...basic }
  })
  after(async () => {
    if (NODE_EXTRA_CA_CERTS === undefined) delete process.env.NODE_EXTRA_CA_CERTS
    else process.env.NODE_EXTRA_CA_CERTS = NODE_EXTRA_CA_CERTS
    await Promise.all([btp?.close(), broker?.stop(), erp?.stop(), postgres?.close()])
    await database?.drop()
  })
  const databaseBinding = () => {
    const { user: username, password, database: dbname } = database.credentials
    const port = String(postgres.port)
    return { hostname: '127.0.0.1', port, username, password, dbname, sslrootcert: btp.tls.cert }
  }
  const bindings = () => ({
    ...btp.bindings(),
    'postgresql-db': [{ name: 'sluice-postgres', label: 'postgresql-db', credentials: databaseBinding() }],
  })
  const bound = (): Record<string, string> => ({
    VCAP_SERVICES: JSON.stringify(bindings()),
    NODE_EXTRA_CA_CERTS: btp.authority,
  })
  /** As the MTA's group “destinations” becomes a variable, and as the chart writes it. */
  const routes = () => JSON.stringify([{ name: 'srv-api', url: app?.url, forwardAuthToken: true }])
  const ask = async (path: string, token: string, init: RequestInit = {}) =>
    fetch((app?.url ?? '') + path, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } })
  const order = (number: string) => ({
    specversion: '1.0',
    id: randomUUID(),
    source: '/default/shop',
    type: 'commerce.order.created.v1',
    subject: number,
    datacontenttype: 'application/json',
    data: { number, soldToParty: '17100001', currency: 'EUR' },
  })

  /** The rows whose external reference is this number; waits until there is one. */
  async function written(number: string) {
    for (let tries = 0; tries < 400; tries += 1) {
      const rows = await erp.rows('A_SalesOrder')
      const found = rows.filter(({ PurchaseOrderByCustomer }) => PurchaseOrderByCustomer === number)
      if (found.length > 0) return found
      await pause(50)
    }
    throw new Error(`no sales order ${number}:\n${app?.output()}`)
  }

  /** Handshake, one event through the broker, one sales order in the ERP. */
  async function walk(number: string): Promise<void> {
    const queue = `${QUEUE}/${number}`
    await broker.queue(queue, [`default/sluice/1/${number}/*`])
    const { clientId, clientSecret } = btp.mesh
    const grant = { grantType: 'client_credentials', clientId, clientSecret, tokenUrl: btp.tokenUrl } as const
    await broker.subscribe(queue, `${app?.url}/webhooks/s4`, { securitySchema: { type: 'oauth2', ...grant } })
    await broker.publish(`default/sluice/1/${number}/order/created`, order(number))
    expect(await written(number)).to.have.length(1)
  }

  describe('before anything', () => {
    it('refuses to start on a store that was not deployed, with the remedy', async () => {
      const refused = await startProduction(folder, bound()).then(
        async (started) => {
          await started.kill()
          return 'it started'
        },
        (thrown: Error) => thrown.message,
      )
      expect(refused).to.include('The store is not deployed').and.include('sluice-deploy')
    })

    it('has its store deployed by a command of its own, as often as one likes', async () => {
      expect(await runDeployer(folder, bound())).to.deep.include({ code: 0, stderr: '' })
      expect(await runDeployer(folder, bound())).to.deep.include({ code: 0, stderr: '' })
    })
  })

  describe('with the services of the MTA', () => {
    before(async () => {
      app = await startProduction(folder, bound())
    })
    after(() => app?.kill())

    it('goes the way from the handshake to the ERP, with the services of the MTA', async () => {
      await walk('shop-1')
      expect(btp.log).to.deep.equal(['GET /destination-configuration/v1/destinations/S4HANA'])
      const [subscription] = (await broker.state()).subscriptions
      expect(subscription).to.include({ handshakeStatus: 'COMPLETED' })
      expect(app?.output()).to.not.match(/mesh secret|own secret|service secret/)
      const connections = await database.sql<{ application_name: string }>(
        'SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      )
      expect(connections).to.deep.equal([{ application_name: 'sluice' }])
    })

    it('answers nobody without the scope: handshake, delivery and cockpit', async () => {
      const origin = { 'webhook-request-origin': 'event-mesh.example' }
      const other = await btp.token(['SluiceViewer'])
      const foreign = await btp.token(['emcallback'], 'other!t1')
      expect((await fetch(`${app?.url}/webhooks/s4`, { method: 'OPTIONS', headers: origin })).status).to.equal(401)
      expect((await ask('/webhooks/s4', other, { method: 'OPTIONS', headers: origin })).status).to.equal(403)
      expect((await ask('/webhooks/s4', other, { method: 'POST', body: '{}' })).status).to.equal(403)
      expect((await ask('/webhooks/s4', foreign, { method: 'POST', body: '{}' })).status).to.equal(401)
      const granted = await ask('/webhooks/s4', await btp.token(['emcallback']), { method: 'OPTIONS', headers: origin })
      expect(granted.headers.get('webhook-allowed-origin')).to.be.oneOf(['event-mesh.example', '*'])

      const cockpit = '/odata/v4/cockpit/Events'
      expect((await fetch(app?.url + cockpit)).status).to.equal(401)
      expect((await ask(cockpit, await btp.token(['emcallback']))).status).to.equal(403)
      expect((await ask(cockpit, other)).status).to.equal(200)
    })

    describe('a person at the router', () => {
      let router: Production
      let browser: Browser
      before(async function () {
        browser = await openBrowser(this)
        btp.users.viewer = ['SluiceViewer']
        btp.users.operator = ['SluiceViewer', 'SluiceOperator']
        btp.users.nobody = []
        const { xsuaa } = btp.bindings()
        router = await startRouter(routerFolder, {
          VCAP_SERVICES: JSON.stringify({ xsuaa }),
          NODE_EXTRA_CA_CERTS: btp.authority,
          destinations: routes(),
        })
      })
      after(() => Promise.all([browser?.close(), router?.kill()]))

      const logOn = async (user: string) => {
        const context = await browser.newContext({ ignoreHTTPSErrors: true })
        const page = await context.newPage()
        await page.goto(router.url)
        await page.getByLabel('User').fill(user)
        await page.getByRole('button', { name: 'Log on' }).click()
        await page.waitForURL(`${router.url}/cockpit/`)
        const act = async (action: string, headers: Record<string, string>) => {
          const answer = await context.request.post(`${router.url}/odata/v4/cockpit/${action}`, { data: {}, headers })
          return answer.status()
        }
        /** What a page has to fetch before it may act. */
        const csrf = async () => {
          const headers = { 'x-csrf-token': 'fetch' }
          const answer = await context.request.get(`${router.url}/odata/v4/cockpit/Audit`, { headers })
          return { 'x-csrf-token': answer.headers()['x-csrf-token'] ?? '' }
        }
        return { page, context, act, csrf }
      }

      it('is told which role is missing', async () => {
        const { page } = await logOn('nobody')
        await page.getByText('You need the role SluiceViewer').waitFor()
      })

      it('sees as a viewer what came in, mends nothing, and logs off', async () => {
        const { page, context, act, csrf } = await logOn('viewer')
        await page.getByRole('cell', { name: 'orders: done' }).waitFor()
        await page.getByRole('cell', { name: 'commerce.order.created.v1' }).waitFor()
        expect(await act(PAUSE, await csrf())).to.equal(403)
        await context.request.get(`${router.url}/logout`, { maxRedirects: 0 })
        await page.getByText('Reload the page to log on again').waitFor()
      })

      it('mends as an operator, never by a form on a foreign page, and reaches the cockpit and nothing else', async () => {
        const { context, act, csrf } = await logOn('operator')
        const token = await csrf()
        expect(token['x-csrf-token']).to.have.length.above(5)
        expect(await act(PAUSE, {}), 'without a token').to.equal(403)
        expect(await act(PAUSE, token)).to.equal(204)
        expect(await act(PAUSE.replace('pause', 'resume'), token)).to.equal(204)
        const audit = await context.request.get(`${router.url}/odata/v4/cockpit/Audit?$orderby=at`)
        const { value } = (await audit.json()) as { value: { actor: string; action: string }[] }
        expect(value.map(({ actor, action }) => [actor, action])).to.deep.equal([
          ['operator', 'pause'],
          ['operator', 'resume'],
        ])
        for (const path of ['/webhooks/s4', '/metrics', '/health', '/odata/v4/', '/cockpitx']) {
          expect((await context.request.get(router.url + path)).status(), path).to.equal(404)
        }
      })
    })

    describe('in the end', () => {
      it('ends on SIGTERM by itself, with exit code 0, well inside the platform’s patience', async () => {
        expect(await app?.stop()).to.equal(0)
        expect(app?.output()).to.include('stopped')
      })
    })
  })

  describe('with mounted bindings', () => {
    it('reads bindings that are mounted as files, and reaches an ERP behind the Cloud Connector', async () => {
      let router: Production | undefined
      const mounted = mkdtempSync(join(tmpdir(), 'sluice-bindings-'))
      for (const [label, [service]] of Object.entries(bindings()))
        mount(join(mounted, label), label, service?.credentials ?? {})
      const { Authentication, User, Password } = btp.destinations.S4HANA ?? {}
      const onPremise = {
        URL: 'http://virtual-s4:44300',
        ProxyType: 'OnPremise',
        CloudConnectorLocationId: 'walldorf',
        realUrl: erp.url,
        ...{ Authentication, User, Password },
      }
      btp.destinations.S4HANA_ONPREMISE = onPremise
      try {
        const CDS_CONFIG = JSON.stringify({
          requires: { sluice: { targets: { erp: { destination: 'S4HANA_ONPREMISE' } } } },
        })
        const env = { SERVICE_BINDING_ROOT: mounted, NODE_EXTRA_CA_CERTS: btp.authority, CDS_CONFIG }
        app = await startProduction(folder, env)
        await walk('shop-2')
        const through = btp.log.filter((line) => line.startsWith('proxy POST'))
        expect(through).to.have.length(1)
        expect(through[0]).to.match(/^proxy POST http:\/\/virtual-s4:44300\/sap\/.*A_SalesOrder.* at walldorf$/)
        // The router gets one binding, as in the chart.
        const forRouter = mkdtempSync(join(tmpdir(), 'sluice-bindings-'))
        mount(join(forRouter, 'auth'), 'xsuaa', btp.bindings().xsuaa?.[0]?.credentials ?? {})
        const own = { SERVICE_BINDING_ROOT: forRouter, NODE_EXTRA_CA_CERTS: btp.authority }
        router = await startRouter(routerFolder, { ...own, destinations: routes() })
        const asked = await (await fetch(`${router.url}/cockpit/`)).text()
        expect(asked, 'the way to the log-on').to.include(`${btp.url}/oauth/authorize`)
      } finally {
        await Promise.all([app?.kill(), router?.kill()])
        rmSync(mounted, { recursive: true, force: true })
      }
    })
  })

  describe('at last', () => {
    it('refuses a store of a newer version, with the remedy', async () => {
      await database.sql(`UPDATE sluice_meta SET value = (value::int + 1)::text WHERE name = 'schema'`)
      const refused = await startProduction(folder, bound()).then(
        async (started) => {
          await started.kill()
          return 'it started'
        },
        (thrown: Error) => thrown.message,
      )
      expect(refused).to.include('Start the version of cap-sluice that deployed it, or a newer one')
      const deployer = await runDeployer(folder, bound())
      expect(deployer.code).to.equal(1)
      expect(deployer.stderr).to.include('store-newer')
    })
  })
})
