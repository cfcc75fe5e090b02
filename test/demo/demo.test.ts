import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { outputOf } from '../helpers/child-output.ts'

const ROOT = resolve(import.meta.dirname, '../..')
/** As the page asks. */
const EVENTS =
  '/odata/v4/cockpit/Events?$orderby=event desc&$top=50&$expand=dispatches($select=ID,subscription,status,reason,attempts)'

describe('the demo', () => {
  let folder: string
  let group: number | undefined
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-demo-test-'))
  })
  afterEach(() => {
    if (group) killGroup(group)
    group = undefined
    rmSync(folder, { recursive: true, force: true })
  })

  function start(...args: string[]) {
    const child = spawn(process.execPath, [...process.execArgv, 'demo/main.ts', ...args], {
      cwd: ROOT,
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const complaint = text(child.stderr)
    const ended = once(child, 'exit').then(async ([code]) => ({ code: code as number | null, said: await complaint }))
    return { child, ended }
  }

  const left = () => readdirSync(folder).filter((name) => name.startsWith('sluice-demo'))

  it('does not start beside somebody else on its port', async () => {
    const other = createServer((_request, response) => void response.end('{"status":"UP"}')).listen(0)
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { code, said } = await start('--once', '--port', String(port)).ended
    other.close()
    expect(code).to.equal(1)
    expect(said).to.match(
      new RegExp(`^listen EADDRINUSE: .*${port}: choose another port by --port, or leave it out\\.\\n$`),
    )
  })

  for (const [args, complaint] of [
    [['--port', '0x'], /^--port 0x is no port: 1 to 65535\.\n$/],
    [['--onse'], /^Unknown option '--onse'[\s\S]*npm run demo -- --once/],
  ] as const) {
    it(`says what is wrong with ${args.join(' ')}, without a stack`, async () => {
      const { code, said } = await start(...args).ended
      expect(code).to.equal(1)
      expect(said).to.match(complaint).and.not.to.include('    at ')
    })
  }

  it('leaves nothing behind after a signal while it starts', async () => {
    const { child, ended } = start()
    await once(child.stdout, 'data')
    child.kill('SIGTERM')
    expect(await ended).to.deep.equal({ code: 130, said: '' })
    expect(left()).to.deep.equal([])
  })

  it('stays up at the address it prints, and ends with the npm that started it, which passes no signal on', async function () {
    if (process.platform === 'win32') this.skip()
    this.timeout(150_000)
    const npm = spawn('npm', ['run', 'demo'], {
      cwd: ROOT,
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const pid = Number(npm.pid)
    group = pid
    const demo = outputOf(npm)
    await demo.says(/Still running after .*\n/, 120_000)
    const [, address = ''] = /^Events: (\S+) \(user "operator", no password\)$/m.exec(demo.text()) ?? []
    expect(demo.text()).to.match(new RegExp(`Still running after \\d+ s: ${address} — end it with Ctrl\\+C`))
    const page = await fetch(address)
    expect(await page.text()).to.include('<title>Sluice')
    const headers = { authorization: `Basic ${btoa('operator:')}` }
    const events = await fetch(new URL(EVENTS, address), { headers })
    const { value } = (await events.json()) as { value: { dispatches: unknown[] }[] }
    expect(value).to.have.lengthOf(50)
    expect(value[0]).to.have.property('dispatches').with.length.above(0)
    if (process.platform === 'linux') expect(running(pid), 'gateway, simulators and the demo').to.have.length.above(4)

    npm.kill('SIGTERM')
    // Not before the last process that holds a pipe has ended.
    await demo.ended
    expect(running(pid)).to.deep.equal([])
    expect(await fetch(address).catch(({ cause }) => cause.code)).to.equal('ECONNREFUSED')
    expect(left()).to.deep.equal([])
  })
})

/** Processes of a group that have not ended, by name; only Linux says. */
const running = (group: number): string[] =>
  globSync('/proc/[0-9]*/stat').flatMap((file) => {
    const [, name = '', state, , of] = /\((.*)\) (\S) (\d+) (\d+)/.exec(statOf(file)) ?? []
    return Number(of) === group && state !== 'Z' ? [name] : []
  })

/** Empty where it has ended meanwhile. */
function statOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (gone) {
    if (['ENOENT', 'ESRCH'].includes((gone as NodeJS.ErrnoException).code ?? '')) return ''
    throw gone
  }
}

/** What a failure leaves behind. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown
  }
}
