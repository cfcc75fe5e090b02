import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'chai'
import { isInRange } from '../../bin/node-range.ts'
import { freePort } from '../../demo/free-port.ts'
import { endAll, NODE_COMMAND, ROOT, sluice } from './helpers/cli.ts'
import { CALLER, SOURCES, testGateway } from './helpers/gateway.ts'

interface Finding {
  check: string
  level: string
  message: string
  remedy?: string
}

describe('sluice doctor', () => {
  let folder: string
  let port: string
  let server: Server | undefined
  let closeGateway: (() => Promise<void>) | undefined
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-doctor-'))
    port = String(await freePort())
  })
  afterEach(async () => {
    endAll()
    server?.close()
    server = undefined
    await closeGateway?.()
    closeGateway = undefined
    rmSync(folder, { recursive: true, force: true })
  })

  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const HANDLER = { 'handler.js': 'export default async () => {}' }
  /** A project with this checkout's packages. */
  const project = (sluiceConfig: unknown, files: Record<string, string> = HANDLER, requires: object = {}) => {
    write(
      'package.json',
      JSON.stringify({
        type: 'module',
        cds: { requires: { db: false, ...requires, ...(sluiceConfig ? { sluice: sluiceConfig } : {}) } },
      }),
    )
    for (const [path, text] of Object.entries(files)) write(path, text)
    mkdirSync(join(folder, 'node_modules/@sap'), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules/@sap/cds'), join(folder, 'node_modules/@sap/cds'))
    symlinkSync(join(ROOT, 'node_modules/@cap-js'), join(folder, 'node_modules/@cap-js'))
    symlinkSync(ROOT, join(folder, 'node_modules/cap-sluice'))
  }
  const examine = async (env: Record<string, string> = {}, args: string[] = []) => {
    const { code, stdout, stderr } = await sluice(['doctor', ...args, '--json'], {
      cwd: folder,
      env: { PORT: port, ...env },
    })
    if (!stdout) throw new Error(stderr)
    const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] }
    expect(code, stdout).to.equal(ok ? 0 : 1)
    for (const { level, message, remedy } of findings) {
      if (level !== 'broken') continue
      expect(remedy).to.match(/\w/)
      expect(message).not.to.include(remedy)
    }
    return { ok, of: (check: string) => findings.filter((each) => each.check === check), findings }
  }
  const SOUND = {
    sources: { stripe: { kind: 'stripe', secrets: ['env:STRIPE_SECRET'] } },
    subscriptions: { all: { on: '*', handler: 'handler' } },
  }
  const SET = { STRIPE_SECRET: 'whsec_long_enough_for_anybody' }

  it('finds nothing in a sound project, and says what it looked at', async () => {
    project(SOUND)
    // A variable that is empty names no gateway.
    const { ok, findings } = await examine({ ...SET, SLUICE_URL: '' })
    expect(ok, JSON.stringify(findings)).to.equal(true)
    expect(findings.map(({ check, level }) => `${check} ${level}`)).to.deep.equal([
      'node ok',
      'cap-sluice ok',
      'cds ok',
      'secrets ok',
      'configuration ok',
      'store ok',
      'port ok',
    ])
    expect(JSON.stringify(findings)).not.to.include(SET.STRIPE_SECRET)
  })

  it('reads secrets from .env, as CAP does', async () => {
    project(SOUND, { ...HANDLER, '.env': 'STRIPE_SECRET=whsec_long_enough_for_anybody\n' })
    expect((await examine()).ok).to.equal(true)
  })

  const mistakes: [string, unknown, Record<string, string>, string, RegExp][] = [
    ['a secret that is not set', SOUND, {}, 'secrets', /sources\.stripe\.secrets\.0: STRIPE_SECRET is not set/],
    ['a secret that is empty', SOUND, { STRIPE_SECRET: '' }, 'secrets', /STRIPE_SECRET is empty/],
    ['an unknown setting', { ...SOUND, sorces: {} }, SET, 'configuration', /"sorces" is not a setting/],
    ['an unknown kind', { sources: { x: { kind: 'strpie' } } }, SET, 'configuration', /no kind "strpie"/],
    [
      'an option that a kind does not have',
      { sources: { x: { kind: 'stripe', secrets: ['x'], tolerance: 1 } } },
      SET,
      'configuration',
      /sluice\.sources\.x: .*"tolerance" is not known/,
    ],
    [
      'a handler that is missing',
      { subscriptions: { s: { on: '*', handler: 'nowhere' } } },
      SET,
      'configuration',
      /there is no module nowhere/,
    ],
    [
      'a handler that throws at import',
      { subscriptions: { s: { on: '*', handler: 'throws' } } },
      SET,
      'configuration',
      /could not be loaded: not today/,
    ],
    [
      'a handler that exports nothing',
      { subscriptions: { s: { on: '*', handler: 'empty' } } },
      SET,
      'configuration',
      /exports no handler/,
    ],
  ]
  for (const [what, config, env, check, message] of mistakes) {
    it(`finds ${what}`, async () => {
      project(config, { ...HANDLER, 'throws.js': 'throw new Error("not today")', 'empty.js': 'export {}' })
      const { ok, of, findings } = await examine(env)
      expect(ok).to.equal(false)
      expect(
        of(check)
          .filter(({ level }) => level === 'broken')
          .map((each) => each.message)
          .join(),
        JSON.stringify(findings),
      ).to.match(message)
    })
  }

  it("loads a handler in TypeScript by the project's tsx, as cds watch does", async () => {
    const typed = { ...SOUND, subscriptions: { all: { on: '*', handler: 'book-order' } } }
    project(typed, { 'book-order.ts': 'enum Word { Got } export default () => Word.Got', 'tsconfig.json': '{}' })
    const [alone] = (await examine(SET)).of('configuration')
    expect(alone?.message).to.match(/book-order\.ts could not be loaded: .*enum/)
    write(
      'node_modules/tsx/esm.js',
      `require('node:module').registerHooks({ load: (url, context, next) => url.endsWith('book-order.ts')
  ? { format: 'module', source: 'export default () => {}', shortCircuit: true } : next(url, context) })`,
    )
    expect((await examine(SET)).of('configuration')[0]).to.include({ level: 'ok' })
  })

  it('finds all that is wrong at once: a missing secret hides no other mistake', async () => {
    project({ ...SOUND, subscriptions: { s: { on: '*', handler: 'nowhere' } } })
    const { findings } = await examine()
    expect(findings.filter(({ level }) => level === 'broken').map(({ check }) => check)).to.deep.equal([
      'secrets',
      'configuration',
    ])
  })

  it('finds a port that another program has', async () => {
    project(SOUND)
    server = createServer((socket) => socket.end('hello\r\n')).listen(0)
    await once(server, 'listening')
    const taken = String((server.address() as AddressInfo).port)
    expect((await examine({ ...SET, PORT: taken })).of('port')[0]?.message).to.equal(
      `${taken} is taken by another program.`,
    )
  })

  const db = (url: string) => ({ 'sluice-db': { kind: 'sqlite', credentials: { url } } })

  it('finds a store that a newer version wrote, and leaves it as it is', async () => {
    project(SOUND, HANDLER, db('newer.db'))
    const database = new DatabaseSync(join(folder, 'newer.db'))
    database.exec(`CREATE TABLE sluice_Meta(name, value); INSERT INTO sluice_Meta VALUES('schema', '99')`)
    database.close()
    const [store] = (await examine(SET)).of('store')
    expect(store).to.include({ level: 'broken' })
    expect(store?.message).to.match(/written by a newer Sluice \(version 99; this one knows \d+\)/)
  })

  it('finds a store that is no database, that is a folder, or that cannot be written', async () => {
    write('text.db', 'this is a text and no database, and long enough to be looked at by SQLite. '.repeat(20))
    mkdirSync(join(folder, 'folder.db'))
    write('readonly/x.db', '')
    chmodSync(join(folder, 'readonly/x.db'), 0o444)
    project(SOUND, HANDLER, db('text.db'))
    expect((await examine(SET)).of('store')[0]?.message).to.match(/cannot be read: file is not a database/)
    const config = (url: string) => ({ CDS_CONFIG: JSON.stringify({ requires: db(url) }) })
    expect((await examine({ ...SET, ...config('folder.db') })).of('store')[0]?.message).to.match(/is no file/)
    expect((await examine({ ...SET, ...config('text.db/below.db') })).of('store')[0]?.level).to.equal('broken')
    // Root may write anywhere.
    if (process.getuid?.() !== 0)
      expect((await examine({ ...SET, ...config('readonly/x.db') })).of('store')[0]?.message).to.match(/EACCES/)
  })

  it('finds a Postgres that does not answer', async () => {
    project(SOUND, HANDLER, {
      'sluice-db': { kind: 'postgres', credentials: { host: '127.0.0.1', port: Number(port) } },
    })
    expect((await examine(SET)).of('store')[0]?.message).to.equal(
      `Postgres at 127.0.0.1:${port} does not answer (ECONNREFUSED).`,
    )
  })

  it('finds a second copy of @sap/cds, an old one, and none', async () => {
    project(SOUND)
    write('node_modules/other/node_modules/@sap/cds/package.json', '{ "name": "@sap/cds", "version": "9.1.0" }')
    expect((await examine(SET)).of('cds-copies')[0]?.message).to.match(/9\.1\.0 in .*other/)
    rmSync(join(folder, 'node_modules'), { recursive: true })
    write('node_modules/@sap/cds/package.json', '{ "name": "@sap/cds", "version": "8.9.2" }')
    expect((await examine(SET)).of('cds')[0]?.message).to.match(/8\.9\.2 is not what Sluice is made for/)
    rmSync(join(folder, 'node_modules'), { recursive: true })
    expect((await examine(SET)).of('cds')[0]?.message).to.equal('@sap/cds is not installed here.')
  })

  it('finds that the package of the database is not installed', async () => {
    project(SOUND)
    rmSync(join(folder, 'node_modules/@cap-js'))
    expect((await examine(SET)).of('store')[0]).to.include({ message: '@cap-js/sqlite is not installed.' })
  })

  it('names the file that CAP cannot read, as every command does that asks the project', async () => {
    project(SOUND, { ...HANDLER, '.cdsrc.json': '{ "requires": {' })
    const { of } = await examine(SET)
    expect(of('configuration')[0]?.message).to.match(/^CAP cannot read the configuration: .*\.cdsrc\.json: /)
    const { code, stderr } = await sluice(['send', '--source', 'stripe'], { cwd: folder, env: SET })
    expect(code).to.equal(1)
    expect(stderr).to.match(/cannot read .*\.cdsrc\.json: .* Mend package\.json or \.cdsrc\.json\.\n$/)
  })

  it('says that a plugin without configuration does nothing', async () => {
    project(undefined)
    expect((await examine()).of('configuration')[0]).to.include({ level: 'skipped' })
  })

  it('is told a folder that is no project', async () => {
    const { code, stderr } = await sluice(['doctor'], { cwd: folder })
    expect(code).to.equal(2)
    expect(stderr).to.include('holds no project (no package.json)')
  })

  it('says so on a Node that cannot load the command line', async () => {
    const old = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })"
    const [node = '', ...rest] = NODE_COMMAND
    const command = [node, '--import', `data:text/javascript,${encodeURIComponent(old)}`, ...rest]
    const { code, stdout, stderr } = await sluice(['doctor', folder], { command })
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' })
    expect(stderr).to.match(/^Node 20\.20\.2 is too old: Sluice needs >=22\.12\. Install a newer Node\.\n$/)
    // What it imports before it has looked must load there.
    const entry = readFileSync(join(ROOT, 'bin/sluice.ts'), 'utf8')
    expect([...entry.matchAll(/^import .* from '(.*)'/gm)].map(([, from]) => from)).to.deep.equal(['./node-range.ts'])
  })

  it('reads ranges of versions', () => {
    for (const [version, range, is] of [
      ['24.1.0', '>=22.12', true],
      ['22.12.0', '>=22.12', true],
      ['22.11.9', '>=22.12', false],
      ['10.1.1', '^10.1.0', true],
      ['10.0.9', '^10.1.0', false],
      ['11.0.0', '^10.1.0', false],
    ] as const) {
      expect(isInRange(version, range), `${version} ${range}`).to.equal(is)
    }
  })

  describe('of a running gateway', () => {
    it('finds it in order, tells the role, and tries the handshakes', async () => {
      const gateway = await testGateway({ mesh: SOURCES['event-mesh'], events: { ...SOURCES.cloudevents } })
      closeGateway = gateway.cleanUp
      const { ok, of, findings } = await examine({ SLUICE_URL: gateway.url, SLUICE_USER: 'operator' })
      expect(ok, JSON.stringify(findings)).to.equal(true)
      expect(findings.map(({ check }) => check)).to.deep.equal([
        'health',
        'clock',
        'ready',
        'roles',
        'handshake',
        'handshake',
      ])
      expect(of('roles')[0]?.message).to.include('SluiceOperator')
      const viewer = await examine({ SLUICE_USER: 'viewer' }, ['--url', gateway.url])
      expect(viewer.of('roles')[0]?.message).to.include('look, not act')
      const stranger = await examine({ SLUICE_USER: 'nobody' }, ['--url', gateway.url])
      expect(stranger.of('roles')[0]).to.include({ level: 'broken' })
      expect(JSON.stringify(findings)).not.to.include(CALLER)
    })

    /** Something between us and the gateway, which answers as told. */
    const between = async (
      answers: Record<string, { status?: number; headers?: Record<string, string>; body?: string }>,
    ) => {
      const http = createHttpServer((request, response) => {
        const path = request.url?.split('?')[0] ?? ''
        const { status = 200, headers = {}, body = '{}' } = answers[`${request.method} ${path}`] ?? { status: 404 }
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
      }).listen(0, '127.0.0.1')
      await once(http, 'listening')
      server = http
      return examine({}, ['--url', `http://127.0.0.1:${(http.address() as AddressInfo).port}`])
    }
    const SOURCES_ANSWER = {
      body: JSON.stringify({
        value: [{ name: 'mesh', kind: 'event-mesh', path: '/webhooks/mesh', lastDeliveryAt: null }],
      }),
    }
    const health = { 'GET /health': { body: '{"status":"UP"}' }, 'GET /health/ready': { body: '{"status":"UP"}' } }

    it('finds a CORS middleware that swallows the handshake', async () => {
      const { of } = await between({
        ...health,
        'GET /odata/v4/cockpit/Sources': SOURCES_ANSWER,
        'OPTIONS /webhooks/mesh': { status: 204, headers: { 'access-control-allow-methods': 'GET,POST' } },
      })
      expect(of('handshake')[0]?.message).to.equal(
        'mesh: something before the gateway answers OPTIONS /webhooks/mesh (204).',
      )
    })

    it('finds a gateway that is not ready, and says why', async () => {
      const { of } = await between({
        ...health,
        'GET /health/ready': { status: 503, body: '{"status":"DOWN","reason":"clock"}' },
      })
      expect(of('ready')[0]).to.include({ level: 'broken', message: 'The gateway is not ready: clock.' })
    })

    it('finds a clock that is off', async () => {
      const { of } = await between({
        ...health,
        'GET /health': { body: '{}', headers: { date: new Date(Date.now() - 600_000).toUTCString() } },
      })
      expect(of('clock')[0]?.message).to.match(/^The gateway is \d+ minutes behind this machine\.$/)
    })

    it('finds a log-on page, and nobody at all', async () => {
      const { of } = await between({ 'GET /health': { headers: { 'content-type': 'text/html' }, body: '<h1>' } })
      expect(of('health')[0]?.message).to.equal('/health answered 200 (text/html).')
      const nobody = await examine({}, ['--url', `http://127.0.0.1:${port}`])
      expect(nobody.findings).to.have.length(1)
      expect(nobody.of('health')[0]?.message).to.include('nothing listens there')
    })
  })
})
