import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect } from 'chai'
import { type TestApp, testApp } from '../service/app.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

/** Blocks marked `sh` are commands that a test runs; what cannot run here (cf, docker, helm) is marked `console`. */
const blocks = (file: string): string[] =>
  [...read(file).matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, text = '']) => text.trim())

const IFLOW = 'docs/guides/move-an-https-iflow.md'

/** Which file runs a command, and the words by which it does. */
const PROOFS: readonly (readonly [command: RegExp, file: string, words: RegExp])[] = [
  [/^npm ci && npm run demo/, '.ci/run', /npm run demo -- --once --json/],
  [/^npm ci && npm test/, '.ci/run', /npm test --/],
  [/^npm ci && npm run build/, '.ci/run', /npm run package/],
  [/^cds init /, 'test/doors/helpers/cap-app.ts', /'init'/],
  [/^cds add sluice/, 'test/doors/cap-plugin-add.test.ts', /add/],
  [/^cds watch/, 'test/doors/cap-plugin.test.ts', /watch/],
  [/^npm add cap-sluice @sap\/cds/, 'test/doors/sdk-guides.test.ts', /npm add/],
  [/^npm add cap-sluice$/, 'test/doors/helpers/packed.ts', /npm.*pack|pack/],
  [/^npx cap-sluice init/, 'test/cli/init.test.ts', /init/],
  [/^npx sluice send stripe/, 'test/cli/send.test.ts', /stripe/],
  [/^npx sluice tail/, 'test/cli/operate.test.ts', /'tail'/],
  [/^npx sluice replay/, 'test/cli/operate.test.ts', /'replay'/],
  [/^npx sluice verify/, 'test/cli/verify.test.ts', /'verify'/],
  [/^npx sluice mesh/, 'test/cli/mesh.test.ts', /'mesh'/],
  [/^npx (cap-)?sluice migrate/, 'test/cli/migrate.test.ts', /'migrate'/],
  [/^node try\.mjs/, 'test/cli/migrate-guides.test.ts', /every command and every block|sh\\n|```sh/],
  [/^npx sluice events/, 'test/cli/operate.test.ts', /'events'/],
  [/^node --test payments\.test\.ts/, 'test/doors/sdk-guides.test.ts', /by the command it names/],
  [/^export destinations=/, 'test/adapters/btp/destinations.test.ts', /destinations/],
  [/sluice-deploy\.js/, 'test/deploy/production.test.ts', /sluice-deploy/],
  [/^npm install --omit=optional --prefix bench\/peers/, 'bench/peers.ts', /npm install --omit=optional/],
  [/^npm run bench/, 'bench/main.ts', /npm run bench/],
]

describe('commands in the docs', () => {
  const files = globSync(['README.md', 'CONTRIBUTING.md', 'docs/*.md', 'docs/guides/*.md'], { cwd: ROOT })

  for (const file of files.filter((name) => name !== IFLOW).sort()) {
    const commands = blocks(file)
      .join('\n')
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, '').trim())
      .filter((line) => line !== '' && !line.startsWith('#'))
    if (commands.length === 0) continue
    it(`are run by a test: ${file}`, () => {
      for (const command of commands) {
        const proof = PROOFS.find(([pattern]) => pattern.test(command))
        expect(proof, `no test runs: ${command}`).not.to.equal(undefined)
        if (proof) expect(read(proof[1]), `${proof[1]} no longer runs: ${command}`).to.match(proof[2])
      }
    })
  }
})

describe('the guide for HTTPS iFlows, followed', () => {
  let app: TestApp
  let folder: string

  before(async () => {
    const [config = '{}'] = [...read(IFLOW).matchAll(/^```json\n([\s\S]*?)^```/gm)].map(([, text]) => text)
    const { sluice } = JSON.parse(config).cds.requires
    sluice.subscriptions['book-orders'].handler = 'test/service/handlers'
    folder = mkdtempSync(join(tmpdir(), 'sluice-guide-'))
    app = await testApp(sluice, {}, { SHOP_PASSWORD: 'test only' })
  })
  after(async () => {
    await app?.cleanUp()
    rmSync(folder, { recursive: true, force: true })
  })

  it('takes the call, and finds it by its business key', () => {
    const script = blocks(IFLOW).join('\n')
    const { stdout, stderr } = spawnSync('bash', ['-ec', script], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, SLUICE: app.url, SHOP_PASSWORD: 'test only' },
    })
    expect(stdout, stderr).to.match(/^HTTP\/1\.1 200 /)
    expect(stdout)
      .to.match(/sap_messageprocessinglogid: /i)
      .and.to.include('"status":"accepted"')
    expect(stdout).to.include('"applicationId":"PO-4711"')
  })
})
