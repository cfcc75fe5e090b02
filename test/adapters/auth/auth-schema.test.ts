import { expect } from 'chai'
import { sources } from '../../../adapters/sources/index.ts'
import { readConfig } from '../../../srv/config.ts'

const FINGERPRINT = 'ab'.repeat(32)

/** What an `auth` of a source may be in configuration: the schema and the kinds themselves must agree. */
describe('auth in configuration', () => {
  const start = (auth: unknown) => {
    const config = readConfig({ sources: { s4: { kind: 'event-mesh', queue: 'q', auth } } }, {})
    sources['event-mesh'](config.sources?.s4 as never)
  }

  for (const auth of [
    { kind: 'none' },
    { kind: 'basic', users: { a: 'b' }, scope: 's' },
    { kind: 'api-key', keys: { a: 'b' }, header: 'x-key' },
    { kind: 'jwt', jwksUrl: 'https://idp/keys', audience: ['a', 'b'], issuer: 'i', scope: 's', clientId: 'c' },
    { kind: 'oidc', issuer: 'https://idp', audience: 'a' },
    { kind: 'ias', issuer: 'https://idp', audience: 'a', clientId: 'c', confirmedBy: { from: 'connection' } },
    { kind: 'certificate', from: 'cloud-foundry', proxies: ['10.0.0.0/8', '::1'], fingerprints: [FINGERPRINT] },
    { kind: 'certificate', from: 'connection', subject: ['CN=a', 'CN=b'], issuer: 'CN=ca' },
  ]) {
    it(`takes ${JSON.stringify(auth).slice(0, 70)}`, () => {
      expect(() => start(auth)).to.not.throw()
    })
  }

  for (const [auth, message] of [
    [{ kind: 'magic' }, /sluice\.sources\.s4\.auth\.kind: there is no such kind\.$/],
    [{}, /auth: must have required property 'kind'/],
    [{ kind: 'basic', users: {} }, /auth\.users: must NOT have fewer than 1 properties/],
    [{ kind: 'basic', users: { a: '' } }, /auth\.users\.a: must NOT have fewer than 1 characters/],
    [{ kind: 'basic', users: { a: 'b' }, password: 'b' }, /auth: "password" is not a setting/],
    [{ kind: 'ias', issuer: 'https://idp', audience: 'a' }, /auth: must have required property 'clientId'/],
    [{ kind: 'certificate', from: 'header', fingerprints: [FINGERPRINT] }, /auth\.from: must be one of connection, cl/],
    [{ kind: 'certificate', from: 'connection', subject: 'CN=a' }, /"auth\.subject" and "auth\.issuer"/],
    [{ kind: 'jwt', jwksUrl: 'http://idp.example/keys', audience: 'a' }, /"auth\.jwksUrl" is no https address/],
    [[{ kind: 'none' }], /"auth" is missing or of unknown kind/],
    [[], /auth: must NOT have fewer than 1 items\.$/],
  ] as const) {
    it(`refuses ${JSON.stringify(auth).slice(0, 70)} and says where`, () => {
      expect(() => start(auth))
        .to.throw(message)
        .with.property('code', 'configuration')
    })
  }
})
