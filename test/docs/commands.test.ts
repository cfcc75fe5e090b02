import { createHmac } from 'node:crypto'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { expect } from 'chai'
import { COMMAND_NAMES } from '../../bin/cli.ts'
import { guideOf, readGuide } from '../helpers/guide.ts'
import { type TestApp, testApp } from '../service/app.ts'
import { type GuideReader, guideReader } from './reader.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const START = 'docs/guides/start.md'
const CLI = 'docs/guides/cli.md'
const PLUGIN = 'docs/guides/cap-plugin.md'
const IFLOW = 'docs/guides/move-an-https-iflow.md'

/** Guides whose `sh` lines are all typed by a test; those of other files take them from the page in the same way. */
const TYPED: Readonly<Record<string, string>> = {
  [START]: 'test/docs/commands.test.ts',
  [CLI]: 'test/docs/commands.test.ts',
  [PLUGIN]: 'test/docs/commands.test.ts',
  [IFLOW]: 'test/docs/commands.test.ts',
  'docs/guides/behind-a-firewall-pull.md': 'test/cli/migrate-guides.test.ts',
  'docs/guides/beside-cap-messaging.md': 'test/cli/migrate-guides.test.ts',
  'docs/guides/move-an-event-mesh-webhook.md': 'test/cli/migrate-guides.test.ts',
  'docs/guides/test-your-handlers.md': 'test/doors/sdk-guides.test.ts',
}

/** What CI types itself, before and after the tests, by the line of `.ci/run`. */
const IN_CI: Readonly<Record<string, readonly string[]>> = {
  'npm ci && npm run demo': ['npm ci ', 'npm run demo -- --once --json'],
  'npm ci && npm test': ['npm ci ', 'npm test --'],
  'npm ci && npm run build': ['npm ci ', 'npm run package'],
}

/** What another test runs in the same words, taken from the page. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'node node_modules/cap-sluice/dist/bin/sluice-deploy.js': 'test/deploy/helpers/production.ts',
  'export destinations=\'[{"name":"S4HANA","url":"http://localhost:4004","username":"alice","password":"secret"}]\'':
    'test/deploy/guide.test.ts',
}

/** The only commands of the docs that nothing here runs, each with its reason. */
const NOT_RUN: Readonly<Record<string, string>> = {
  'cf create-user-provided-service orders-sluice -p \'{"SHOP_SECRET": "…"}\' -t cds:sluice': 'needs a Cloud Foundry',
  'mbt build':
    'the MTA build tool is a download of its own; mta.test.ts checks the descriptor, production.test.ts the module',
  'cf deploy mta_archives/sluice_0.1.0.mtar': 'needs a Cloud Foundry',
  'cf deploy mta_archives/sluice_0.1.0.mtar -e mta-hana.mtaext': 'needs a Cloud Foundry with HANA',
  'npm run build && docker build -t registry.example.com/sluice:0.1.0 . && docker push registry.example.com/sluice:0.1.0':
    'needs a Docker daemon and a registry; production.test.ts takes the steps of the Dockerfile',
  'docker build -t registry.example.com/sluice-router:0.1.0 deploy/router && docker push registry.example.com/sluice-router:0.1.0':
    'needs a Docker daemon and a registry; production.test.ts takes the steps of the Dockerfile',
  'helm install sluice charts/sluice --set image.repository=registry.example.com/sluice --set router.repository=registry.example.com/sluice-router --set domain=example.com':
    'needs helm and a cluster; chart.test.ts renders the chart and checks the objects',
  'npm install --omit=optional --prefix bench/peers': 'competitors, for benchmarks only: 100 MB that no test needs',
  'npm add cap-sluice @sap/cds':
    'asks the registry for a release; production.test.ts and init.test.ts install the packed one with the same packages',
}

describe('the docs', () => {
  const files = globSync(['README.md', 'CONTRIBUTING.md', 'docs/**/*.md'], { cwd: ROOT }).sort()

  it('have no command that nothing runs, but for a closed list with reasons', () => {
    const known = new Set([...Object.keys(IN_CI), ...Object.keys(ELSEWHERE), ...Object.keys(NOT_RUN)])
    const found = new Set<string>()
    for (const file of files) {
      const guide = readGuide(file)
      const typed = TYPED[file] ? [] : guide.commands('sh')
      for (const command of [...typed, ...guide.commands('console')]) {
        expect(known.has(command), `${file}: no test runs "${command}"`).to.equal(true)
        found.add(command)
      }
    }
    expect(
      [...known].filter((command) => !found.has(command)),
      'no longer in the docs',
    ).to.deep.equal([])
  })

  it('are read by the tests that type them', () => {
    for (const [guide, test] of Object.entries(TYPED)) expect(read(test), test).to.include(guide.split('/').at(-1))
    for (const [command, lines] of Object.entries(IN_CI)) {
      for (const line of lines) expect(read('.ci/run'), command).to.include(line)
    }
    for (const test of Object.values(ELSEWHERE)) expect(read(test)).to.include('deploy-to-btp.md')
  })

  it('name tests that are there, each promise by its title', () => {
    for (const file of ['README.md', 'docs/guides/security.md', 'docs/guides/deploy-to-btp.md']) {
      for (const [, path = ''] of read(file).matchAll(/`(test\/[\w./-]+)`/g)) {
        expect(existsSync(join(ROOT, path)), `${file} names ${path}`).to.equal(true)
      }
    }
    const [, promises = ''] = read('README.md').split('## What it promises')
    const [table = ''] = /(^\|.*\n)+/m.exec(promises) ?? []
    const rows = table.trim().split('\n').slice(2)
    expect(rows).to.have.length.above(9)
    for (const row of rows) {
      const named = [...row.matchAll(/\*([^*]+)\*, `([^`]+)`/g)]
      expect(named, row).to.have.length.above(0)
      for (const [, title = '', path = ''] of named) expect(read(path), path).to.include(title)
    }
  })

  it('name scripts, commands, files and headings that are there', () => {
    const { scripts } = JSON.parse(read('package.json'))
    for (const file of files.filter((name) => name !== 'docs/api.md')) {
      const text = read(file)
      for (const [, name = ''] of text.matchAll(/`npm run ([\w:]+)/g)) expect(scripts, file).to.have.property(name)
      for (const [, name = ''] of text.matchAll(/`(?:npx )?sluice ([a-z]\w*)/g)) {
        expect([...COMMAND_NAMES, 'completion'], file).to.include(name)
      }
      const links = [
        ...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]*))?\)/g),
      ]
      for (const [, path = '', anchor] of links) {
        const target = join(ROOT, dirname(file), path)
        expect(existsSync(target), `${file} links to ${path}`).to.equal(true)
        if (anchor) expect(anchorsOf(path === '' ? text : readFileSync(target, 'utf8')), file).to.include(anchor)
      }
    }
  })
})

/** As GitHub makes them. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

describe('guides, typed line by line', function () {
  this.timeout(180_000)
  let reader: GuideReader
  afterEach(() => reader?.leave())

  /** Again until it says so: what was sent is on its way. */
  async function typeUntil(line: string, pattern: RegExp): Promise<string> {
    let said = ''
    for (let tries = 0; tries < 20; tries += 1) {
      said = await reader.type(line)
      if (pattern.test(said)) return said
    }
    throw new Error(`${line} never says ${pattern}:\n${said}`)
  }

  it(`${START} and ${CLI}`, async () => {
    reader = await guideReader({ installs: true })
    const { blocks, commands } = readGuide(START)
    const [broken, mended] = blocks.filter(({ file }) => file === 'srv/handlers/book-payment.js')
    const [init = '', enter = '', install = '', test = '', doctor = '', start = '', ...rest] = commands()
    const [first = '', again = '', forged = '', list = '', second = '', dead = '', retry = '', done = '', ...more] =
      rest
    expect(more, 'every line is typed').to.deep.equal([])

    // The command line's guide begins with a project too: the same, before anybody enters it.
    const cli = readGuide(CLI).commands()
    expect(await reader.type(init)).to.include('wrote my-inbox/package.json')
    expect(cli[0]).to.equal(init)
    await reader.type(enter)
    await reader.type(install)
    expect(await reader.type(test)).to.match(/pass 1\n/)
    const project = { SLUICE_URL: '' }
    expect(await reader.type(doctor, project)).to.include('Nothing is broken.')
    await reader.type(start)
    // What the new project's own README says, less what was typed by now.
    const own = guideOf(reader.read('README.md'))
      .commands()
      .filter((line) => ![install, test, start].includes(line))
    expect(own).to.have.length(3)
    for (const line of own) await reader.type(line, line === 'npx sluice doctor' ? project : {})
    expect(await reader.type(first)).to.include('accepted')
    expect(await reader.type(again)).to.include('duplicate')
    expect(await reader.type(forged)).to.include('401')
    expect(await typeUntil(list, /evt_1 +done/)).to.include('payment.succeeded.v1')
    await reader.interrupt()
    reader.write('srv/handlers/book-payment.js', broken?.text ?? '')
    await reader.type(start)
    expect(await reader.type(second)).to.include('accepted')
    await typeUntil(dead, /evt_2 .*dead/)
    const env = { SLUICE_USER: 'operator:' }
    const [, send = '', tail = '', dryRun = '', verify = '', ...untyped] = cli
    expect(untyped, 'every line is typed').to.deep.equal([])
    expect(await reader.type(dryRun, env)).to.include('payment.succeeded.v1')
    await reader.interrupt()
    reader.write('srv/handlers/book-payment.js', mended?.text ?? '')
    await reader.type(start)
    await reader.type(retry)
    await typeUntil(done, /evt_2 +done[\s\S]*evt_1 +done/)

    expect(await reader.type(send)).to.include('accepted')
    expect(await reader.type(tail, env)).to.include('payment.succeeded.v1')
    const saved = readGuide(CLI).blocks.find(({ language }) => language === 'http')?.text ?? ''
    const [, time = '', body = ''] = /t=(\d+),[\s\S]*\n\n(.*)/.exec(saved) ?? []
    const secret = 'whsec_of_this_test'
    const signature = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')
    reader.write('saved.http', saved.replace('v1=…', `v1=${signature}`).trimEnd())
    await reader.type(verify, { STRIPE_WEBHOOK_SECRET: secret })
  })

  it(PLUGIN, async () => {
    reader = await guideReader()
    const guide = readGuide(PLUGIN)
    for (const line of guide.commands()) await reader.type(line)
    for (const file of ['package.json', 'srv/handlers/orders.js', '.env', '.gitignore', 'srv/sluice.cds']) {
      expect(guide.text, file).to.include(`\`${file}\``)
      expect(reader.read(file), file).not.to.equal('')
    }
    const page = await fetch(`${reader.url}/cockpit/`)
    expect(await page.text()).to.include('<title>Sluice')
    const events = await fetch(`${reader.url}/odata/v4/cockpit/Events`, {
      headers: { authorization: `Basic ${btoa('operator:')}` },
    })
    expect(events.status, reader.heard()).to.equal(200)
  })

  describe(IFLOW, () => {
    let app: TestApp
    /** A project's root, as `cds init` makes it. */
    const project = mkdtempSync(join(tmpdir(), 'sluice-iflow-'))
    after(async () => {
      await app?.cleanUp()
      rmSync(project, { recursive: true, force: true })
    })

    it('takes the call, and finds it by its business key', async () => {
      const { blocks } = readGuide(IFLOW)
      const textOf = (wanted: string) => blocks.find(({ language }) => language === wanted)?.text ?? ''
      const { sluice } = JSON.parse(textOf('json')).cds.requires
      writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
      writeFileSync(join(project, 'orders.js'), textOf('js'))
      sluice.subscriptions['book-orders'].handler = join(project, 'orders')
      app = await testApp(sluice, {}, { SHOP_PASSWORD: 'test only' })
      reader = await guideReader()
      const script = blocks.filter(({ language }) => language === 'sh').map(({ text }) => text)
      const said = await reader.type(script.join('\n'), { SLUICE: app.url, SHOP_PASSWORD: 'test only' })
      expect(said)
        .to.match(/^HTTP\/1\.1 200 /)
        .and.match(/sap_messageprocessinglogid: /i)
        .and.include('"status":"accepted"')
        .and.include('"applicationId":"PO-4711"')
      for (;;) {
        const [dispatch] = (await app.request('/odata/v4/cockpit/Dispatches', { user: 'operator' })).json().value
        if (dispatch?.mplStatus === 'PROCESSING') continue
        expect(dispatch).to.have.property('mplStatus', 'COMPLETED')
        break
      }
    })
  })
})
