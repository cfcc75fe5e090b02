import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'

const ROOT = resolve(import.meta.dirname, '../..')

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

  it('ends with the npm that started it, which passes no signal on', async function () {
    if (process.platform === 'win32') this.skip()
    const npm = spawn('npm', ['run', 'demo'], {
      cwd: ROOT,
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    })
    group = npm.pid
    const closed = once(npm, 'close')
    for await (const text of npm.stdout.iterator({ destroyOnReturn: false })) {
      if (String(text).includes('Starting two ERP sandboxes')) break
    }
    npm.kill('SIGTERM')
    // Not before the last process that holds the pipe has ended.
    npm.stdout.resume()
    await closed
    expect(left()).to.deep.equal([])
  })
})

/** What a failure leaves behind. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown
  }
}
