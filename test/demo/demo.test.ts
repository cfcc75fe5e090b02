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
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-demo-test-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

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
    expect(readdirSync(folder).filter((name) => name.startsWith('sluice-demo'))).to.deep.equal([])
  })
})
