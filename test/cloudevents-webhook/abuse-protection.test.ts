import { expect } from 'chai'
import type { AuthSpec } from '#domain/source'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { structured, type WebhookSite, webhookSite } from '../helpers/webhook-site.ts'

const auth: AuthSpec = { kind: 'api-key', keys: { sender: 'a-token' } }
const bearer = { authorization: 'Bearer a-token' }

// CloudEvents, HTTP 1.1 Web Hooks for Event Delivery, 1.0.2. Each test is named by the sentence it checks.
describe('CloudEvents webhook §4 Abuse Protection', () => {
  let site: WebhookSite
  const open = async (options: Parameters<typeof webhookSite>[0] = {}) => {
    site = await webhookSite({ allowedOrigins: ['eventemitter.example.com'], ...options })
    return site
  }
  afterEach(() => site.close())

  const origin = { 'webhook-request-origin': 'eventemitter.example.com' }
  const grants = ({ headers }: { headers: NodeJS.Dict<string | string[]> }) => [
    headers['webhook-allowed-origin'],
    headers['webhook-allowed-rate'],
  ]
  const nothing = [undefined, undefined]

  it('Delivery targets SHOULD support the abuse protection feature.', async () => {
    await open()
    expect(grants(await site.greet(origin))).to.deep.equal(['eventemitter.example.com', '*'])
  })

  it('It is important to understand is that the handshake does not aim to establish an authentication or authorization context.', async () => {
    await open({ auth })
    expect(grants(await site.greet(origin)), 'without a token').to.deep.equal(['eventemitter.example.com', '*'])
    expect((await site.deliver({ headers: origin })).status, 'which the delivery needs').to.equal(401)
  })

  it('The validation request uses the HTTP OPTIONS method.', async () => {
    await open()
    for (const method of ['GET', 'HEAD', 'PUT']) {
      const answer = await site.send({ method, path: site.path, headers: origin })
      expect([answer.status, ...grants(answer)], method).to.deep.equal([405, ...nothing])
    }
  })

  it('The request is directed to the exact resource target URI that is being registered.', async () => {
    await open()
    for (const path of ['/webhooks/other', '/webhooks', `${site.path}/deeper`, '*']) {
      const answer = await site.greet(origin, path)
      expect([answer.status, ...grants(answer)], path).to.deep.equal([404, ...nothing])
    }
    expect((await site.greet(origin, `${site.path}?tenant=a&key=b`)).status, 'its own parameters are its own').to.equal(
      200,
    )
  })

  it('The `WebHook-Request-Origin` header MUST be included in the validation request.', async () => {
    await open({ allowedOrigins: ['*'] })
    for (const value of [undefined, '', 'a b', 'a'.repeat(8_192), ['a.example', 'b.example']]) {
      const answer = await site.greet(value === undefined ? {} : { 'webhook-request-origin': value })
      expect([answer.status, ...grants(answer)], String(value).slice(0, 20)).to.deep.equal([400, ...nothing])
    }
  })

  it('does not let a header be split by what it echoes', async () => {
    await open({ allowedOrigins: ['*'] })
    const socket = await site.socket()
    socket.write(
      `OPTIONS ${site.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nWebHook-Request-Origin: a.example\rSet-Cookie: a=b\r\n\r\n`,
    )
    let answer = ''
    for await (const chunk of socket) answer += chunk
    expect(answer)
      .to.match(/^HTTP\/1\.1 400 /)
      .and.not.match(/set-cookie|webhook-allowed/i)
  })

  it('After the handshake and if permission has been granted, the sender MUST use the `WebHook-Request-Origin` request header for each delivery request, with the value matching that of this header.', async () => {
    await open()
    expect((await site.greet(origin)).status).to.equal(200)
    expect((await site.deliver({ headers: origin })).status).to.equal(202)
    expect((await site.deliver({ headers: site.origin('EVENTEMITTER.example.com') })).status, 'a DNS name').to.equal(
      202,
    )
    expect((await site.deliver({ headers: site.origin('another.example.com') })).status).to.equal(403)
    expect((await site.deliver()).status).to.equal(403)
    expect((await site.deliver({ headers: { origin: 'eventemitter.example.com' } })).status, '1.0').to.equal(202)
  })

  it('The `WebHook-Request-Rate` header MAY be included in the request and asks for permission to send notifications from this sender at the specified rate.', async () => {
    await open({ allowedRate: 100 })
    const asked = async (rate?: string) =>
      grants(await site.greet({ ...origin, ...(rate ? { 'webhook-request-rate': rate } : {}) }))[1]
    expect(await asked('60'), 'granted as asked').to.equal('60')
    expect(await asked('120'), 'as far as allowed').to.equal('100')
    expect(await asked(), 'or what is allowed').to.equal('100')
  })

  it('The value is the string representation of a positive integer number greater than zero.', async () => {
    await open({ allowedRate: 100 })
    for (const rate of ['0', '-1', '1.5', '1e3', 'many', '', '*', '00', '99999999999999999999', ['1', '2']]) {
      const answer = await site.greet({ ...origin, 'webhook-request-rate': rate })
      expect([answer.status, ...grants(answer)], String(rate)).to.deep.equal([400, ...nothing])
    }
  })

  it('If and only if the delivery target does allow delivery of the events, it MUST reply to the request by including the `WebHook-Allowed-Origin` and `WebHook-Allowed-Rate` headers.', async () => {
    await open()
    expect(grants(await site.greet(origin))).to.deep.equal(['eventemitter.example.com', '*'])
    for (const foreign of ['evil.example.com', 'eventemitter.example.com.evil.com', 'xeventemitter.example.com', '*']) {
      const answer = await site.greet(site.origin(foreign))
      expect([answer.status, ...grants(answer)], foreign).to.deep.equal([403, ...nothing])
    }
  })

  it('If the delivery target otherwise does not handle the HTTP OPTIONS method, it SHOULD respond with HTTP status code 405, as if OPTIONS were not supported.', async () => {
    await open({ allowedOrigins: [] })
    const answer = await site.greet(origin)
    expect([answer.status, answer.headers.allow, ...grants(answer)]).to.deep.equal([405, 'POST', ...nothing])
  })

  it('The OPTIONS response SHOULD include the Allow header indicating the POST method being permitted.', async () => {
    await open()
    for (const headers of [origin, site.origin('evil.example.com'), {}]) {
      expect((await site.greet(headers)).headers.allow).to.equal('POST')
    }
  })

  it('The `WebHook-Allowed-Origin` header MUST be returned when the delivery target agrees to notification delivery by the origin service. Its value MUST either be the origin name supplied in the `WebHook-Request-Origin` header, or a singular asterisk character.', async () => {
    await open({ allowedOrigins: ['*'] })
    for (const name of ['eventemitter.example.com', 'Mixed.Example.COM', 'https://a.example:8443', '*.example.com']) {
      expect(grants(await site.greet(site.origin(name)))[0]).to.equal(name)
    }
  })

  it('The `WebHook-Allowed-Rate` header MUST be returned if the request contained the `WebHook-Request-Rate`, otherwise it SHOULD be returned.', async () => {
    await open()
    expect(grants(await site.greet(origin))[1]).to.equal('*')
    expect(grants(await site.greet({ ...origin, 'webhook-request-rate': '120' }))[1]).to.equal('*')
  })

  it('The asterisk indicates that there is no rate limitation.', async () => {
    await open()
    await site.greet({ ...origin, 'webhook-request-rate': '1' })
    for (let count = 0; count < 30; count++) expect((await site.deliver({ headers: origin })).status).to.equal(202)
  })

  describe('An integer number expresses the permitted request rate in "requests per minute". For request rates exceeding the granted notification rate, the sender ought to expect request throttling.', () => {
    const burst = async (headers: Record<string, string>, count: number) => {
      const statuses: number[] = []
      for (let id = 0; id < count; id++) {
        statuses.push(
          (await site.deliver({ headers, body: structured(`${headers['webhook-request-origin']}-${id}`) })).status,
        )
      }
      return statuses.filter((status) => status === 202).length
    }

    it('enforces what was negotiated, for each origin on its own', async () => {
      await open({ auth, allowedOrigins: ['a.example', 'b.example'], allowedRate: 10 })
      const [a, b] = [
        { ...bearer, ...site.origin('a.example') },
        { ...bearer, ...site.origin('b.example') },
      ]
      await site.greet({ ...a, 'webhook-request-rate': '4' })
      expect([await burst(a, 12), await burst(b, 12)]).to.deep.equal([4, 10])
      await site.clock.advance(60_000)
      expect(await burst(a, 12)).to.equal(4)
    })

    it('remembers it over a restart, and a later handshake replaces it', async () => {
      const inbox = memoryInbox()
      const headers = { ...bearer, ...origin }
      await open({ auth, allowedRate: 10, inbox })
      await site.greet({ ...headers, 'webhook-request-rate': '4' })
      await site.close()
      await open({ auth, allowedRate: 10, inbox })
      expect(await burst(headers, 12)).to.equal(4)
      await site.greet({ ...headers, 'webhook-request-rate': '6' })
      await site.clock.advance(60_000)
      expect(await burst(headers, 12)).to.equal(6)
    })

    it('lets no grant outlive a lower limit of the configuration', async () => {
      const inbox = memoryInbox()
      const headers = { ...bearer, ...origin }
      await open({ auth, allowedRate: 10, inbox })
      await site.greet({ ...headers, 'webhook-request-rate': '8' })
      await site.close()
      await open({ auth, allowedRate: 3, inbox })
      expect(await burst(headers, 12)).to.equal(3)
    })

    // Fails when strangers count: anybody could then silence a sender whose name he knows.
    it('lets no stranger narrow, widen or use up what a sender was granted', async () => {
      await open({ auth, allowedRate: 10 })
      await site.greet({ ...origin, 'webhook-request-rate': '1' })
      await site.greet({ ...origin, ...{ authorization: 'Bearer wrong' }, 'webhook-request-rate': '1' })
      for (let count = 0; count < 20; count++) expect((await site.deliver({ headers: origin })).status).to.equal(401)
      expect(await burst({ ...bearer, ...origin }, 12)).to.equal(10)
    })

    // Fails when everybody counts as known where nobody has to prove anything.
    it('keeps nothing but of names that are configured where no proof is asked for', async () => {
      await open({ allowedOrigins: ['a.example', '*'], allowedRate: 10 })
      for (let count = 0; count < 50; count++) {
        await site.greet({ ...site.origin(`host-${count}.example`), 'webhook-request-rate': '5' })
      }
      expect(site.state.sourceStates.size).to.equal(0)
      await site.greet({ ...site.origin('a.example'), 'webhook-request-rate': '5' })
      expect(await burst(site.origin('a.example'), 12)).to.equal(5)
    })

    it('keeps nothing of strangers, however many names they give', async () => {
      await open({ auth, allowedOrigins: ['*'], allowedRate: 10 })
      for (let count = 0; count < 50; count++) {
        await site.greet({ ...site.origin(`host-${count}.example`), 'webhook-request-rate': '5' })
      }
      expect(site.state.sourceStates.size).to.equal(0)
    })
  })
})
