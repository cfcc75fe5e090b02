import { expect } from 'chai'
import type { AuthSpec } from '#domain/source'
import { guardedFetch } from '../../adapters/net/guarded-fetch.ts'
import { callbackHost } from '../helpers/callback-host.ts'
import { type WebhookSite, webhookSite } from '../helpers/webhook-site.ts'
import { until } from '../testing/support.ts'

// CloudEvents, HTTP 1.1 Web Hooks for Event Delivery, 1.0.2. Each test is named by the sentence it checks.
describe('CloudEvents webhook §4.1.3 WebHook-Request-Callback', () => {
  let host: Awaited<ReturnType<typeof callbackHost>>
  let sites: WebhookSite[] = []
  const open = async (method: 'GET' | 'POST' = 'POST', more: Parameters<typeof webhookSite>[0] = {}) => {
    const site = await webhookSite({
      allowedOrigins: ['a.example'],
      callback: { hosts: [host.host, 'public.example'], method },
      // As wiring makes it, but for the one loopback host that stands for the sender's.
      fetch: guardedFetch({ hosts: [host.host, 'public.example'], trustedOrigins: [host.origin] }),
      ...more,
    })
    sites.push(site)
    return site
  }
  beforeEach(async () => {
    host = await callbackHost()
  })
  afterEach(async () => {
    await Promise.all(sites.map((site) => site.close()))
    sites = []
    await host.close()
  })

  const SECRET = '/confirm?id=12345&key=c2VjcmV0'
  const ask = (to: WebhookSite, url = host.origin + SECRET, more = {}) =>
    to.greet({ ...to.origin('a.example'), 'webhook-request-callback': url, ...more })
  const grants = ({ state }: WebhookSite) => [...state.sourceStates.values()].map((value) => JSON.parse(value))

  it('If the delivery target chooses to grant permission by callback, it withholds the response headers.', async () => {
    const answer = await ask(await open())
    expect([answer.status, answer.headers.allow]).to.deep.equal([202, 'POST'])
    expect(answer.headers).to.not.have.any.keys('webhook-allowed-origin', 'webhook-allowed-rate')
  })

  for (const method of ['GET', 'POST'] as const) {
    it(`The delivery target grants permission by issuing an HTTPS GET or POST request against the given URL: ${method}.`, async () => {
      const here = await open(method, { allowedRate: 100 })
      await ask(here, undefined, { 'webhook-request-rate': '60' })
      const call = await host.called()
      expect(call).to.include({ method, url: SECRET })
      expect(call.headers).to.include({ 'webhook-allowed-origin': 'a.example' })
      await until(() => grants(here).length > 0)
      const at = here.clock.now().toISOString()
      expect(grants(here)).to.deep.equal([{ origin: 'a.example', rate: 60, at, by: 'callback' }])
    })
  }

  it('The delivery target MAY include the `WebHook-Allowed-Rate` response in the callback.', async () => {
    const here = await open('POST', { allowedRate: 100 })
    await ask(here, undefined, { 'webhook-request-rate': '120' })
    expect((await host.called()).headers['webhook-allowed-rate']).to.equal('100')
  })

  it('The `WebHook-Request-Callback` header is OPTIONAL.', async () => {
    const here = await open()
    const answer = await here.greet(here.origin('a.example'))
    expect(answer.headers).to.include({ 'webhook-allowed-origin': 'a.example', 'webhook-allowed-rate': '*' })
    expect(host.calls).to.deep.equal([])
  })

  it('The URL SHOULD contain an identifier for the delivery target along with a secret key: it reaches neither log nor store.', async () => {
    await host.close()
    host = await callbackHost(500)
    const here = await open()
    await ask(here)
    await until(() => here.log.messages('warn').length > 0)
    expect(here.log.text()).to.include('callback-failed').and.not.include('c2VjcmV0').and.not.include('confirm')
    expect(JSON.stringify(here.deliveries()) + JSON.stringify(grants(here))).to.not.include('c2VjcmV0')
  })

  it('grants nothing where the callback fails or redirects, and follows no redirection', async () => {
    for (const [status, headers] of [
      [404, {}],
      [302, { location: `${host.origin}/elsewhere` }],
    ] as const) {
      await host.close()
      host = await callbackHost(status, headers)
      const here = await open()
      await ask(here)
      await until(() => here.log.messages('warn').length > 0)
      expect(host.calls.map(({ url }) => url)).to.deep.equal([SECRET])
      expect(grants(here)).to.deep.equal([])
    }
  })

  it('calls once a minute for an origin, however often it asks', async () => {
    const here = await open()
    for (let count = 0; count < 10; count++) await ask(here)
    await host.called()
    await until(() => grants(here).length > 0)
    expect(host.calls).to.have.lengthOf(1)
    await here.clock.advance(60_000)
    await ask(here)
    await until(() => host.calls.length === 2)
  })

  // A stranger names the address: whatever it is, nothing of our network may be called.
  it('calls no host but those configured, no private address, and nothing but https', async () => {
    const { port } = new URL(host.origin)
    const here = await open()
    for (const url of [
      `http://${host.host}/`,
      `https://localhost:${port}/`,
      `https://user:pass@${host.host}/`,
      `https://${host.host}.evil.example/`,
      `https://${host.host}@evil.example/`,
      'https://169.254.169.254/latest/meta-data/',
      'https://[::1]/',
      'file:///etc/passwd',
      'javascript:alert(1)',
      'not a url',
      `https://${host.host}/${'x'.repeat(3_000)}`,
    ]) {
      const answer = await ask(here, url)
      expect(answer.headers['webhook-allowed-origin'], `${url.slice(0, 40)}: granted in the answer`).to.equal(
        'a.example',
      )
    }
    expect(host.calls).to.deep.equal([])
  })

  it('does not call a listed host that resolves to a private address', async () => {
    const lookup = ((_name: string, _options: object, done: (error: null, found: object[]) => void) =>
      done(null, [{ address: '127.0.0.1', family: 4 }])) as never
    const hosts = ['sender.example']
    const here = await open('POST', { callback: { hosts }, fetch: guardedFetch({ hosts, lookup }) })
    await ask(here, `https://sender.example/confirm`)
    await until(() => here.log.messages('warn').length > 0)
    expect(here.log.text()).to.include('fetch-refused')
    expect(grants(here)).to.deep.equal([])
  })

  it('calls nobody for an origin that is not allowed, or for a stranger whose origin only * allows', async () => {
    const auth: AuthSpec = { kind: 'api-key', keys: { sender: 'k' } }
    const here = await open('POST', { auth, allowedOrigins: ['*'] })
    await ask(here)
    expect((await ask(here)).headers).to.have.property('webhook-allowed-origin')
    // A name that no sender has, and that stands in the configuration.
    const star = await ask(here, undefined, here.origin('*'))
    expect([star.status, star.headers['webhook-allowed-origin']]).to.deep.equal([200, '*'])
    const anybody = await open('POST', { allowedOrigins: ['*'] })
    expect((await ask(anybody)).headers, 'where no proof is asked for').to.have.property('webhook-allowed-origin')
    const closed = await open('POST', { allowedOrigins: ['b.example'] })
    expect((await ask(closed)).status).to.equal(403)
    expect(host.calls).to.deep.equal([])
    const known = await open('POST', { auth, allowedOrigins: ['*'] })
    await ask(known, undefined, { authorization: 'Bearer k' })
    expect((await host.called()).headers['webhook-allowed-origin']).to.equal('a.example')
    await until(() => grants(known).length > 0)
  })
})
