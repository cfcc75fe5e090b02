import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { readCredentials } from '../../bin/gateway/credentials.ts'
import type { Terminal } from '../../bin/terminal.ts'
import { endAll, sluice } from './helpers/cli.ts'

const OPERATOR = { SLUICE_USER: 'operator', SLUICE_PASSWORD: 'only for the gateway' }

describe('credentials', () => {
  let server: Server
  let url: string
  let seen: (string | undefined)[]
  let folder: string
  beforeEach(async () => {
    seen = []
    server = createServer((request, response) => {
      seen.push(request.headers.authorization)
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"value":[],"status":"accepted"}')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    folder = mkdtempSync(join(tmpdir(), 'sluice-credentials-'))
  })
  afterEach(() => {
    endAll()
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const decoded = () =>
    seen.map((each) => (each?.startsWith('Basic ') ? Buffer.from(each.slice(6), 'base64').toString() : each))

  it('of the environment go to the gateway', async () => {
    await sluice(['events', '--url', url], { env: OPERATOR })
    await sluice(['events', '--url', url], { env: { ...OPERATOR, SLUICE_TOKEN: 'a.b.c' } })
    expect(decoded()).to.deep.equal(['operator:only for the gateway', 'Bearer a.b.c'])
  })

  it('of an operator do not go to a webhook', async () => {
    const env = { ...OPERATOR, SLUICE_TOKEN: 'a.b.c', SECRET: 's' }
    expect((await sluice(['send', 'github', '--url', url, '--secret', 'env:SECRET'], { env })).code).to.equal(0)
    expect(seen).to.deep.equal([undefined])
  })

  it('are not read from a file; a signing secret may be', async () => {
    writeFileSync(join(folder, '.env'), 'SLUICE_USER=operator\nSLUICE_TOKEN=a.b.c\nSECRET=from the file\n')
    await sluice(['events', '--url', url], { cwd: folder })
    expect(seen).to.deep.equal([undefined])
    expect((await sluice(['send', 'github', '--url', url, '--secret', 'env:SECRET'], { cwd: folder })).code).to.equal(0)
  })

  it('of options win, and come as env:NAME', async () => {
    await sluice(['events', '--url', url, '--token', 'env:OTHER'], { env: { ...OPERATOR, OTHER: 'x.y.z' } })
    await sluice(['events', '--url', url, '--user', 'viewer:env:OTHER'], { env: { ...OPERATOR, OTHER: 'pass:word' } })
    await sluice(['events', '--url', url, '--user', 'viewer'], { env: OPERATOR })
    expect(decoded()).to.deep.equal(['Bearer x.y.z', 'viewer:pass:word', 'viewer:only for the gateway'])
  })

  it('are named when they are missing or contradict each other', async () => {
    for (const [args, message] of [
      [['--user', 'viewer'], /The password is missing\. Set SLUICE_PASSWORD\./],
      [['--token', 'env:NOWHERE'], /NOWHERE is not set/],
      [['--user', 'a:', '--token', 'env:HOME'], /exclude each other/],
    ] as const) {
      const { code, stderr } = await sluice(['events', '--url', url, ...args])
      expect(code).to.equal(2)
      expect(stderr).to.match(message)
    }
    expect(seen).to.deep.equal([])
  })

  it('are warned of where they would go unencrypted to another machine', async () => {
    const warned = async (address: string, env: Record<string, string> = OPERATOR) => {
      const notes: string[] = []
      const terminal = { env, note: (line: string) => notes.push(line) } as unknown as Terminal
      await readCredentials({}, new URL(address), terminal)
      return notes.join()
    }
    expect(await warned('http://gateway.example'))
      .to.match(/unencrypted/)
      .and.not.to.include('only for the gateway')
    expect(await warned('http://localhost.example')).to.match(/unencrypted/)
    for (const safe of ['https://gateway.example', 'http://localhost:4004', 'http://127.0.0.1', 'http://[::1]:1']) {
      expect(await warned(safe), safe).to.equal('')
    }
    expect(await warned('http://gateway.example', {})).to.equal('')
  })
})
