import { expect } from 'chai'
import type { AuthSpec, Delivery, Reply, SourceContext } from '#domain/source'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { http } from '../../../adapters/sources/http.ts'
import { makeIdentity } from '../../../testing/event-mesh/x509.ts'
import { contextAt, deliver, NOW } from '../../helpers/deliveries.ts'
import { startIssuer } from '../../helpers/issuer.ts'

const AUTH: AuthSpec = { kind: 'basic', users: { alice: 'alice’s word', bob: 'bob’s word' } }
const REQUIRED = { ok: false, status: 403, headers: { 'x-csrf-token': 'Required' } }
const as = (user: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${user}’s word`).toString('base64')}`,
})

/** A source as an instance of the gateway has it: state shared by name, cache its own. */
function instance(states: Map<string, unknown>, name = 'orders', auth: AuthSpec | readonly AuthSpec[] = AUTH) {
  const cache = new Map<string, unknown>()
  const source = http({ path: name, auth })
  let now = NOW
  const context = (): SourceContext => ({
    ...contextAt(now, authenticator()),
    cache: { get: (key) => cache.get(key), set: (key, value) => void cache.set(key, value) },
    state: {
      get: async (key) => states.get(`${name} ${key}`),
      set: async (key, value) => void states.set(`${name} ${key}`, value),
    },
  })
  const handshake = async (request: Delivery) => source.handshake?.(request, context())
  return {
    at: (date: Date) => {
      now = date
    },
    handshake,
    /** Fetches a token as this caller and posts with it as that one. */
    async exchange(from: Partial<Delivery>, to: Partial<Delivery> = from) {
      const asked = deliver({ method: 'GET', receivedAt: now })
      const granted = await handshake({
        ...asked,
        ...from,
        headers: { ...from.headers, 'x-csrf-token': ['Fetch'] },
      })
      const { headers = {} } = (granted ?? {}) as Reply
      const cookie = [headers['set-cookie']?.split(';')[0] ?? '']
      const mine = { ...to.headers, cookie, 'x-csrf-token': [headers['x-csrf-token'] ?? ''] }
      return source.verify({ ...deliver({ receivedAt: now }), ...to, headers: mine }, context())
    },
    verify: async (headers: Record<string, string | readonly string[]>, method = 'POST') =>
      source.verify(deliver({ method, headers, receivedAt: now }), context()),
    async fetch(user: string, more: Record<string, string> = {}, method = 'GET') {
      const reply = await handshake(deliver({ method, headers: { 'x-csrf-token': 'Fetch', ...as(user), ...more } }))
      const { headers = {} } = reply as Reply
      const cookie = headers['set-cookie']?.split(';')[0] ?? ''
      return { reply, cookie, token: headers['x-csrf-token'] ?? '', setCookie: headers['set-cookie'] }
    },
  }
}

describe('http: CSRF tokens', () => {
  let states: Map<string, unknown>
  let one: ReturnType<typeof instance>
  beforeEach(() => {
    states = new Map()
    one = instance(states)
  })

  it('are fetched by GET and by HEAD, with any spelling of Fetch, together with a session', async () => {
    for (const method of ['GET', 'HEAD']) {
      const { reply, token, cookie, setCookie } = await one.fetch('alice', { 'x-csrf-token': 'fEtCh' }, method)
      expect(reply).to.have.property('status', 200)
      expect(setCookie).to.match(/; HttpOnly; SameSite=Strict; Secure$/)
      expect(reply).to.have.nested.property('headers.cache-control', 'no-store')
      expect(await one.verify({ ...as('alice'), 'x-csrf-token': token, cookie })).to.include({ ok: true })
    }
  })

  it('come in a cookie that is for https only where callers have that, here or at a router', async () => {
    const ask = (url: string, headers = {}) =>
      one.handshake(deliver({ method: 'GET', url, headers: { ...as('alice'), 'x-csrf-token': 'Fetch', ...headers } }))
    const cookie = 'headers.set-cookie'
    const plain = 'http://10.0.0.1/http/orders'
    expect(await ask(plain))
      .to.have.nested.property(cookie)
      .that.does.not.include('Secure')
    expect(await ask(plain, { 'x-forwarded-proto': 'https,http' }))
      .to.have.nested.property(cookie)
      .that.includes('Secure')
  })

  it('are asked for with every method that changes something, and with no other', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expect(await one.verify(as('alice'), method)).to.deep.include({ ...REQUIRED, reason: 'csrf-token-missing' })
    }
    expect(await one.verify(as('alice'), 'GET')).to.include({ ok: true })
  })

  it('are for callers who say who they are', async () => {
    const anonymous = await one.handshake(deliver({ method: 'GET', headers: { 'x-csrf-token': 'Fetch' } }))
    expect(anonymous).to.include({ ok: false, reason: 'token-missing', status: 401 })
    const wrong = await one.verify({ authorization: 'Basic eDp5' })
    expect(wrong).to.include({ ok: false, reason: 'token-invalid', status: 401 })
  })

  it('may be used more than once, and their session goes on with the next', async () => {
    const { token, cookie } = await one.fetch('alice')
    const next = await one.fetch('alice', { cookie: `other=1; ${cookie}` })
    expect(next.cookie).to.equal(cookie)
    for (const mine of [token, token, next.token]) {
      expect(await one.verify({ ...as('alice'), 'x-csrf-token': mine, cookie })).to.include({ ok: true })
    }
  })

  it('are refused when stolen, stale, forged, of another session, or of another source', async () => {
    const { token, cookie } = await one.fetch('alice')
    const other = await one.fetch('alice')
    const bobs = await one.fetch('bob')
    const elsewhere = await instance(states, 'invoices').fetch('alice', { cookie })
    const mine = { ...as('alice'), cookie, 'x-csrf-token': token }
    const [issued = '', mac = ''] = token.split('.')
    for (const [what, headers] of Object.entries({
      'another session’s cookie': { ...mine, cookie: other.cookie },
      'no cookie': { ...as('alice'), 'x-csrf-token': token },
      'two cookies': { ...mine, cookie: `${cookie}; ${other.cookie}` },
      'another caller with token and cookie': { ...mine, ...as('bob') },
      'another caller’s token': { ...mine, 'x-csrf-token': bobs.token },
      'another source’s token': { ...mine, 'x-csrf-token': elsewhere.token },
      'a date of its own': { ...mine, 'x-csrf-token': `${(NOW.getTime() + 1).toString(36)}.${mac}` },
      'no seal': { ...mine, 'x-csrf-token': `${issued}.` },
      'another seal': { ...mine, 'x-csrf-token': `${issued}.${'A'.repeat(43)}` },
      Fetch: { ...mine, 'x-csrf-token': 'Fetch' },
      'two tokens': { ...mine, 'x-csrf-token': [token, other.token] },
      nonsense: { ...mine, 'x-csrf-token': '💥' },
    })) {
      const verdict = await one.verify(headers)
      expect(verdict, what).to.deep.include({ ...REQUIRED, reason: 'csrf-token-invalid' })
    }
    expect(await one.verify(mine)).to.include({ ok: true })
  })

  it('are for callers by OAuth2 and by client certificate alike, and for none but the one who fetched', async () => {
    const issuer = await startIssuer()
    try {
      const authority = makeIdentity({ name: [['CN', 'CA']], isAuthority: true })
      const certified = (name: string): Partial<Delivery> => {
        const { raw } = makeIdentity({ name: [['CN', name]], signedBy: authority }).certificate
        return { headers: {}, peer: { certificate: { raw, authorized: true } } }
      }
      const bearer = async (sub: string) => {
        const token = await issuer.token({ aud: 'sluice', sub, client_id: sub, scope: ['sluice.ESBMessaging.send'] })
        return { headers: { authorization: [`Bearer ${token}`] } }
      }
      const jwksUrl = `${issuer.issuer}/certs`
      const both = instance(states, 'both', [
        AUTH,
        { kind: 'jwt', jwksUrl, audience: 'sluice', scope: 'sluice.ESBMessaging.send' },
        { kind: 'certificate', from: 'connection', subject: ['CN=a', 'CN=b'], issuer: 'CN=CA' },
      ])
      for (const [mine, other] of [
        [await bearer('one'), await bearer('two')],
        [certified('a'), certified('b')],
        [{ headers: { authorization: [as('alice').authorization] } }, certified('a')],
      ] as const) {
        expect(await both.exchange(mine)).to.include({ ok: true, authlevel: 'token' })
        expect(await both.exchange(mine, other)).to.include({ ok: false, reason: 'csrf-token-invalid' })
      }
      const scopeless = { headers: { authorization: [`Bearer ${await issuer.token({ aud: 'sluice', sub: 'x' })}`] } }
      expect(await both.exchange(scopeless)).to.include({ ok: false, status: 403 })
      expect(await both.exchange(certified('stranger'))).to.include({ ok: false, status: 401 })
    } finally {
      await issuer.close()
    }
  })

  it('end after half an hour, and one from the future is none', async () => {
    const { token, cookie } = await one.fetch('alice')
    const mine = { ...as('alice'), cookie, 'x-csrf-token': token }
    one.at(new Date(NOW.getTime() + 1_800_000))
    expect(await one.verify(mine)).to.include({ ok: true })
    one.at(new Date(NOW.getTime() + 1_800_001))
    expect(await one.verify(mine)).to.include({ ok: false, reason: 'csrf-token-invalid' })
    one.at(new Date(NOW.getTime() - 120_000))
    expect(await one.verify(mine)).to.include({ ok: false, reason: 'csrf-token-invalid' })
  })

  it('of one instance are good at another, also where both made a first key at once', async () => {
    const two = instance(states)
    const early = await one.fetch('alice')
    expect(await two.verify({ ...as('alice'), cookie: early.cookie, 'x-csrf-token': early.token })).to.include({
      ok: true,
    })
    // What a race leaves: the first instance has cached a key that the second has replaced.
    states.clear()
    const late = await instance(states).fetch('alice')
    expect(await one.verify({ ...as('alice'), cookie: late.cookie, 'x-csrf-token': late.token })).to.include({
      ok: true,
    })
  })

  it('a cookie of our own making only: what a caller makes up as a session is replaced', async () => {
    const { cookie } = await one.fetch('alice', { cookie: 'sluice-session=x' })
    expect(cookie).to.match(/^sluice-session=[\w-]{32}$/)
  })
})
