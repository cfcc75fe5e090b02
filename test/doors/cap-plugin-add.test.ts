import { createHmac } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Ajv } from 'ajv'
import { expect } from 'chai'
import { parse } from 'yaml'
import { type CapApp, capApp } from './helpers/cap-app.ts'

const SECRET = 'SLUICE_ORDERS_SECRET'

describe('cds add sluice', function () {
  this.timeout(120_000)
  let app: CapApp | undefined
  afterEach(async () => {
    await app?.cleanUp()
    app = undefined
  })

  const json = (path: string) => JSON.parse(app?.read(path) ?? '')
  const envSecret = () => new RegExp(`^${SECRET}=whsec_(.+)$`, 'm').exec(app?.read('.env') ?? '')?.[1] ?? ''

  /** As https://www.standardwebhooks.com has it. */
  function signed(secret: string, body: string) {
    const [id, time] = ['msg-1', String(Math.floor(Date.now() / 1000))]
    const key = Buffer.from(secret, 'base64')
    const signature = createHmac('sha256', key).update(`${id}.${time}.${body}`).digest('base64')
    return { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': `v1,${signature}` }
  }

  for (const [kind, add, stub] of [
    ['ESM', [], 'orders.js'],
    ['CommonJS', ['cjs'], 'orders.js'],
    ['TypeScript', ['typescript'], 'orders.ts'],
  ] as const) {
    it(`makes an app that takes a signed webhook at once: ${kind}`, async () => {
      app = await capApp({ add })
      await app.cds('add', 'sluice')
      expect(existsSync(join(app.folder, 'srv/handlers', stub))).to.equal(true)
      const running = await app.start({ command: 'watch' })
      const body = '{"type":"order.created","data":{"amount":1}}'
      const headers = { 'content-type': 'application/json', ...signed(envSecret(), body) }
      const answer = await fetch(`${running.url}/webhooks/orders`, { method: 'POST', headers, body })
      expect(answer.status).to.equal(200)
      await running.says(/received \{ type: '.*order\.created', id: 'msg-1' \}/)
      const auth = { authorization: `Basic ${btoa('operator:')}` }
      const events = await fetch(`${running.url}/odata/v4/cockpit/Events`, { headers: auth })
      expect(((await events.json()) as { value: unknown[] }).value).to.have.length(1)
      expect((await fetch(`${running.url}/odata/v4/cockpit/Events`)).status).to.equal(401)
      expect(await (await fetch(`${running.url}/cockpit/`)).text()).to.include('<html')
    })
  }

  it('replaces nothing, also when it runs again', async () => {
    app = await capApp({ cds: { requires: { sluice: { sources: { mine: { kind: 'github', secrets: ['s'] } } } } } })
    app.write('.env', 'OTHER=1')
    app.write('.vscode/settings.json', '{ "editor.tabSize": 3 }')
    await app.cds('add', 'sluice')
    await app.cds('add', 'sluice')
    expect(Object.keys(json('package.json').cds.requires.sluice.sources)).to.deep.equal(['mine'])
    expect(app.read('.env')).to.equal('OTHER=1')
    expect(existsSync(join(app.folder, 'srv/handlers'))).to.equal(false)
    expect(json('.vscode/settings.json')['editor.tabSize']).to.equal(3)
    expect(json('.vscode/settings.json')['json.schemas']).to.have.length(1)
    expect(app.read('.gitignore').match(/^\.env$/gm)).to.have.length(1)
  })

  it('brings a user for the operator’s service where the app has no users of its own', async () => {
    const sluice = { sources: { mine: { kind: 'github', secrets: ['s'] } } }
    app = await capApp({ cds: { requires: { sluice } } })
    await app.cds('add', 'sluice')
    const { '[development]': development, ...rest } = json('package.json').cds.requires
    expect(development.auth.users.operator.roles).to.have.members(['SluiceViewer', 'SluiceOperator'])
    expect(rest).to.deep.equal({ sluice })
    for (const own of [{ auth: { kind: 'basic' } }, { '[development]': { auth: { kind: 'basic' } } }]) {
      const requires = { ...own, sluice }
      app.write('package.json', JSON.stringify({ ...json('package.json'), cds: { requires } }))
      await app.cds('add', 'sluice')
      expect(json('package.json').cds.requires).to.deep.equal(requires)
    }
  })

  it('brings a database where the app has none, as apps of cds init --add typescript have', async () => {
    app = await capApp()
    const { devDependencies, ...rest } = json('package.json')
    expect(Object.keys(devDependencies)).to.include('@cap-js/sqlite')
    await app.cds('add', 'sluice')
    expect(json('package.json').dependencies).not.to.have.property('@cap-js/sqlite')
    app.write('package.json', JSON.stringify(rest))
    await app.cds('add', 'sluice')
    expect(json('package.json').dependencies['@cap-js/sqlite']).to.match(/^\^3/)
  })

  it('goes with the versions that cds add brings: npm refuses a peer that does not', async () => {
    app = await capApp()
    await app.cds('add', 'postgres,hana,xsuaa')
    const { dependencies, devDependencies } = json('package.json') as Record<string, Record<string, string>>
    const brought = Object.entries({ ...devDependencies, ...dependencies })
    const peers = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8')).peerDependencies
    const shared = brought.filter(([name]) => name in peers)
    expect(shared.map(([name]) => name)).to.include.members(['@cap-js/postgres', '@cap-js/hana', '@sap/xssec'])
    for (const [name, range] of shared) {
      const major = /\d+/.exec(range)?.[0]
      expect(peers[name], `${name} ${range}`).to.match(new RegExp(`\\^${major}(\\.|$)`))
    }
  })

  it('keeps the secret out of everything that is committed', async () => {
    app = await capApp()
    await app.cds('add', 'sluice')
    expect(envSecret()).to.match(/^.{32}$/)
    expect(app.read('package.json')).to.include(`env:${SECRET}`).and.not.include(envSecret())
    expect(app.read('.gitignore')).to.match(/^\.env$/m)
  })

  for (const order of [
    ['mta', 'xsuaa', 'sluice'],
    ['sluice', 'mta', 'xsuaa'],
  ]) {
    it(`completes mta.yaml and xs-security.json, added in the order ${order.join(', ')}`, async () => {
      app = await capApp()
      for (const facet of order) await app.cds('add', facet)
      const mta = parse(app.read('mta.yaml'))
      const srv = mta.modules.find(({ name }: { name: string }) => name === 'app-srv')
      expect(srv.parameters).to.include({
        'health-check-type': 'http',
        'health-check-http-endpoint': '/health',
        'readiness-health-check-http-endpoint': '/health/ready',
      })
      const provided = mta.resources.map(({ name }: { name: string }) => name)
      expect(provided).to.include('app-sluice')
      for (const { name } of srv.requires) expect(provided).to.include(name)
      expect(srv.requires.filter(({ name }: { name: string }) => name === 'app-sluice')).to.have.length(1)
      const security = json('xs-security.json')
      expect(security.scopes.map(({ name }: { name: string }) => name)).to.include.members([
        '$XSAPPNAME.SluiceViewer',
        '$XSAPPNAME.SluiceOperator',
        '$XSAPPNAME.emcallback',
      ])
      const templates = security['role-templates'].map(({ name }: { name: string }) => name)
      expect(templates).to.have.members(['SluiceViewer', 'SluiceOperator'])
    })
  }

  it('lets an editor find what is wrong in package.json and .cdsrc.json, also in profiles', async () => {
    app = await capApp()
    await app.cds('add', 'sluice')
    const [{ url, fileMatch }] = json('.vscode/settings.json')['json.schemas']
    expect(fileMatch).to.include('/package.json')
    const file = resolve(app.folder, url)
    const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
    const schemas = new Ajv({ strict: false, discriminator: true })
    schemas.addSchema(read(join(file, '../config.schema.json')), 'config.schema.json')
    const check = schemas.compile(read(file))
    expect(check(json('package.json')), JSON.stringify(check.errors)).to.equal(true)
    const wrong = { sluice: { sorces: {} } }
    expect(check({ cds: { requires: wrong } })).to.equal(false)
    expect(check({ cds: { requires: { '[production]': wrong } } })).to.equal(false)
    expect(check({ requires: wrong })).to.equal(false)
  })
})
