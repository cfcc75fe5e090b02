import { expect } from 'chai'
import type { AuthSpec } from '#domain/source'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { eventMesh } from '../../../adapters/sources/index.ts'
import { type FrontDoor, frontDoor, type Sending } from '../../helpers/front-door.ts'
import { startIssuer } from '../../helpers/issuer.ts'

const event = (id: string, data: unknown = { SalesOrder: '1' }) =>
  `{"specversion":"1.0","id":"${id}","source":"/s4","type":"sap.s4.beh.x.v1.X.Done.v1","data":${JSON.stringify(data)}}`

/** The kind over HTTP: what a broker, or somebody who plays one, may send. */
describe('event-mesh over HTTP', () => {
  let issuer: Awaited<ReturnType<typeof startIssuer>>
  let door: FrontDoor
  let bearer: { authorization: string }

  beforeEach(async () => {
    issuer = await startIssuer()
    const auth: AuthSpec = {
      kind: 'jwt',
      jwksUrl: `${issuer.issuer}/certs`,
      audience: 'sluice!t1',
      scope: 'sluice!t1.emcallback',
    }
    door = await frontDoor({
      mount: 'node:http',
      sources: {
        s4: eventMesh({ queue: 'ns/q', auth }),
        listed: eventMesh({ queue: 'ns/listed', auth, allowedOrigins: ['em.example.com'] }),
        retired: { ...eventMesh({ queue: 'ns/retired', auth }), retired: true },
      },
      authenticate: authenticator(),
      clock: { now: () => new Date('2026-03-01T12:00:00Z'), after: () => () => undefined },
    })
    bearer = { authorization: `Bearer ${await issuer.token({ aud: 'sluice!t1', scope: ['sluice!t1.emcallback'] })}` }
  })
  afterEach(async () => {
    await door.close()
    await issuer.close()
  })

  const deliver = (body: NonNullable<Sending['body']>, headers = {}, path = '/webhooks/s4') =>
    door.send({ path, body, headers: { 'content-type': 'application/cloudevents+json', ...bearer, ...headers } })
  const greet = (headers: NonNullable<Sending['headers']>, path = '/webhooks/s4') =>
    door.send({ method: 'OPTIONS', path, headers })
  const origin = (value: string | readonly string[]) => ({ 'webhook-request-origin': value })

  it('stores events of 1.5 MB, and of 9 MB as too large, and acknowledges both', async () => {
    expect((await deliver(event('big', 'ż'.repeat(750_000)))).status).to.equal(200)
    expect(door.events()[0]?.data).to.have.lengthOf(750_002)
    const huge = await deliver(event('huge', 'x'.repeat(9_000_000)))
    expect([huge.status, JSON.parse(huge.text).status]).to.deep.equal([200, 'quarantined'])
    expect(door.deliveries().at(-1)?.items).to.deep.equal([{ kind: 'bad', reason: 'too-large' }])
  })

  it('takes a batch of 10,000, a poisoned one in its middle', async () => {
    const events = Array.from({ length: 10_000 }, (_, n) => (n === 5_000 ? '{"specversion":"1.0"}' : event(String(n))))
    const answer = await deliver(`[${events.join(',')}]`, { 'content-type': 'application/cloudevents-batch+json' })
    expect(answer.status).to.equal(200)
    expect(door.events()).to.have.lengthOf(9_999)
  })

  it('acknowledges topics of any characters', async () => {
    for (const topic of ['ns/żółć', 'a b/*/+/>', '%00%zz', 'x'.repeat(4_000), '', 'ns//', '<script>', '../../etc']) {
      const address = { 'x-address': Buffer.from(`topic:${topic}`).toString('latin1') }
      expect((await deliver('plain', { ...address, 'content-type': 'text/plain' })).status, topic).to.equal(200)
    }
  })

  it('grants the handshake as often as it is asked for', async () => {
    for (let count = 0; count < 2; count++) {
      const answer = await greet({ ...bearer, ...origin('em.example.com') })
      expect([
        answer.status,
        answer.headers['webhook-allowed-origin'],
        answer.headers['webhook-allowed-rate'],
      ]).to.deep.equal([200, 'em.example.com', '*'])
    }
  })

  it('grants no handshake to a foreign origin, to two, to one of 8 kB, to none', async () => {
    for (const [value, status] of [
      ['evil.example.com', 403],
      [['em.example.com', 'evil.example.com'], 400],
      ['a'.repeat(8_192), 400],
      ['em.example.com evil', 400],
      ['', 400],
    ] as const) {
      const answer = await greet({ ...bearer, ...origin(value) }, '/webhooks/listed')
      expect(answer.status, String(value).slice(0, 40)).to.equal(status)
      expect(answer.headers).to.not.have.any.keys('webhook-allowed-origin', 'webhook-allowed-rate')
    }
  })

  it('grants no handshake whose origin has a CR or LF in it', async () => {
    for (const broken of ['em.example.com\rset-cookie: a=b', 'em.example.com\r\n set-cookie: a=b']) {
      const socket = await door.socket()
      const head = `OPTIONS /webhooks/s4 HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: ${bearer.authorization}`
      socket.write(`${head}\r\nwebhook-request-origin: ${broken}\r\n\r\n`)
      let answer = ''
      for await (const chunk of socket) answer += chunk
      expect(answer)
        .to.match(/^HTTP\/1\.1 400 /)
        .and.not.match(/set-cookie|webhook-allowed/i)
    }
  })

  it('refuses a handshake without token, with a wrong one, without the scope, and counts it', async () => {
    const narrow = await issuer.token({ aud: 'sluice!t1', scope: ['sluice!t1.other'] })
    for (const [authorization, status] of [
      [undefined, 401],
      ['Bearer wrong', 401],
      [`Bearer ${narrow}`, 403],
    ] as const) {
      const answer = await greet({ ...origin('em.example.com'), ...(authorization ? { authorization } : {}) })
      expect([answer.status, answer.headers['webhook-allowed-origin']]).to.deep.equal([status, undefined])
    }
    expect(door.log.messages('warn').filter((line) => line.includes('refused'))).to.have.lengthOf(3)
  })

  it('answers 503 with Retry-After, and never 401, while the keys cannot be read', async () => {
    issuer.json('/certs', {}, 500)
    const late = await issuer.token({ aud: 'sluice!t1', scope: ['sluice!t1.emcallback'], jti: 'not cached' })
    for (const answer of [
      await deliver(event('1'), { authorization: `Bearer ${late}` }),
      await greet({ authorization: `Bearer ${late}`, ...origin('em.example.com') }),
    ]) {
      expect([answer.status, answer.headers['retry-after']]).to.deep.equal([503, '5'])
    }
  })

  it('answers 410 only where an operator retired the channel', async () => {
    expect((await deliver(event('1'), {}, '/webhooks/retired')).status).to.equal(410)
    expect((await deliver(event('1'))).status).to.equal(200)
  })

  it('is reached by the path that CAP registered, for its queue only', async () => {
    const path = '/messaging/enterprise-messaging'
    expect((await deliver(event('1'), {}, `${path}?q=ns/q`)).status).to.equal(200)
    expect((await deliver(event('1'), {}, `${path}?q=ns%2Fq`)).text).to.include('duplicate')
    for (const other of ['', '?q=', '?q=ns/other', '?q=NS/Q', '?q=ns/q&q=ns/listed', '/deploy', '/deploy?q=ns/q']) {
      expect((await deliver(event('2'), {}, path + other)).status, other).to.equal(404)
    }
  })
})
