import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { endAll, here, lines, sluice } from './helpers/cli.ts'
import { type TestGateway, testGateway } from './helpers/gateway.ts'

const COMMANDS = [
  ['events'],
  ['show', 'x'],
  ['tail', '--once'],
  ['replay', '--state', 'dead', '--dry-run'],
  ['pause', 'x'],
] as const

describe('a remote gateway', () => {
  let server: Server | undefined
  const serve = async (listener: RequestListener): Promise<string> => {
    server = createServer(listener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  afterEach(() => {
    endAll()
    server?.closeAllConnections()
    server?.close()
    server = undefined
  })

  const all = async (url: string, env: Record<string, string> = {}) =>
    Promise.all(
      COMMANDS.map(async (args) => ({
        name: args[0],
        ...(await here([...args], { env: { SLUICE_URL: url, ...env } })),
      })),
    )

  it('that is down ends every command with 3 and says what to check', async () => {
    const url = await serve(() => undefined)
    server?.close()
    for (const { name, code, stdout, stderr } of await all(url)) {
      expect({ name, code, stdout }).to.deep.equal({ name, code: 3, stdout: '' })
      expect(stderr).to.equal(
        `${url} cannot be reached: nothing listens there. Check --url (or SLUICE_URL), and that the gateway runs.\n`,
      )
    }
    const send = await sluice(['send', 'github', '--url', `${url}/webhooks/github`, '--secret', 'env:S'], {
      env: { S: 's' },
    })
    expect(send.code).to.equal(3)
  })

  it('that answers HTML is told apart from an operator API', async () => {
    const url = await serve(
      (_request, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Log on</h1>'),
    )
    for (const { name, code, stderr } of await all(url)) {
      expect({ name, code }).to.deep.equal({ name, code: 3 })
      expect(stderr).to.include('answered 200 with text/html: no operator API')
    }
    const send = await sluice(['send', 'github', '--url', url, '--secret', 'env:S'], { env: { S: 's' } })
    expect(send).to.include({ code: 3, stdout: '' })
    expect(send.stderr).to.include('with a web page: no webhook')
  })

  it('that has no operator API is told where it comes from', async () => {
    const url = await serve((_request, response) => void response.writeHead(404).end('<pre>Cannot GET</pre>'))
    const { code, stderr } = await here(['events'], { env: { SLUICE_URL: url, SLUICE_USER: 'operator' } })
    expect(code).to.equal(3)
    expect(stderr).to.include("using from 'cap-sluice'").and.include('the SDK alone has none')
  })

  it('that redirects to a log-on page gets no credentials there', async () => {
    let followed = 0
    const url = await serve((request, response) => {
      if (request.url === '/login') followed += 1
      response.writeHead(302, { location: '/login', 'content-type': 'text/plain' }).end()
    })
    for (const { code } of await all(url, { SLUICE_TOKEN: 'a.b.c' })) expect(code).to.equal(3)
    expect(followed).to.equal(0)
  })

  const odd: [string, number, string, string][] = [
    ['JSON that is none', 200, 'application/json', '<'],
    ['JSON of something else', 200, 'application/json', '[]'],
    ['an object of something else', 200, 'application/json', '{"hello":1}'],
    ['a proxy error', 502, 'text/html', '<h1>Bad gateway</h1>'],
    ['a 404 of another program', 404, 'application/json', '{"message":"no"}'],
  ]
  for (const [what, status, type, body] of odd) {
    it(`that answers ${what} is an end with 3`, async () => {
      const url = await serve(
        (_request, response) => void response.writeHead(status, { 'content-type': type }).end(body),
      )
      const { code, stderr } = await sluice(['events'], { env: { SLUICE_URL: url } })
      expect(code, stderr).to.equal(3)
    })
  }

  it('that breaks off is an end with 3', async () => {
    const url = await serve((request) => request.socket.destroy())
    expect((await sluice(['events'], { env: { SLUICE_URL: url } })).code).to.equal(3)
  })

  it('says with --json what went wrong, as one object on standard error', async () => {
    const url = await serve((_request, response) => void response.writeHead(401).end())
    const { code, stdout, stderr } = await sluice(['events', '--json'], { env: { SLUICE_URL: url } })
    expect({ code, stdout }).to.deep.equal({ code: 3, stdout: '' })
    expect(lines<{ error: { code: string } }>(stderr)[0]?.error)
      .to.include({ code: 'gateway-refused' })
      .and.to.have.property('remedy')
  })

  it('cannot put control characters into the terminal', async () => {
    const row = {
      event: '01a1fd28-5d98-7000-bd22-c05b3a111022',
      delivery: 'd',
      origin: 'shop',
      receivedAt: '2026-03-01T12:00:00Z',
      id: 'x',
      type: 'a\u001b[2Jb\u009b31m\r\n\u202e',
      subject: '\u0007',
      unrouted: false,
      dispatches: [],
    }
    const url = await serve(
      (_request, response) =>
        void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ value: [row] })),
    )
    for (const args of [['events'], ['events', '--json'], ['tail', '--once'], ['show', 'x']]) {
      const { stdout } = await sluice(args, { env: { SLUICE_URL: url } })
      expect(stdout, args.join(' ')).to.include('a\\u001b[2Jb\\u009b31m')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
      expect(stdout).not.to.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    }
  })

  describe('with roles', () => {
    let gateway: TestGateway
    before(async () => {
      gateway = await testGateway({})
    })
    after(() => gateway?.cleanUp())

    const roles: [string, Record<string, string>, RegExp][] = [
      ['nobody says who they are', { SLUICE_USER: '' }, /wants to know who asks \(401\)\. Set SLUICE_USER/],
      ['the user is unknown', { SLUICE_USER: 'stranger' }, /does not accept these credentials \(401\)/],
      ['the user has no role', { SLUICE_USER: 'nobody' }, /you lack the role \(403\)\. To read takes SluiceViewer/],
      ['the token is none', { SLUICE_TOKEN: 'very-secret-token' }, /does not accept these credentials \(401\)/],
    ]
    for (const [what, env, message] of roles) {
      it(`ends with 3 where ${what}`, async () => {
        const { code, stdout, stderr } = await gateway.run(['events'], { env })
        expect({ code, stdout }).to.deep.equal({ code: 3, stdout: '' })
        expect(stderr).to.match(message).and.not.to.include('very-secret')
      })
    }

    it('takes the user of an option before the one of the environment', async () => {
      expect((await gateway.run(['events', '--user', 'nobody:'])).code).to.equal(3)
      expect((await gateway.run(['events', '--user', 'viewer:'], { env: { SLUICE_USER: 'nobody' } })).code).to.equal(0)
    })

    it('warns of a password on the command line, and does not repeat it', async () => {
      const { stderr } = await gateway.run(['events', '--user', 'viewer:a-clear-password'])
      expect(stderr).to.include('stands in the process list').and.not.to.include('a-clear-password')
    })
  })
})
