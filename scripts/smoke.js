// Packs the package, looks at what it holds, and uses it from a project of its own: compiled JavaScript, no source condition.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

const ALLOWED =
  /^(dist|db|app|srv\/[\w-]+\.(cds|schema\.json)|testing\/.*\.cds|index\.cds|cds-plugin\.cjs|package\.json|README\.md|CHANGELOG\.md|LICENSE)/
const MAX_UNPACKED_BYTES = 2_000_000
const folder = join('.tmp', 'smoke')
rmSync(folder, { recursive: true, force: true })
mkdirSync(join(folder, 'node_modules'), { recursive: true })

const env = { ...process.env }
delete env.NODE_OPTIONS
delete env.CDS_TYPESCRIPT
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
const [packed] = JSON.parse(
  execFileSync(npm, ['pack', '--json', '--pack-destination', folder], { env, encoding: 'utf8' }),
)
const strangers = packed.files
  .map(({ path }) => path)
  .filter((path) => !ALLOWED.test(path) || /(^|\/)(test|demo|bench)\//.test(path))
if (strangers.length > 0) throw new Error(`the package holds what it should not: ${strangers.join(', ')}`)
if (packed.unpackedSize > MAX_UNPACKED_BYTES) throw new Error(`the package has grown to ${packed.unpackedSize} bytes`)
execFileSync('tar', ['-xzf', packed.filename], { cwd: folder })
const idle = unreachable(join(folder, 'package'))
if (idle.length > 0) throw new Error(`no entry of the package leads to: ${idle.join(', ')}`)
cpSync(join(folder, 'package'), join(folder, 'node_modules', 'cap-sluice'), { recursive: true })

writeFileSync(join(folder, 'package.json'), '{ "name": "smoke", "type": "module", "private": true }')
writeFileSync(
  join(folder, 'use.js'),
  `import { createHmac } from 'node:crypto'
import { createGateway } from 'cap-sluice'
import { cdsInbox } from 'cap-sluice/inbox'
import { odataTarget } from 'cap-sluice/odata'
import { github } from 'cap-sluice/sources'
import { erpSandbox } from 'cap-sluice/testing'
const erp = await erpSandbox()
const entities = { IncomingDocuments: { key: ['ID'], reference: 'ExternalReference' } }
const auth = { kind: 'basic', user: erp.user, password: erp.password }
const gateway = createGateway({
  inbox: cdsInbox({ url: 'smoke.db' }),
  sources: { github: github({ secrets: ['smoke'] }) },
  targets: { erp: odataTarget({ version: 'v2', url: erp.url + '/sap/opu/odata/sap/API_SLUICE_DEMO_SRV', auth, entities }) },
})
const done = new Promise((resolve) => gateway.on('*', { name: 'all' }, async (event, { targets }) => {
  resolve(await targets.erp.create('IncomingDocuments', { EventType: event.type }, { reference: event.id }))
}))
await gateway.start()
const body = Buffer.from('{"zen":"smoke"}')
const signature = 'sha256=' + createHmac('sha256', 'smoke').update(body).digest('hex')
const headers = { 'x-hub-signature-256': signature, 'x-github-event': 'watch', 'x-github-delivery': 'smoke-1' }
const answer = await gateway.receive({ method: 'POST', url: '/webhooks/github', headers, body })
if (answer.status !== 200) throw new Error(JSON.stringify(answer))
const { outcome } = await done
await gateway.stop()
const rows = await erp.rows('IncomingDocuments')
await erp.stop()
if (outcome !== 'created' || rows.length !== 1) throw new Error('the packed package wrote ' + rows.length + ' rows: ' + outcome)
`,
)
execFileSync(process.execPath, ['use.js'], { cwd: folder, env, stdio: 'inherit' })
rmSync(folder, { recursive: true, force: true })
console.log(`the packed package works: ${packed.files.length} files, ${packed.size} bytes`)

/** Modules that neither `exports` nor `bin` lead to, by an import (of types too) or by their name in a process or thread of their own. */
function unreachable(home) {
  const { exports, bin } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
  const entries = [...Object.values(exports).map((each) => each.default), ...Object.values(bin)].filter(Boolean)
  const started = globSync('dist/{testing/*/main.js,adapters/**/*thread.js}', { cwd: home })
  const reached = new Set()
  const visit = (path) => {
    // The templates of `sluice init` have imports of their own.
    if (reached.has(path) || !existsSync(join(home, path))) return
    reached.add(path)
    const text = ['.js', '.d.ts'].map((end) => readFileSync(join(home, path.replace(/\.js$/, end)), 'utf8')).join('\n')
    for (const [, from] of text.matchAll(/\b(?:from|import)\b[\s(]*['"]([.#][^'"]+)['"]/g)) {
      const target = from.startsWith('#domain/')
        ? `dist/srv/domain/${from.slice('#domain/'.length)}.js`
        : join(dirname(path), from)
      if (/\.[jt]s$/.test(target)) visit(target.replace(/\.ts$/, '.js'))
    }
  }
  for (const entry of [...entries, ...started]) visit(normalize(entry))
  return globSync('dist/**/*.js', { cwd: home }).filter((path) => !reached.has(path))
}
