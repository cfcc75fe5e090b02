import { createHash } from 'node:crypto'
import { mock } from 'node:test'
import { expect } from 'chai'
import { generateKeyPair, type JWTPayload } from 'jose'
import type { IasAuth, OidcAuth } from '#domain/auth-spec'
import type { Delivery, GuardedFetch } from '#domain/source'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { makeIdentity } from '../../../testing/event-mesh/x509.ts'
import { deliver, NOW } from '../../helpers/deliveries.ts'
import { serve } from '../../helpers/http-server.ts'
import { startIssuer } from '../../helpers/issuer.ts'
import { recordingLog } from '../../helpers/recording-log.ts'

const METADATA = '/.well-known/openid-configuration'
const invalid = { ok: false, reason: 'token-invalid', status: 401 }
const undecided = { ok: 'unknown', retryAfterMs: 5_000 }

describe('authenticate: oidc', () => {
  let issuer: Awaited<ReturnType<typeof startIssuer>>
  let spec: OidcAuth
  let authenticate: ReturnType<typeof authenticator>
  const ask = (token: string) => authenticate(deliver({ headers: { authorization: `Bearer ${token}` } }), spec)

  beforeEach(async () => {
    issuer = await startIssuer()
    spec = { kind: 'oidc', issuer: issuer.issuer, audience: ['other', 'sluice'], scope: 'deliver' }
    authenticate = authenticator()
  })
  afterEach(() => issuer.close())

  const claims: JWTPayload = { aud: 'sluice', scope: 'read deliver', azp: 'client-1' }

  it('finds the keys in the metadata of the configured issuer, once for tokens that come at once', async () => {
    const token = await issuer.token(claims)
    const known = { ok: true, principal: { name: 'client-1', scopes: ['read', 'deliver'] } }
    expect(await Promise.all([ask(token), ask(token)])).to.deep.equal([known, known])
    expect(issuer.asked).to.deep.equal([METADATA, '/certs'])
    expect(await ask(token), 'from memory').to.deep.equal(known)
    expect(issuer.asked).to.have.lengthOf(2)
  })

  it('takes one of several audiences, and the named client only', async () => {
    expect(await ask(await issuer.token({ ...claims, aud: ['x', 'other'] }))).to.include({ ok: true })
    expect(await ask(await issuer.token({ ...claims, aud: 'sluice2' }))).to.deep.equal(invalid)
    spec = { ...spec, clientId: 'client-1' }
    expect(await ask(await issuer.token(claims))).to.include({ ok: true })
    expect(await ask(await issuer.token({ ...claims, azp: 'client-2', client_id: 'client-1' }))).to.deep.equal(invalid)
    expect(await ask(await issuer.token({ ...claims, azp: undefined }))).to.deep.equal(invalid)
    expect(await ask(await issuer.token({ ...claims, azp: undefined, cid: 'client-1' }))).to.include({ ok: true })
  })

  it('refuses tokens from the future', async () => {
    const now = NOW.getTime() / 1_000
    expect(await ask(await issuer.token({ ...claims, iat: now + 60 }))).to.deep.equal(invalid)
    expect(await ask(await issuer.token({ ...claims, nbf: now + 60 }))).to.deep.equal(invalid)
    expect(await ask(await issuer.token({ ...claims, iat: now + 3 })), 'clocks differ').to.include({ ok: true })
  })

  it('refuses a foreign key under a published id, and tokens of another issuer', async () => {
    const { privateKey } = await generateKeyPair('RS256')
    expect(await ask(await issuer.token(claims, privateKey))).to.deep.equal(invalid)
    expect(await ask(await issuer.token({ ...claims, iss: `${issuer.issuer}/` }))).to.deep.equal(invalid)
  })

  it('waits for metadata for five seconds and no longer', async () => {
    const silent = await serve(() => undefined)
    const waits: number[] = []
    const over = new AbortController()
    const timeout = mock.method(AbortSignal, 'timeout', (ms: number) => {
      waits.push(ms)
      return over.signal
    })
    try {
      spec = { ...spec, issuer: silent.url }
      const asked = ask(await issuer.token({ ...claims, iss: silent.url }))
      over.abort(new DOMException('late', 'TimeoutError'))
      expect(await asked).to.deep.equal(undecided)
      expect(waits).to.deep.equal([5_000])
    } finally {
      timeout.mock.restore()
      await silent.close()
    }
  })

  it('leaves callers undecided while the metadata is down, wrong, or names keys elsewhere', async () => {
    const token = await issuer.token(claims)
    const { issuer: own } = issuer
    for (const [status, metadata] of [
      [503, {}],
      [200, '<html>'],
      [200, '"text"'],
      [200, { issuer: 'https://evil.example', jwks_uri: `${own}/certs` }],
      [200, { issuer: own }],
      [200, { issuer: own, jwks_uri: 'http://169.254.169.254/keys' }],
    ] as const) {
      issuer.json(METADATA, metadata, status)
      const log = recordingLog()
      authenticate = authenticator({ log })
      expect(await ask(token), JSON.stringify(metadata)).to.deep.equal(undecided)
      expect(await ask(token)).to.deep.equal(undecided)
      expect(log.lines, 'says why, and only once').to.have.lengthOf(1)
      expect(log.text()).to.include('keys-unreachable').and.include(own).and.not.include(token)
    }
  })

  it('asks for metadata that failed again after a second, not for every token', async () => {
    mock.timers.enable({ apis: ['Date'], now: NOW })
    try {
      const token = await issuer.token(claims)
      issuer.json(METADATA, {}, 503)
      for (let count = 0; count < 20; count++) expect(await ask(token)).to.deep.equal(undecided)
      expect(issuer.asked).to.deep.equal([METADATA])
      issuer.json(METADATA, { issuer: issuer.issuer, jwks_uri: `${issuer.issuer}/certs` })
      mock.timers.tick(1_001)
      expect(await ask(token)).to.include({ ok: true })
    } finally {
      mock.timers.reset()
    }
  })

  it('follows a rotation of keys with one more request', async () => {
    mock.timers.enable({ apis: ['Date'], now: NOW })
    try {
      expect(await ask(await issuer.token(claims))).to.include({ ok: true })
      await issuer.rotate('k2')
      mock.timers.tick(1_001)
      expect(await ask(await issuer.token(claims))).to.include({ ok: true })
      expect(issuer.asked).to.deep.equal([METADATA, '/certs', '/certs'])
    } finally {
      mock.timers.reset()
    }
  })

  it('answers 503, not 401, to a key that cannot be looked up because the keys are down', async () => {
    mock.timers.enable({ apis: ['Date'], now: NOW })
    try {
      expect(await ask(await issuer.token(claims))).to.include({ ok: true })
      await issuer.rotate('k2')
      const token = await issuer.token(claims)
      issuer.json('/certs', {}, 500)
      mock.timers.tick(1_001)
      expect(await ask(token)).to.deep.equal(undecided)
    } finally {
      mock.timers.reset()
    }
  })
})

describe('authenticate: ias', () => {
  let issuer: Awaited<ReturnType<typeof startIssuer>>
  let spec: IasAuth
  let authenticate: ReturnType<typeof authenticator>
  const from = (token: string, more: Partial<Delivery> = {}): Delivery => ({
    ...deliver({ headers: { authorization: `Bearer ${token}` } }),
    ...more,
  })
  const ask = async (claims: JWTPayload, more?: Partial<Delivery>) =>
    authenticate(from(await issuer.token(claims), more), spec)

  beforeEach(async () => {
    issuer = await startIssuer()
    spec = { kind: 'ias', issuer: issuer.issuer, audience: 'our-client', clientId: 'event-hub', appTid: 'tenant-1' }
    authenticate = authenticator()
  })
  afterEach(() => issuer.close())

  const claims: JWTPayload = { aud: 'our-client', azp: 'event-hub', sub: 'event-hub', app_tid: 'tenant-1' }

  it('takes a technical token of the configured client and tenant', async () => {
    expect(await ask(claims)).to.deep.equal({ ok: true, principal: { name: 'event-hub', scopes: [] } })
  })

  for (const [what, change] of [
    ['of another client', { azp: 'somebody', sub: 'somebody' }],
    ['without azp', { azp: undefined }],
    ['with the client elsewhere than in azp', { azp: undefined, client_id: 'event-hub' }],
    ['of a user, by the same client', { sub: 'user-1' }],
    ['for another tenant', { app_tid: 'tenant-2' }],
    ['for no tenant', { app_tid: undefined }],
    ['for another audience', { aud: 'event-hub' }],
    ['of another issuer', { iss: 'https://evil.accounts.example' }],
  ] as const) {
    it(`refuses a token ${what}`, async () => {
      expect(await ask({ ...claims, ...change })).to.deep.equal(invalid)
    })
  }

  it('takes keys from the host of the issuer only, whatever its metadata says', async () => {
    issuer.json(METADATA, { issuer: issuer.issuer, jwks_uri: 'https://keys.example/certs' })
    // The other host would even have the right keys.
    const fetch: GuardedFetch = async (url) => {
      const answer = await globalThis.fetch(url.replace('https://keys.example', issuer.issuer))
      return { status: answer.status, headers: {}, body: new Uint8Array(await answer.arrayBuffer()) }
    }
    authenticate = authenticator({ fetch })
    expect(await ask(claims)).to.deep.equal(undecided)
    const elsewhere: OidcAuth = { kind: 'oidc', issuer: issuer.issuer, audience: 'our-client' }
    const answer = await authenticate(from(await issuer.token(claims)), elsewhere)
    expect(answer, 'an issuer like others may have them elsewhere').to.include({ ok: true })
  })

  describe('with the binding to a certificate', () => {
    const holder = makeIdentity({ name: [['CN', 'event-hub']] })
    const thief = makeIdentity({ name: [['CN', 'event-hub']] })
    const thumbprint = createHash('sha256').update(holder.certificate.raw).digest('base64url')
    const bound = { ...claims, cnf: { 'x5t#S256': thumbprint } }
    const with_ = (identity: typeof holder) => ({
      peer: { certificate: { raw: identity.certificate.raw, authorized: true } },
    })
    beforeEach(() => {
      spec = { ...spec, confirmedBy: { from: 'connection' } }
    })

    it('takes the token from its holder, and from nobody else, also once it is known', async () => {
      const token = await issuer.token(bound)
      expect(await authenticate(from(token, with_(holder)), spec)).to.include({ ok: true })
      expect(await authenticate(from(token, with_(thief)), spec)).to.include({ reason: 'certificate-invalid' })
      expect(await authenticate(from(token), spec)).to.include({ reason: 'certificate-missing' })
      expect(await authenticate(from(token, with_(holder)), spec)).to.include({ ok: true })
    })

    it('refuses a token that is bound to nothing, or to something odd', async () => {
      for (const cnf of [undefined, {}, 'x', { 'x5t#S256': 1 }, { 'x5t#S256': '' }, { x5t: thumbprint }]) {
        expect(await ask({ ...claims, cnf } as JWTPayload, with_(holder)), JSON.stringify(cnf)).to.include({
          ok: false,
        })
      }
    })
  })
})
