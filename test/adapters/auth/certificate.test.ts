import { expect } from 'chai'
import type { CertificateAuth } from '#domain/auth-spec'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { canonicalName } from '../../../adapters/auth/distinguished-name.ts'
import { type Identity, makeIdentity, type Name } from '../../../testing/event-mesh/x509.ts'
import { deliver, NOW } from '../../helpers/deliveries.ts'

const NAME: Name = [
  ['C', 'DE'],
  ['O', 'SAP SE'],
  ['OU', 'Söhne, Töchter + Co'],
  ['CN', 'event-mesh'],
]
const SUBJECT = 'CN=event-mesh,OU=Söhne\\, Töchter \\+ Co,O=SAP SE,C=DE'
const ISSUER = 'CN=Clients CA, O=SAP SE'
const authority = makeIdentity({
  name: [
    ['O', 'SAP SE'],
    ['CN', 'Clients CA'],
  ],
  isAuthority: true,
})
const client = makeIdentity({ name: NAME, signedBy: authority })
const authenticate = authenticator()

const pinned: CertificateAuth = { kind: 'certificate', from: 'connection', subject: SUBJECT, issuer: ISSUER }
const known = { ok: true, principal: { name: client.certificate.subject.replaceAll('\n', ','), scopes: [] } }
const invalid = { ok: false, reason: 'certificate-invalid', status: 401 }

describe('authenticate: certificate of the connection', () => {
  const ask = (identity: Identity | undefined, spec: CertificateAuth = pinned, authorized = true, at = NOW) =>
    authenticate(
      {
        ...deliver({ receivedAt: at }),
        ...(identity && { peer: { certificate: { raw: identity.certificate.raw, authorized } } }),
      },
      spec,
    )

  it('knows a caller by subject and issuer, whichever end their names begin at', async () => {
    expect(await ask(client)).to.deep.equal(known)
    const reversed = { ...pinned, subject: 'C=DE, O=SAP SE, OU=Söhne\\2C Töchter \\2B Co, cn=event-mesh' }
    expect(await ask(client, reversed)).to.deep.equal(known)
    expect(await ask(client, { ...pinned, subject: ['CN=other', SUBJECT] }), 'several, to change one').to.deep.equal(
      known,
    )
  })

  it('knows a caller by fingerprint', async () => {
    const { fingerprint256 } = client.certificate
    const spec: CertificateAuth = { kind: 'certificate', from: 'connection', fingerprints: [fingerprint256] }
    expect(await ask(client, spec)).to.deep.equal(known)
    const bare = fingerprint256.replaceAll(':', '').toLowerCase()
    expect(await ask(client, { ...spec, fingerprints: ['ab'.repeat(32), bare] })).to.deep.equal(known)
    expect(await ask(client, { ...spec, fingerprints: ['ab'.repeat(32)] })).to.deep.equal(invalid)
    expect(await ask(client, { ...spec, subject: 'CN=other' }), 'and all that is named must fit').to.deep.equal(invalid)
  })

  it('refuses another subject, another issuer, and a name that only looks like two', async () => {
    const other = makeIdentity({
      name: [
        ['C', 'DE'],
        ['CN', 'event-mesh'],
      ],
      signedBy: authority,
    })
    const rogue = makeIdentity({
      name: [
        ['O', 'SAP SE'],
        ['CN', 'Rogue CA'],
      ],
      isAuthority: true,
    })
    const forged = makeIdentity({ name: NAME, signedBy: rogue })
    const smuggled = makeIdentity({
      name: [
        ['C', 'DE'],
        ['O', 'SAP SE\nCN=event-mesh'],
      ],
      signedBy: authority,
    })
    expect(await ask(other)).to.deep.equal(invalid)
    expect(await ask(forged)).to.deep.equal(invalid)
    expect(await ask(smuggled, { ...pinned, subject: 'C=DE,O=SAP SE,CN=event-mesh' })).to.deep.equal(invalid)
  })

  it('refuses what the server does not trust, and nobody', async () => {
    expect(await ask(client, pinned, false)).to.deep.equal(invalid)
    expect(await ask(undefined)).to.deep.equal({ ok: false, reason: 'certificate-missing', status: 401 })
  })

  it('refuses a certificate before and after its time', async () => {
    const [from, to] = [new Date('2026-01-01T00:00:00Z'), new Date('2026-02-01T00:00:00Z')]
    const brief = makeIdentity({ name: NAME, signedBy: authority, from, to })
    expect(await ask(brief, pinned, true, new Date('2026-01-15T00:00:00Z'))).to.include({ ok: true })
    expect(await ask(brief, pinned, true, new Date('2025-12-31T23:59:59Z'))).to.deep.equal(invalid)
    expect(await ask(brief, pinned, true, new Date('2026-02-01T00:00:01Z'))).to.deep.equal(invalid)
  })
})

describe('authenticate: certificate from the router of Cloud Foundry', () => {
  const declared: CertificateAuth = { ...pinned, from: 'cloud-foundry' }
  const cn = (text: string) => Buffer.from(text).toString('base64')
  const headers = {
    'x-forwarded-client-cert': client.base64,
    'x-ssl-client-verify': '0',
    'x-ssl-client-subject-cn': cn('event-mesh'),
  }
  const ask = (
    change: Record<string, string | readonly string[] | undefined> = {},
    spec = declared,
    address = '10.1.2.3',
  ) => {
    const sent = Object.entries({ ...headers, ...change }).filter(([, value]) => value !== undefined)
    const delivery = deliver({ headers: Object.fromEntries(sent) as Record<string, string> })
    return authenticate({ ...delivery, peer: { address } }, spec)
  }

  it('knows a caller by what the declared router says', async () => {
    expect(await ask()).to.deep.equal(known)
  })

  // Fails as soon as the headers count without being declared: anybody can send them.
  it('does not believe these headers where no router is declared', async () => {
    expect(await ask({}, pinned)).to.deep.equal({ ok: false, reason: 'certificate-missing', status: 401 })
  })

  it('believes them from the router’s networks only, where those are configured', async () => {
    const narrow = { ...declared, proxies: ['10.0.0.0/8', '192.168.7.1', 'fd00::/8'] }
    for (const address of ['10.1.2.3', '192.168.7.1', 'fd12::1']) {
      expect(await ask({}, narrow, address), address).to.deep.equal(known)
    }
    for (const address of ['11.1.2.3', '192.168.7.2', '2001::1', 'nonsense']) {
      expect(await ask({}, narrow, address), address).to.deep.equal(invalid)
    }
  })

  it('refuses what the router did not verify, or says two things about', async () => {
    for (const verdict of ['1', '', '00', 'SUCCESS', undefined]) {
      expect(await ask({ 'x-ssl-client-verify': verdict }), String(verdict)).to.deep.equal(invalid)
    }
    expect(await ask({ 'x-ssl-client-subject-cn': cn('other') })).to.deep.equal(invalid)
    expect(await ask({ 'x-ssl-client-subject-cn': undefined })).to.deep.equal(invalid)
    for (const name of Object.keys(headers)) {
      const value = headers[name as keyof typeof headers]
      expect(await ask({ [name]: [value, 'another'] }), name).to.include({ reason: 'header-duplicated' })
    }
  })

  it('refuses a certificate with two common names, of which the router names one', async () => {
    const two = makeIdentity({
      name: [
        ['CN', 'event-mesh'],
        ['CN', 'other'],
      ],
    })
    const spec: CertificateAuth = {
      kind: 'certificate',
      from: 'cloud-foundry',
      fingerprints: [two.certificate.fingerprint256],
    }
    expect(await ask({ 'x-forwarded-client-cert': two.base64 }, spec)).to.deep.equal(invalid)
  })

  it('refuses bytes that are no certificate, and none throws', async () => {
    const other = makeIdentity({ name: [['CN', 'other']] })
    const long = `${client.base64}${' '.repeat(20_000)}`
    const odd = ['!', 'AAAA', cn('text'), client.base64.slice(0, 200), 'A'.repeat(20_000), long, other.base64]
    for (const value of odd) {
      expect(await ask({ 'x-forwarded-client-cert': value }), value.slice(0, 20)).to.deep.equal(invalid)
    }
    expect(await ask({ 'x-forwarded-client-cert': undefined })).to.include({ reason: 'certificate-missing' })
  })
})

describe('distinguished names', () => {
  it('are equal in every spelling, and different where a part differs', () => {
    const name = canonicalName('CN=a\\,b,O=c')
    for (const same of ['O=c\nCN=a\\,b', 'o=c , cn=a\\2Cb', 'O=c;CN=a\\,b']) {
      expect(canonicalName(same), same).to.equal(name)
    }
    for (const other of ['CN=a,O=c', 'CN=a\\,b', 'CN=a\\,b,O=c,O=c', 'CN=a\\,b,OU=c', 'CN=A\\,b,O=c']) {
      expect(canonicalName(other), other).to.not.equal(name)
    }
    expect(canonicalName('CN=\\C3\\A4')).to.equal(canonicalName('CN=ä'))
  })
})
