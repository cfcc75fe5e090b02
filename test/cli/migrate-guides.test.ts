import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { readConfig } from '../../srv/config.ts'
import { type CapApp, capApp } from '../doors/helpers/cap-app.ts'
import { plainEnv } from '../doors/helpers/packed.ts'
import { until } from '../testing/support.ts'
import { endAll, ROOT, sluice } from './helpers/cli.ts'
import { flow, HTTPS } from './helpers/iflow.ts'

const run = promisify(execFile)
const DONE = "{ handshakeStatus: 'COMPLETED', acked: "

describe('guides that move an integration', function () {
  this.timeout(180_000)
  let folder: string
  let app: CapApp | undefined
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-guide-'))
  })
  afterEach(async () => {
    endAll()
    await app?.cleanUp()
    app = undefined
    rmSync(folder, { recursive: true, force: true })
  })

  /** The blocks of a guide that are files ("```js try.mjs"), and the lines of its ```sh blocks. */
  const guide = (name: string) => {
    const text = readFileSync(join(ROOT, 'docs/guides', name), 'utf8')
    const blocks = [...text.matchAll(/^```(?:js|json) (\S+)\n(.*?)^```$/gms)]
    const shell = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) => block.trim().split('\n'))
    return { text, files: Object.fromEntries(blocks.map(([, file, block]) => [file ?? '', block ?? ''])), shell }
  }
  /** A line of the guide, as its reader runs it. */
  async function say(line: string, env: Record<string, string>, cwd: string): Promise<string> {
    const [program, ...args] = line
      .replace('npx sluice', 'sluice')
      .replace('$SLUICE', env.SLUICE ?? '')
      .split(' ')
    if (program === 'node') return (await run(process.execPath, args, { cwd, env: { ...plainEnv(), ...env } })).stdout
    expect(program, line).to.equal('sluice')
    const { code, stdout, stderr } = await sluice(args, { cwd, env: { ...env, SLUICE_PASSWORD: '' } })
    expect(code, line + stderr).to.equal(0)
    return stdout
  }

  it('“Move an Event Mesh webhook” works, line by line', async () => {
    const { files, shell } = guide('move-an-event-mesh-webhook.md')
    writeFileSync(join(folder, 'orders.zip'), flow({ sender: HTTPS }))
    const [look = '', write = '', ...others] = shell
    expect(await say(look, {}, folder)).to.include('Nothing was written')
    expect(await say(write, {}, folder)).to.include('wrote my-inbox/MIGRATION.md')
    app = await capApp()
    for (const file of ['package.json', 'srv/sluice.cds']) {
      app.write(file, readFileSync(join(folder, 'my-inbox', file), 'utf8'))
    }
    for (const [file, text] of Object.entries(files)) app.write(file, text)
    app.write('.env', 'ERP_ORDERS_PASSWORD=of the broker')
    const { url, says } = await app.start({ args: [] })
    const [attempt = '', ...operate] = others
    const there = { SLUICE: url }
    expect(await say(attempt, there, app.folder)).to.include(`${DONE}2, nacked: 0 }`)
    await says('order seen')
    expect(operate).to.have.length(2)
    for (const line of operate) await say(line, there, app.folder)
  })

  it('“Behind a firewall: pull” works, line by line', async () => {
    const { files, shell } = guide('behind-a-firewall-pull.md')
    app = await capApp()
    for (const [file, text] of Object.entries(files)) app.write(file, text)
    const { cds } = JSON.parse(files['package.json'] ?? '')
    cds.requires['sluice-db'] = { kind: 'sqlite', credentials: { url: 'sluice.db' } }
    cds.requires.auth = { kind: 'mocked', users: { operator: { roles: ['SluiceViewer'] } } }
    app.write('package.json', JSON.stringify({ name: 'pull', dependencies: { 'cap-sluice': '*' }, cds }))
    app.write('srv/sluice.cds', "using from 'cap-sluice';\n")
    const [attempt = '', look = '', ...others] = shell
    expect(others).to.deep.equal([])
    const fetched = say(attempt, {}, app.folder)
    await until(() => existsSync(join(app?.folder ?? '', '.env')))
    const { url, says } = await app.start({ args: [] })
    expect(await fetched).to.include('{ ready: 0, unacked: 0, acked: 3 }')
    await says('order changed')
    const events = (await say(look, { SLUICE: url }, app.folder)).trim().split('\n')
    expect(events, events.join('\n')).to.have.length(3)
  })

  it('“Beside CAP’s own messaging” works, line by line', async () => {
    const { files, shell } = guide('beside-cap-messaging.md')
    const { sluice: block = '', ...rest } = files
    const config = JSON.parse(block)
    app = await capApp()
    for (const [file, text] of Object.entries(rest)) app.write(file, text)
    const [look = '', write = '', attempt = '', ...operate] = shell
    expect(await say(look, {}, app.folder)).to.include('Nothing was written')
    expect(await say(write, {}, app.folder)).to.include('wrote ../moved/MIGRATION.md')
    const written = JSON.parse(readFileSync(join(app.folder, '../moved/package.json'), 'utf8'))
    expect(written.cds.requires.sluice, 'what the guide shows is what is written').to.deep.equal(config)
    readConfig(config, { MESSAGING_PASSWORD: 'x' })
    const manifest = JSON.parse(rest['package.json'] ?? '')
    Object.assign(manifest.cds.requires, {
      sluice: config,
      'sluice-db': { kind: 'sqlite', credentials: { url: 'sluice.db' } },
      auth: { kind: 'mocked', users: { operator: { roles: ['SluiceOperator', 'SluiceViewer'] } } },
    })
    app.write('package.json', JSON.stringify(manifest))
    app.write('srv/sluice.cds', "using from 'cap-sluice';\n")
    app.write('.env', 'MESSAGING_PASSWORD=of the broker')
    const { url, says } = await app.start({ args: [] })
    const there = { SLUICE: url }
    expect(await say(attempt, there, app.folder)).to.include(`${DONE}1, nacked: 0 }`)
    await says('order changed')
    expect(operate).to.have.length(1)
    for (const line of operate) await say(line, there, app.folder)
  })
})
