import { mock } from 'node:test'
import { expect } from 'chai'
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import type { AuthSpec } from '#domain/source'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { deliver, NOW } from '../../helpers/deliveries.ts'
import { serve } from '../../helpers/http-server.ts'
import { recordingLog } from '../../helpers/recording-log.ts'

const basic: AuthSpec = { kind: 'basic', users: { broker: 'pässword:1', other: 'two' }, scope: 'emcallback' }
const header = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })

describe('authenticate: none and basic', () => {
  const authenticate = authenticator()
  const ask = (headers: Record<string, string | string[]>, url?: string) =>
    authenticate(deliver({ headers, ...(url ? { url } : {}) }), basic)

  it('lets anybody in where none is asked', async () => {
    expect(await authenticate(deliver(), { kind: 'none' })).to.deep.equal({
      ok: true,
      principal: { name: 'anonymous', scopes: [] },
    })
  })

  it('knows a user by name and password, in UTF-8, with a colon in the password', async () => {
    expect(await ask(header('broker:pässword:1'))).to.deep.equal({
      ok: true,
      principal: { name: 'broker', scopes: ['emcallback'] },
    })
    expect(await ask({ authorization: header('other:two').authorization.replace('Basic', 'basic') })).to.include({
      ok: true,
    })
  })

  it('refuses everybody else', async () => {
    for (const wrong of ['broker:', 'broker:two', ':', 'nobody:', 'broker', '', '__proto__:', 'constructor:x']) {
      expect(await ask(header(wrong)), wrong).to.include({ ok: false, reason: 'token-invalid' })
    }
    expect(await ask({})).to.deep.equal({ ok: false, reason: 'token-missing', status: 401 })
    expect(await ask({ authorization: 'Bearer x' })).to.include({ reason: 'token-missing' })
    expect(await ask({ authorization: 'Basic' })).to.include({ reason: 'token-invalid' })
    expect(await ask({ authorization: 'Basic a b' })).to.include({ reason: 'token-invalid' })
    expect(await ask({}, 'https://gateway.example/?access_token=x')).to.include({ reason: 'token-missing' })
  })

  it('refuses two different Authorization headers', async () => {
    const good = header('other:two').authorization
    expect(await ask({ authorization: [good, 'Basic eDp5'] })).to.include({ ok: false, reason: 'header-duplicated' })
  })
})

describe('authenticate: jwt', () => {
  const issuer = 'https://uaa.example/oauth/token'
  const exp = Math.floor(NOW.getTime() / 1_000) + 3_600
  let keys: Awaited<ReturnType<typeof generateKeyPair>>
  let foreign: typeof keys
  let jwks: { keys: object[] }
  let answer: { status: number; body: string; fetches: number }
  let server: Awaited<ReturnType<typeof serve>>
  let spec: Extract<AuthSpec, { kind: 'jwt' }>
  let authenticate: ReturnType<typeof authenticator>

  before(async () => {
    keys = await generateKeyPair('RS256')
    foreign = await generateKeyPair('RS256')
    jwks = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k1', use: 'sig', alg: 'RS256' }] }
    server = await serve((request, response) => {
      if (request.url === '/elsewhere') return response.end(JSON.stringify(jwks))
      answer.fetches++
      const location = answer.status === 302 ? { location: '/elsewhere' } : {}
      return response.writeHead(answer.status, { 'content-type': 'application/json', ...location }).end(answer.body)
    })
  })
  after(() => server.close())

  beforeEach(() => {
    answer = { status: 200, body: JSON.stringify(jwks), fetches: 0 }
    spec = {
      kind: 'jwt',
      jwksUrl: `${server.url}/token_keys`,
      issuer,
      audience: 'sluice!t1',
      scope: 'sluice!t1.emcallback',
    }
    authenticate = authenticator()
  })

  const claims: JWTPayload = {
    iss: issuer,
    aud: ['other', 'sluice!t1'],
    exp,
    scope: ['uaa.resource', 'sluice!t1.emcallback'],
    azp: 'sb-em',
  }
  const without = (name: string): JWTPayload =>
    Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name))
  const sign = (payload: JWTPayload = claims, key = keys.privateKey, kid = 'k1') =>
    new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid }).sign(key)
  const ask = (token: string, at = NOW) =>
    authenticate(deliver({ headers: { authorization: `Bearer ${token}` }, receivedAt: at }), spec)
  const unsigned = (head: object, payload: object, signature = '') =>
    [...[head, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')), signature].join('.')

  it('knows the caller by a token of the issuer, with its scopes', async () => {
    expect(await ask(await sign())).to.deep.equal({
      ok: true,
      principal: { name: 'sb-em', scopes: ['uaa.resource', 'sluice!t1.emcallback'] },
    })
  })

  it('reads scopes as a list, as text, and as scp', async () => {
    for (const scopes of [{ scope: 'a sluice!t1.emcallback' }, { scope: undefined, scp: 'sluice!t1.emcallback' }]) {
      expect(await ask(await sign({ ...claims, ...scopes } as JWTPayload))).to.include({ ok: true })
    }
  })

  it('takes the token from the query, but not from both places', async () => {
    const token = await sign()
    const url = `https://gateway.example/?access_token=${token}`
    expect(await authenticate(deliver({ url }), spec)).to.include({ ok: true })
    const both = deliver({ url, headers: { authorization: `Bearer ${token}` } })
    expect(await authenticate(both, spec)).to.include({ ok: false, reason: 'token-invalid' })
    const twice = deliver({ url: `${url}&access_token=${token}` })
    expect(await authenticate(twice, spec)).to.include({ ok: false, reason: 'token-invalid' })
  })

  it('refuses an anonymous caller', async () => {
    expect(await authenticate(deliver(), spec)).to.deep.equal({ ok: false, reason: 'token-missing', status: 401 })
    expect(answer.fetches).to.equal(0)
  })

  it('refuses a token without the scope with 403', async () => {
    const token = await sign({ ...claims, scope: ['sluice!t1.emcallback2', 'emcallback'] })
    expect(await ask(token)).to.deep.equal({ ok: false, reason: 'scope-missing', status: 403 })
    expect(await ask(token), 'cached').to.deep.equal({ ok: false, reason: 'scope-missing', status: 403 })
  })

  const wrong: readonly [string, () => Promise<string> | string][] = [
    ['of another issuer', () => sign({ ...claims, iss: 'https://evil.example' })],
    ['for another audience', () => sign({ ...claims, aud: 'sluice!t2' })],
    ['without an audience', () => sign(without('aud'))],
    ['that is expired', () => sign({ ...claims, exp: exp - 7_200 })],
    ['without an expiry', () => sign(without('exp'))],
    ['that is not valid yet', () => sign({ ...claims, nbf: exp })],
    ['signed by a foreign key', () => sign(claims, foreign.privateKey)],
    ['with an unknown key id', () => sign(claims, foreign.privateKey, 'k2')],
    [
      'with a changed payload',
      async () => (await sign()).replace(/\.[^.]+\./, `.${Buffer.from('{}').toString('base64url')}.`),
    ],
    ['with a cut signature', async () => (await sign()).slice(0, -8)],
    ['with alg none', () => unsigned({ alg: 'none' }, claims)],
    ['with alg None and a signature', () => unsigned({ alg: 'None', kid: 'k1' }, claims, 'AAAA')],
    [
      'signed with the public key as HMAC secret',
      () =>
        new SignJWT(claims)
          .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
          .sign(new TextEncoder().encode(JSON.stringify(jwks.keys[0]))),
    ],
    [
      'signed with the public key’s PEM as HMAC secret',
      async () =>
        new SignJWT(claims)
          .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
          .sign(new TextEncoder().encode(await exportSPKI(keys.publicKey))),
    ],
    ['issued in the future', () => sign({ ...claims, iat: exp })],
    ['with times that are no numbers', () => sign({ ...claims, exp: String(exp) } as unknown as JWTPayload)],
    [
      'with an extension that nobody understands',
      async () =>
        new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'k1', crit: ['x'], x: 1 }).sign(keys.privateKey, {
          crit: { x: true },
        }),
    ],
    [
      'with its own key set in the header',
      async () =>
        new SignJWT(claims)
          .setProtectedHeader({ alg: 'RS256', jku: 'http://127.0.0.1:9/keys', jwk: await exportJWK(foreign.publicKey) })
          .sign(foreign.privateKey),
    ],
    ['that is none', () => 'not.a.token'],
    // Good but for its length: whoever looks at it may be kept busy.
    ['that is huge', () => sign({ ...claims, padding: 'a'.repeat(20_000) })],
  ]
  for (const [name, make] of wrong) {
    it(`refuses a token ${name}`, async () => {
      expect(await ask(await make())).to.deep.equal({ ok: false, reason: 'token-invalid', status: 401 })
    })
  }

  it('goes by the time of the delivery', async () => {
    const token = await sign()
    expect(await ask(token, new Date((exp - 1) * 1_000))).to.include({ ok: true })
    expect(await ask(token, new Date((exp + 60) * 1_000)), 'also when it was cached').to.include({ ok: false })
  })

  it('fetches the keys once, also for tokens that come at once', async () => {
    const token = await sign()
    await Promise.all([ask(token), ask(token)])
    answer = { status: 500, body: '', fetches: answer.fetches }
    expect(await ask(token)).to.include({ ok: true })
    expect(answer.fetches).to.equal(1)
  })

  // Fails when the cache's key is the token alone: the second requirement is then met by the first one's answer.
  it('does not take a token for another audience because it was good for one', async () => {
    const token = await sign()
    expect(await ask(token)).to.include({ ok: true })
    spec = { ...spec, audience: 'another' }
    expect(await ask(token)).to.include({ ok: false, reason: 'token-invalid' })
  })

  it('reads the keys again for an unknown key id, at most once a second', async () => {
    mock.timers.enable({ apis: ['Date'], now: NOW })
    try {
      const next = await generateKeyPair('ES256')
      const token = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k9' }).sign(next.privateKey)
      expect(await ask(await sign())).to.include({ ok: true })
      answer.body = JSON.stringify({ keys: [{ ...(await exportJWK(next.publicKey)), kid: 'k9', alg: 'ES256' }] })
      for (let count = 0; count < 20; count++) expect(await ask(token)).to.include({ ok: false })
      expect(answer.fetches).to.equal(1)
      mock.timers.tick(1_001)
      expect(await ask(token)).to.include({ ok: true })
      expect(answer.fetches).to.equal(2)
    } finally {
      mock.timers.reset()
    }
  })

  it('leaves a caller undecided while the keys cannot be read', async () => {
    const token = await sign()
    const unreadable = [
      { status: 503, body: '' },
      { status: 200, body: '<html>' },
      { status: 200, body: '{"keys":"none"}' },
      // To good keys: but whoever may redirect may choose the keys.
      { status: 302, body: '' },
      // More than a key set ever has: read to its end, it would fill the memory.
      { status: 200, body: `${JSON.stringify(jwks)}${' '.repeat(2_000_000)}` },
    ]
    mock.timers.enable({ apis: ['Date'], now: NOW })
    try {
      for (const bad of unreadable) {
        answer = { ...bad, fetches: 0 }
        for (let count = 0; count < 20; count++) {
          expect(await ask(token), bad.body.slice(0, 20)).to.deep.equal({ ok: 'unknown', retryAfterMs: 5_000 })
        }
        expect(answer.fetches, 'not with every token').to.equal(1)
        mock.timers.tick(1_001)
      }
      answer = { status: 200, body: JSON.stringify(jwks), fetches: 0 }
      expect(await ask(token), 'and takes it as soon as they can').to.include({ ok: true })
    } finally {
      mock.timers.reset()
    }
  })

  it('says which keys cannot be read, once a minute, and not to the caller', async () => {
    const log = recordingLog()
    const telling = authenticator({ log })
    answer = { status: 503, body: '', fetches: 0 }
    for (const _ of ['first', 'second']) {
      expect(await telling(deliver({ headers: { authorization: `Bearer ${await sign()}` } }), spec)).to.include({
        ok: 'unknown',
      })
    }
    expect(log.messages('warn')).to.deep.equal(['the keys that tokens are checked with cannot be read'])
    expect(log.lines[0]?.fields).to.include({ jwksUrl: spec.jwksUrl })
  })

  it('takes known keys on while forged key ids find nobody to ask, at most once a second', async () => {
    mock.timers.enable({ apis: ['Date'], now: NOW })
    try {
      expect(await ask(await sign())).to.include({ ok: true })
      answer = { status: 503, body: '', fetches: 0 }
      mock.timers.tick(1_001)
      for (let n = 0; n < 20; n++) {
        const forged = await sign(claims, foreign.privateKey, `forged-${n}`)
        expect(await ask(forged)).to.deep.equal({ ok: 'unknown', retryAfterMs: 5_000 })
      }
      expect(answer.fetches).to.equal(1)
      expect(await ask(await sign({ ...claims, jti: 'another' }))).to.include({ ok: true })
      expect(answer.fetches).to.equal(1)
    } finally {
      mock.timers.reset()
    }
  })

  it('leaves a caller undecided while the key server breaks off', async () => {
    const broken = await serve((_request, response) => void response.write('{"keys":[', () => response.destroy()))
    try {
      spec = { ...spec, jwksUrl: `${broken.url}/keys` }
      expect(await ask(await sign())).to.deep.equal({ ok: 'unknown', retryAfterMs: 5_000 })
    } finally {
      await broken.close()
    }
  })

  it('leaves a caller undecided while nobody listens, but refuses what is no token at all', async () => {
    const gone = await serve(() => undefined)
    await gone.close()
    spec = { ...spec, jwksUrl: `${gone.url}/keys` }
    expect(await ask(await sign())).to.deep.equal({ ok: 'unknown', retryAfterMs: 5_000 })
    expect(await ask('garbage')).to.include({ ok: false, reason: 'token-invalid' })
    expect(await ask(unsigned({ alg: 'none' }, claims))).to.include({ ok: false, reason: 'token-invalid' })
  })

  it('reads the keys by the client it is given', async () => {
    const asked: string[] = []
    authenticate = authenticator({
      fetch: async (url, init) => {
        asked.push(url)
        expect(init?.signal, 'a bound for slow ones').to.be.instanceOf(AbortSignal)
        return { status: 200, headers: {}, body: new TextEncoder().encode(JSON.stringify(jwks)) }
      },
    })
    expect(await ask(await sign())).to.include({ ok: true })
    expect(asked).to.deep.equal([spec.jwksUrl])
    expect(answer.fetches).to.equal(0)
  })
})
