import { execFile } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { type App, type Consumer, consumer, startApp } from './helpers/consumer.ts'
import { plainEnv } from './helpers/packed.ts'

const run = promisify(execFile)
const ROOT = resolve(import.meta.dirname, '../..')
const guide = (name: string): string => readFileSync(join(ROOT, 'docs/guides', name), 'utf8')

/** Code blocks that name their file, as ```ts server.ts */
const filesOf = (text: string): Map<string, string> =>
  new Map([...text.matchAll(/```ts (\S+)\n([\s\S]*?)```/g)].map(([, name = '', code = '']) => [name, code]))

/** The code in the README, within an app that has what it takes for granted. */
function readme(): string {
  const [, code = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8')) ?? []
  const given = `import express from 'express'
const app = express()
const url = 'http://localhost:4004/sap/opu/odata/sap/API_SALES_ORDER_SRV'
const auth = { kind: 'none' } as const`
  return `${given}\n${code}`
}

const CONFIG = {
  compilerOptions: {
    strict: true,
    noUncheckedIndexedAccess: true,
    module: 'nodenext',
    target: 'es2022',
    types: ['node'],
    noEmit: true,
    allowImportingTsExtensions: true,
  },
}

describe('guides of the SDK: every block is run', function () {
  this.timeout(120_000)
  let home: Consumer
  let app: App | undefined
  const blocks = new Map([
    ...filesOf(guide('sdk.md')),
    ...filesOf(guide('test-your-handlers.md')),
    ['readme.ts', readme()],
  ])
  before(async () => {
    home = await consumer([])
    for (const [name, code] of blocks) writeFileSync(join(home.folder, name), code)
    writeFileSync(join(home.folder, 'tsconfig.json'), JSON.stringify({ ...CONFIG, files: [...blocks.keys()] }))
  })
  afterEach(async () => {
    await app?.end('SIGKILL')
    app = undefined
  })
  after(() => home?.remove())

  it('finds them', () => {
    expect([...blocks.keys()]).to.include.members(['server.ts', 'handlers.ts', 'payments.ts', 'payments.test.ts'])
    const unnamed = [guide('sdk.md'), guide('test-your-handlers.md')].flatMap((text) => text.match(/```ts\n/g) ?? [])
    expect(unnamed).to.deep.equal([])
  })

  for (const compiler of ['typescript5', 'typescript']) {
    it(`checks them (${compiler})`, async () => {
      const tsc = join(ROOT, 'node_modules', compiler, 'bin/tsc')
      const checked = await run(process.execPath, [tsc, '-p', home.folder], { env: plainEnv() }).catch(
        (failed) => failed,
      )
      expect(checked.stdout).to.equal('')
    })
  }

  it('names the packages that the durable inbox needs', () => {
    const { name, peerDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    const [, packages = ''] = /npm add (.+)/.exec(guide('sdk.md')) ?? []
    const [first, ...others] = packages.split(' ')
    expect(first).to.equal(name)
    expect(Object.keys(peerDependencies)).to.include.members(others)
  })

  it('runs the tests of test-your-handlers.md by the command it names, where no database package is installed', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'sluice-bare-'))
    try {
      const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
      const { folder: cwd } = await consumer([], { home: outside, links: Object.keys(dependencies) })
      for (const [name, code] of blocks) writeFileSync(join(cwd, name), code)
      const [, command = ''] = /```sh\nnode (.+)\n```/.exec(guide('test-your-handlers.md')) ?? []
      const { stdout } = await run(process.execPath, command.split(' '), { cwd, env: plainEnv() })
      expect(stdout)
        .to.match(/pass 5\n/)
        .and.match(/fail 0\n/)
    } finally {
      rmSync(outside, { recursive: true, force: true })
    }
  })

  it('runs the server of sdk.md, which takes a delivery and stops', async () => {
    const port = await freePort()
    app = await startApp(home.folder, 'server.ts', {}, { PORT: String(port), GITHUB_SECRET: 'secret' })
    const body = JSON.stringify({ ref: 'refs/heads/main', repository: { id: 1, html_url: 'https://github.com/o/r' } })
    const headers = {
      'x-github-event': 'push',
      'x-github-delivery': '1',
      'x-hub-signature-256': `sha256=${createHmac('sha256', 'secret').update(body).digest('hex')}`,
    }
    await app.says('listening')
    const answer = await fetch(`http://127.0.0.1:${port}/webhooks/github`, { method: 'POST', headers, body })
    expect(answer.status).to.equal(200)
    await app.says('https://github.com/o/r')
    expect(await app.end('SIGTERM')).to.equal(0)
  })

  it('runs the other blocks of sdk.md', async () => {
    for (const name of ['http.ts', 'handlers.ts', 'fetch.ts', 'callers.ts']) {
      const code = `await import('./${name}'); process.exit(0)`
      await run(process.execPath, ['--input-type=module', '-e', code], { cwd: home.folder, env: plainEnv() })
    }
  })
})

/** One that was free a moment ago: the guide's server takes its port from the environment, as platforms give it. */
function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => done(port))
    })
  })
}
