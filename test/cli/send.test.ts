import { hash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { sources } from '../../adapters/sources/index.ts'
import { isSigned, KINDS } from '../../bin/signing/delivery.ts'
import { endAll, here, lines, sluice } from './helpers/cli.ts'
import { CALLER, SECRET, SOURCES, type TestGateway, testGateway, WHSEC } from './helpers/gateway.ts'

const env = { SECRET, WHSEC, WRONG: 'another secret', PASSWORD: CALLER.split(':')[1] ?? '' }

describe('sluice send', () => {
  let gateway: TestGateway
  let folder: string
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-send-'))
    gateway = await testGateway()
  })
  afterEach(endAll)
  after(async () => {
    rmSync(folder, { recursive: true, force: true })
    await gateway?.cleanUp()
  })

  const secretOf = (kind: string) => (kind === 'standard-webhooks' ? 'env:WHSEC' : 'env:SECRET')
  const proofOf = (kind: string) => (isSigned(kind) ? ['--secret', secretOf(kind)] : ['--user', 'caller:env:PASSWORD'])
  const optionsOf = (kind: string) =>
    kind === 'hmac'
      ? [
          'header=X-Signature',
          'prefix=v1=',
          'template={timestamp}.{body}',
          'timestamp.from=X-Time',
          'id=/order/id',
          'type=X-Type',
        ].flatMap((each) => ['-o', each])
      : []
  const pathOf = (kind: string) => (kind === 'http' ? '/http/orders' : `/webhooks/${kind}`)
  const send = (kind: string, ...more: string[]) =>
    here(['send', kind, '--url', gateway.url + pathOf(kind), ...proofOf(kind), ...optionsOf(kind), ...more, '--json'], {
      env,
    })

  it('knows every kind there is', () => {
    expect([...KINDS].sort()).to.deep.equal(Object.keys(sources).sort())
    expect(Object.keys(SOURCES).sort()).to.deep.equal(Object.keys(sources).sort())
  })

  for (const kind of KINDS) {
    it(`sends an example of kind ${kind} that the gateway takes as an event`, async () => {
      const { code, stdout, stderr } = await send(kind)
      expect(code, stdout + stderr).to.equal(0)
      expect(lines(stdout)[0]?.status).to.be.within(200, 299)
      const events = await gateway.run(['events', '--source', kind, '--json'])
      expect(lines(events.stdout), events.stderr).to.have.length(1)
    })

    if (isSigned(kind)) {
      it(`sees that kind ${kind} refuses a body changed after signing`, async () => {
        const { code, stdout } = await send(kind, '--tamper')
        expect(lines(stdout)[0]?.status).to.equal(401)
        expect(code).to.equal(0)
      })
    }
  }

  it('takes the address of a gateway too, as the other commands do', async () => {
    const args = ['send', 'github', '--secret', 'env:SECRET', '--json']
    for (const url of [gateway.url, `${gateway.url}/`]) {
      const { code, stdout } = await sluice([...args, '--url', url], { env })
      expect(code, stdout).to.equal(0)
    }
    const elsewhere = await sluice([...args, '--url', `${gateway.url}/webhooks/nowhere`], { env })
    expect(lines(elsewhere.stdout)[0]?.status).to.equal(404)
  })

  it('sends one id many times: one event, the rest duplicates', async () => {
    const { code, stdout } = await send('stripe', '--count', '5', '--same-id')
    expect(code).to.equal(0)
    expect(lines(stdout).map(({ answer }) => answer)).to.deep.equal(['accepted', ...Array(4).fill('duplicate')])
    expect(new Set(lines(stdout).map(({ id }) => id)).size).to.equal(1)
  })

  it('sends new ids otherwise, and sums up', async () => {
    const { code, stdout } = await sluice(
      [
        'send',
        'github',
        '--url',
        `${gateway.url}/webhooks/github`,
        '--secret',
        'env:SECRET',
        '--count',
        '3',
        '--id',
        'mine',
      ],
      { env },
    )
    expect(code).to.equal(0)
    expect(stdout).to.include('3 deliveries: 3 accepted')
    expect(stdout).to.match(/mine\n.*mine-2\n.*mine-3\n/)
  })

  it('ends with 1 where the signature is refused, and points to verify', async () => {
    const { code, stderr } = await sluice(
      ['send', 'stripe', '--url', `${gateway.url}/webhooks/stripe`, '--secret', 'env:WRONG'],
      { env },
    )
    expect(code).to.equal(1)
    expect(stderr).to.include('sluice verify')
    expect(stderr).not.to.include(env.WRONG)
  })

  it('finds out a webhook that checks no signature', async () => {
    const { code, stderr } = await sluice(
      [
        'send',
        'stripe',
        '--url',
        `${gateway.url}/webhooks/event-mesh`,
        '--secret',
        'env:SECRET',
        '--user',
        'caller:env:PASSWORD',
        '--tamper',
      ],
      { env },
    )
    expect(code).to.equal(1)
    expect(stderr).to.include('signature is not checked')
  })

  it('sends a file byte for byte', async () => {
    const file = join(folder, 'body.json')
    const body = '{ "id": "evt_file", "type":"charge.succeeded",\r\n "data": {"object": {"id":"\\u00e9"}} }\n'
    writeFileSync(file, body)
    expect((await send('stripe', '--file', file)).code).to.equal(0)
    const { stdout } = await gateway.run(['show', 'evt_file', '--payload', '--json'])
    expect(JSON.parse(stdout).delivery.bodyHash).to.equal(hash('sha256', body))
  })

  it('takes kind, options and secret from the configuration of the project', async () => {
    // Fails where only the operator's commands go to SLUICE_URL.
    const project = { SLUICE_URL: gateway.url, CDS_CONFIG: JSON.stringify(gateway.config) }
    const { code, stdout, stderr } = await sluice(['send', '--source', 'hmac'], { env: project })
    expect(code, stderr).to.equal(0)
    expect(stdout).to.include('accepted')
    expect(stderr).not.to.include('Warning')
  })

  const mistakes: [string, string[], RegExp][] = [
    ['no kind', ['send'], /Which kind\?/],
    ['a kind that is misspelled', ['send', 'strpie'], /Did you mean stripe\?/],
    ['no secret, and nobody to ask', ['send', 'stripe'], /--secret is missing\. Give --secret env:NAME/],
    ['a variable that is not set', ['send', 'stripe', '--secret', 'env:NOWHERE'], /NOWHERE is not set/],
    ['a secret in another form', ['send', 'standard-webhooks', '--secret', 'env:SECRET'], /The secret is not base64/],
    ['a count of nothing', ['send', 'stripe', '--count', '0'], /--count is no count/],
    ['an address that is none', ['send', 'stripe', '--url', 'localhost'], /--url: "localhost" is no URL/],
    ['credentials in the address', ['send', 'stripe', '--url', 'http://a:b@localhost'], /--url holds credentials/],
    ['nothing to tamper with', ['send', 'http', '--tamper'], /nothing is signed/],
    ['a source that is not configured', ['send', '--source', 'nowhere'], /configures no source "nowhere"/],
    ['an option twice', ['send', 'stripe', '--url', 'http://a', '--url', 'http://b'], /--url was given more than once/],
  ]
  for (const [what, args, message] of mistakes) {
    it(`ends with 2 for ${what}`, async () => {
      const { code, stdout, stderr } = await sluice(args, { env: { SECRET } })
      expect(stderr).to.match(message)
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' })
    })
  }

  it('warns of a secret on the command line', async () => {
    const { stderr } = await sluice(['send', 'stripe', '--url', `${gateway.url}/webhooks/stripe`, '--secret', SECRET])
    expect(stderr).to.include('--secret stands in the process list')
    expect(stderr).not.to.include(SECRET)
  })
})
