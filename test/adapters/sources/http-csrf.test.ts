import { expect } from 'chai'
import type { AuthSpec, Delivery, Reply, SourceContext } from '#domain/source'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { http } from '../../../adapters/sources/http.ts'
import { contextAt, deliver, NOW } from '../../helpers/deliveries.ts'

const AUTH: AuthSpec = { kind: 'basic', users: { alice: 'alice’s word', bob: 'bob’s word' } }
const REQUIRED = { ok: false, status: 403, headers: { 'x-csrf-token': 'Required' } }
const as = (user: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${user}’s word`).toString('base64')}`,
})

/** A source as an instance of the gateway has it: state shared by name, cache its own. */
function instance(states: Map<string, unknown>, name = 'orders') {
  const cache = new Map<string, unknown>()
  const source = http({ path: name, auth: AUTH })
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
      expect(setCookie).to.match(/; HttpOnly; SameSite=Strict/)
      expect(await one.verify({ ...as('alice'), 'x-csrf-token': token, cookie })).to.include({ ok: true })
    }
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
