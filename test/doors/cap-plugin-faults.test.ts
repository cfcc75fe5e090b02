import { chmodSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { runInThisContext } from 'node:vm'
import { expect } from 'chai'
import { linkTree } from '../helpers/link-tree.ts'
import { type CapApp, capApp, ORDERS_MODEL, ORDERS_SOURCE } from './helpers/cap-app.ts'

const sluice = { sources: { orders: ORDERS_SOURCE } }
const CDS_PACKAGE = resolve(import.meta.dirname, '../../node_modules/@sap/cds')
/** For root nothing is read-only. */
const NOBODY = 65_534

describe('what an app can do wrong', function () {
  this.timeout(120_000)
  let app: CapApp | undefined
  afterEach(async () => {
    await app?.cleanUp()
    app = undefined
  })

  const inApp = async (requires: Record<string, unknown>, files: Record<string, string> = {}) => {
    app = await capApp({ cds: { requires }, files: { ...ORDERS_MODEL, ...files } })
    return app
  }
  const server = (text: string) => ({ 'server.js': `import cds from '@sap/cds'\n${text}` })
  const handler = (path: string) => ({ sluice: { ...sluice, subscriptions: { mine: { on: '*', handler: path } } } })

  it('starts an app that lists the package and configures nothing, and says so', async () => {
    const folder = await inApp({})
    const running = await folder.start()
    await running.says('not configured')
    expect((await running.deliver('x', {})).status).to.equal(404)
    expect((await fetch(`${running.url}/odata/v4/orders/Orders`)).status).to.equal(200)
  })

  it('opens no store for an app that configures nothing', async () => {
    const folder = await inApp({})
    const running = await folder.start()
    await running.stop()
    expect(() => folder.read('sluice.db')).to.throw('ENOENT')
  })

  const refusals: [string, Record<string, unknown>, Record<string, string>, RegExp][] = [
    [
      'connects to a sluice that is not configured',
      {},
      server("await cds.connect.to('sluice')"),
      /cap-sluice is installed, but cds\.requires\.sluice is not configured\. Run cds add sluice/,
    ],
    [
      'names a handler module that is not there',
      handler('srv/nowhere'),
      {},
      /sluice\.subscriptions\.mine\.handler: there is no module srv\/nowhere/,
    ],
    [
      'has a handler in TypeScript, started by what runs none',
      handler('srv/typed'),
      { 'srv/typed.ts': 'export default () => {}' },
      /srv\/typed\.ts is TypeScript, which this process does not run\. .*cds watch.*CDS_TYPESCRIPT=true.*cds build/,
    ],
    [
      'has a handler module that throws at import',
      handler('srv/broken'),
      { 'srv/broken.js': "throw new TypeError('missing table')" },
      /sluice\.subscriptions\.mine\.handler: .*broken\.js could not be loaded: missing table/,
    ],
    [
      'has a handler module that exports nothing',
      handler('srv/empty'),
      { 'srv/empty.js': 'export {}' },
      /sluice\.subscriptions\.mine\.handler: srv\/empty exports no handler/,
    ],
    [
      'has a subscription with neither handler nor service',
      { sluice: { ...sluice, subscriptions: { mine: { on: '*' } } } },
      {},
      /sluice\.subscriptions\.mine: write one of handler/,
    ],
    [
      'carries a setting that this version does not know',
      { sluice: { ...sluice, endpoints: { orders: {} } } },
      {},
      /sluice: "endpoints" is not a setting/,
    ],
    [
      'gives two subscriptions one name',
      { sluice },
      server("const sluice = await cds.connect.to('sluice')\nsluice.on('a.v1', () => {})\nsluice.on('a.v1', () => {})"),
      /subscriptions\.a\.v1: the name is taken/,
    ],
    [
      'subscribes to several types without a name',
      { sluice },
      server("const sluice = await cds.connect.to('sluice')\nsluice.on(['a.v1', 'b.v1'], () => {})"),
      /sluice\.on\(\["a\.v1","b\.v1"\]\): it needs a name/,
    ],
    [
      'forgets the handler',
      { sluice },
      server("const sluice = await cds.connect.to('sluice')\nsluice.on('a.v1')"),
      /sluice\.on\("a\.v1"\): it has no handler/,
    ],
    [
      'registers a before handler',
      { sluice },
      server("const sluice = await cds.connect.to('sluice')\nsluice.before('a.v1', () => {})"),
      /sluice has no before: it only hands over what comes in/,
    ],
    [
      'is multitenant',
      { sluice, multitenancy: true },
      {},
      /cds\.requires\.multitenancy: one deployment of Sluice serves one tenant/,
    ],
    [
      'keeps the inbox in memory',
      { sluice, 'sluice-db': { kind: 'sqlite', credentials: { url: ':memory:' } } },
      {},
      /An inbox in memory would lose what was accepted/,
    ],
  ]
  for (const [what, requires, files, expected] of refusals) {
    it(`does not start an app that ${what}`, async () => {
      const folder = await inApp(requires, files)
      const { code, output } = await folder.startFails()
      expect(output).to.match(expected)
      expect(code).to.equal(1)
    })
  }

  it('refuses a file of its own on Cloud Foundry, whose disks do not last', async () => {
    const folder = await inApp({ sluice })
    const { output } = await folder.startFails({ env: { CF_INSTANCE_GUID: 'some' } })
    expect(output).to.match(/a file on a disk that Cloud Foundry throws away/)
  })

  it('says what to do when sluice.on comes too late, and goes on', async () => {
    const folder = await inApp(
      { sluice },
      server(`cds.on('listening', async () => {
  const sluice = await cds.connect.to('sluice')
  try { sluice.on('late.v1', () => {}) } catch (error) { console.log(error.message) }
})`),
    )
    const running = await folder.start()
    await running.says(/sluice\.on\(late\.v1\): it came after the start.*init\(\) of a service/)
    expect((await running.deliver('x', {})).status).to.equal(200)
  })

  it('says how Jest is to be run, which loads no ES modules by itself', async () => {
    const text = readFileSync(resolve(import.meta.dirname, '../../cds-plugin.cjs'), 'utf8')
    const module: { exports?: Promise<unknown> } = {}
    // Like Jest's, this context has no way to import.
    runInThisContext(`(module) => {${text}\n}`)(module)
    const refusal = await module.exports?.catch((error: Error) => error)
    expect(refusal)
      .to.be.instanceOf(Error)
      .with.property('message')
      .that.includes('NODE_OPTIONS=--experimental-vm-modules')
  })

  it('refuses a second copy of @sap/cds, whose hooks nobody would call', async () => {
    const folder = await inApp({ sluice })
    const copy = join(folder.folder, 'node_modules/cap-sluice/node_modules/@sap/cds')
    linkTree(CDS_PACKAGE, copy)
    const { code, output } = await folder.startFails()
    expect(output).to.match(/The app runs @sap\/cds from .*, cap-sluice got another copy, .*npm dedupe/s)
    expect(code).to.equal(1)
  })

  it('ends with the reason when its port is taken, and lets go of the store', async () => {
    const folder = await inApp({ sluice })
    const other = createServer().listen(0)
    try {
      const { port } = other.address() as { port: number }
      // The exit code is CAP's: 0, as for everything that nobody caught.
      const { output } = await folder.startFails({ env: { PORT: String(port) } })
      expect(output).to.match(/EADDRINUSE/)
    } finally {
      other.close()
    }
    const running = await folder.start()
    expect((await running.deliver('x', {})).status).to.equal(200)
  })

  it('refuses a store that a newer version has written, and does not touch it', async () => {
    const folder = await inApp({ sluice })
    await (await folder.start()).stop()
    const database = new DatabaseSync(join(folder.folder, 'sluice.db'))
    database.exec("UPDATE sluice_Meta SET value = '99' WHERE name = 'schema'")
    database.close()
    const { code, output } = await folder.startFails()
    expect(output).to.match(/The store .*sluice\.db has version 99; this Sluice knows \d+\. Start the version/)
    expect(code).to.equal(1)
  })

  it('ends with the reason when it may not write its store', async () => {
    const folder = await inApp({ sluice })
    await (await folder.start()).stop()
    const isRoot = process.getuid?.() === 0
    chmodSync(join(folder.folder, '..'), 0o755)
    chmodSync(join(folder.folder, 'sluice.db'), 0o444)
    const { code, output } = await folder.startFails(isRoot ? { uid: NOBODY } : {})
    expect(output).to.match(/The inbox database cannot be written\. Check the disk and the file of sluice-db/)
    expect(code).to.equal(1)
  })
})
