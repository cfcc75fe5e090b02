import { expect } from 'chai'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { type EventHubOptions, eventHub, sources } from '../../../adapters/sources/index.ts'
import { makeIdentity } from '../../../testing/event-mesh/x509.ts'
import { draftOf, normalize } from '../../helpers/deliveries.ts'
import { frontDoor, type Sending } from '../../helpers/front-door.ts'
import { startIssuer } from '../../helpers/issuer.ts'

const TYPE = 'sap.s4.beh.businesspartner.v1.BusinessPartner.Changed.v1'
const headers = {
  'content-type': 'application/json',
  'ce-specversion': '1.0',
  'ce-id': 'e-1',
  'ce-source': '/default/sap.s4.beh/1',
  'ce-type': TYPE,
  'ce-sapconsumertenant': 'tenant-1',
}
const body = '{"BusinessPartner":"1000667"}'
const make = (options: Partial<EventHubOptions> = {}) => eventHub({ auth: { kind: 'none' }, ...options })

describe('event-hub: messages', () => {
  it('reads binary CloudEvents as every broker’s: object, lane, state', () => {
    const draft = draftOf(make(), { headers, body })
    expect(draft.attributes).to.include({ id: 'e-1', providertype: TYPE, partitionkey: 'BusinessPartner/1000667' })
    expect(draft).to.deep.include({ nature: 'state', object: { type: 'BusinessPartner', key: '1000667' }, data: body })
  })

  it('leaves events of another tenant to an operator', () => {
    const foreign = [{ ok: false, reason: 'attribute-invalid', detail: 'sapconsumertenant' }]
    const strict = make({ tenant: 'tenant-2' })
    const { 'ce-sapconsumertenant': _, ...nameless } = headers
    expect(normalize(strict, { headers, body })).to.deep.equal(foreign)
    expect(normalize(strict, { headers: nameless, body })).to.deep.equal(foreign)
    expect(draftOf(make({ tenant: 'tenant-1' }), { headers, body }).attributes.id).to.equal('e-1')
    expect(draftOf(make(), { headers: nameless, body }).attributes.id).to.equal('e-1')
  })

  it('is refused at start with an empty tenant or a path that CAP would not register', () => {
    expect(() => make({ tenant: '' })).to.throw(/"tenant"/)
    for (const webhookPath of ['', 'hook', '/odata/v4/x', '/-/', '/-/a?b'])
      expect(() => make({ webhookPath }), webhookPath).to.throw(/"webhookPath"/)
  })

  it('also goes by its former name', () => {
    const source = sources['event-broker']({ auth: { kind: 'none' } })
    expect(source).to.deep.include({ kind: 'event-broker', aliases: [{ path: '/-/cds/event-broker/webhook' }] })
  })
})

describe('event-hub over HTTP', () => {
  let issuer: Awaited<ReturnType<typeof startIssuer>>
  let door: Awaited<ReturnType<typeof frontDoor>>
  const identity = makeIdentity({ name: [['CN', 'event-hub']] })

  before(async () => {
    issuer = await startIssuer()
    const auth = { kind: 'ias', issuer: issuer.issuer, audience: 'our-client', clientId: 'hub-client' } as const
    const { fingerprint256 } = identity.certificate
    door = await frontDoor({
      mount: 'node:http',
      sources: {
        hub: eventHub({ auth }),
        mtls: eventHub({
          auth: { kind: 'certificate', from: 'cloud-foundry', fingerprints: [fingerprint256] },
          webhookPath: '/-/mtls',
        }),
      },
      authenticate: authenticator(),
      clock: { now: () => new Date('2026-03-01T12:00:00Z'), after: () => () => undefined },
    })
  })
  after(async () => {
    await door?.close()
    await issuer?.close()
  })
  const send = async (sending: Sending, claims = {}) => {
    const token = await issuer.token({ aud: 'our-client', azp: 'hub-client', sub: 'hub-client', ...claims })
    return door.send({
      path: '/webhooks/hub',
      body,
      ...sending,
      headers: { ...headers, authorization: `Bearer ${token}`, ...sending.headers },
    })
  }

  it('answers 200 {"message":"OK"}, on the path that CAP’s plug-in registers too', async () => {
    for (const path of ['/webhooks/hub', '/-/cds/event-broker/webhook', '/-/CDS/event-broker/webhook/?x=1']) {
      const { status, text } = await send({ path, headers: { 'ce-id': path } })
      expect([status, text], path).to.deep.equal([200, '{"message":"OK"}'])
    }
    expect(door.events().map(({ attributes }) => attributes.source)).to.have.lengthOf(3)
  })

  it('never refuses content: nonsense is answered as everything is', async () => {
    for (const odd of ['{', '', 'x'.repeat(2_000_000)]) {
      expect((await send({ body: odd, headers: { 'ce-id': `odd-${odd.length}` } })).text).to.equal('{"message":"OK"}')
    }
    expect(door.deliveries().at(-1)?.items[0]).to.include({ kind: 'bad', reason: 'not-json' })
  })

  it('knows no handshake: OPTIONS is 405', async () => {
    const { status, headers: answered } = await send({ method: 'OPTIONS', body: '' })
    expect([status, answered.allow]).to.deep.equal([405, 'POST'])
  })

  it('refuses the token of another client with 401', async () => {
    expect((await send({}, { azp: 'another', sub: 'another' })).status).to.equal(401)
    expect((await door.send({ path: '/webhooks/hub', headers, body })).status).to.equal(401)
  })

  it('takes the certificate that the router of Cloud Foundry forwards', async () => {
    const forwarded = {
      ...headers,
      'x-forwarded-client-cert': identity.base64,
      'x-ssl-client-verify': '0',
      'x-ssl-client-subject-cn': Buffer.from('event-hub').toString('base64'),
    }
    expect((await door.send({ path: '/-/mtls', headers: forwarded, body })).status).to.equal(200)
    const unverified = { ...forwarded, 'x-ssl-client-verify': '1' }
    expect((await door.send({ path: '/-/mtls', headers: unverified, body })).status).to.equal(401)
    expect((await door.send({ path: '/webhooks/hub', headers: forwarded, body })).status, 'not declared').to.equal(401)
  })
})
