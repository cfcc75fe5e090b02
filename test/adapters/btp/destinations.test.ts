import { expect } from 'chai'
import { capBindings, xsuaaSpec } from '../../../adapters/btp/index.ts'
import { faultOf } from '../../helpers/faults.ts'
import { bearer, found, platforms } from './support.ts'

const platform = platforms()
const URL = 'https://my300000-api.s4hana.ondemand.com'

describe('a BTP destination', () => {
  it('is looked up once for 20 callers, and again after five minutes', async () => {
    const btp = await platform()
    btp.destinations.S4HANA = found({ URL, Authentication: 'NoAuthentication' })
    const at = btp.at('S4HANA', '/sap/opu')
    const all = await Promise.all(Array.from({ length: 20 }, () => at.address()))
    expect(all[19]).to.deep.equal({ url: `${URL}/sap/opu`, headers: {}, queries: {} })
    btp.time += 299_000
    await at.address()
    expect([btp.lookUps(), btp.tokens()]).to.deep.equal([1, 1])
    btp.time += 1_000
    await at.address()
    expect([btp.lookUps(), btp.tokens()]).to.deep.equal([2, 1])
    expect(btp.server.requests[0]?.body).to.include('client_id=sb-x%21b1%7Cit%21b2&client_secret=s%26t')
  })

  it('gives the token that came with it, for no longer than it holds', async () => {
    const btp = await platform()
    btp.destinations.S4HANA = found({ URL, Authentication: 'OAuth2ClientCredentials' }, bearer('one', 60))
    const at = btp.at('S4HANA')
    expect(await at.address()).to.include({ authorization: 'Bearer one' })
    btp.destinations.S4HANA = found({ URL, Authentication: 'OAuth2ClientCredentials' }, bearer('two'))
    btp.time += 49_000
    expect(await at.address()).to.include({ authorization: 'Bearer one' })
    btp.time += 1_000
    expect(await at.address()).to.include({ authorization: 'Bearer two' })
  })

  it('is looked up again after its credentials were refused, but not for ones that are replaced already', async () => {
    const btp = await platform()
    btp.destinations.S4HANA = found({ URL, Authentication: 'BasicAuthentication', User: 'u', Password: 'old' })
    const at = btp.at('S4HANA')
    const refused = await at.address()
    btp.destinations.S4HANA = found({ URL, Authentication: 'BasicAuthentication', User: 'u', Password: 'new' })
    at.renew(refused)
    const next = await at.address()
    expect(next.authorization).to.equal(`Basic ${Buffer.from('u:new').toString('base64')}`)
    at.renew(refused)
    expect(await at.address()).to.equal(next)
  })

  it('brings headers, queries and the logon client', async () => {
    const btp = await platform()
    btp.destinations.S4HANA = found({
      URL: `${URL}/`,
      Authentication: 'NoAuthentication',
      'sap-client': '100',
      'URL.headers.APIKey': 'k',
      'URL.queries.saml2': 'disabled',
    })
    expect(await btp.at('S4HANA', '/srv').address()).to.deep.equal({
      url: `${URL}/srv`,
      headers: { apikey: 'k' },
      queries: { saml2: 'disabled', 'sap-client': '100' },
    })
  })

  it('behind a Cloud Connector is reached through the connectivity proxy, with its token and location', async () => {
    const btp = await platform()
    const properties = { URL: 'http://s4:44300', ProxyType: 'OnPremise', Authentication: 'NoAuthentication' }
    btp.destinations.S4HANA = found({ ...properties, CloudConnectorLocationId: 'walldorf' })
    const at = btp.at('S4HANA')
    const first = await at.address()
    expect(first.proxy?.url).to.equal('http://127.0.0.1:20003')
    expect(first.proxy?.headers).to.deep.equal({
      'proxy-authorization': 'Bearer sb-x!b1|it!b2-2',
      'sap-connectivity-scc-location_id': 'walldorf',
    })
    at.renew(first)
    btp.token = 'sb-x!b1|it!b2-1'
    expect((await at.address()).proxy?.headers['proxy-authorization']).to.equal('Bearer sb-x!b1|it!b2-3')
  })

  it('may name its level, as version 2 of the service wants', async () => {
    const btp = await platform()
    btp.destinations['S4 HANA@subaccount'] = found({ URL, Authentication: 'NoAuthentication' })
    await btp.at('S4 HANA@subaccount').address()
    expect(btp.server.log.at(-1)).to.equal('GET /destination-configuration/v2/destinations/S4%20HANA@subaccount')
  })

  it('is asked for with a new token where the service does not take the old one', async () => {
    const btp = await platform()
    btp.destinations.S4HANA = found({ URL, Authentication: 'NoAuthentication' })
    const at = btp.at('S4HANA')
    await at.address()
    btp.token = 'rotated'
    btp.time += 300_000
    await at.address()
    expect(btp.tokens()).to.equal(2)
  })

  const wrong: [string, Record<string, unknown>, string, RegExp][] = [
    ['no address', { Authentication: 'NoAuthentication' }, 'destination-invalid', /no http or https address/],
    ['an unsupported authentication', { URL, Authentication: 'SAMLAssertion' }, 'destination-invalid', /SAMLAssertion/],
    ['an unknown proxy type', { URL, ProxyType: 'TenantInternet' }, 'destination-invalid', /proxy type/],
    ['https behind a Cloud Connector', { URL, ProxyType: 'OnPremise' }, 'destination-invalid', /virtual host/],
    ['a header that is not its own', { URL, 'URL.headers.Cookie': 'a=b' }, 'destination-invalid', /header cookie/],
    ['a header with a line break', { URL, 'URL.headers.x': 'a\r\nb: c' }, 'destination-invalid', /header x/],
    ['credentials in its address', { URL: 'https://u:p@host' }, 'destination-invalid', /credentials or a query/],
    ['no password', { URL, Authentication: 'BasicAuthentication', User: 'u' }, 'destination-unauthorized', /password/],
  ]
  for (const [what, properties, code, message] of wrong) {
    it(`with ${what} is refused, and tried again after five minutes`, async () => {
      const btp = await platform()
      btp.destinations.S4HANA = found(properties)
      const fault = await faultOf(btp.at('S4HANA').address())
      expect(fault).to.include({ code, effect: 'none' })
      expect(fault.message).to.match(message).and.not.include('u:p@')
      expect(fault.retry).to.deep.equal({ afterMs: 300_000 })
    })
  }

  // Mutation: without the look at `error` the request goes out without a token (tried).
  it('whose token could not be fetched says so, though the service answers 200', async () => {
    const btp = await platform()
    const error = 'Retrieval of OAuthToken failed due to: Bad credentials'
    btp.destinations.S4HANA = found({ URL, Authentication: 'OAuth2ClientCredentials' }, { type: '', value: '', error })
    const fault = await faultOf(btp.at('S4HANA').address())
    expect(fault).to.include({ code: 'destination-unauthorized' })
    expect(fault.message).to.include('Bad credentials')
  })

  for (const [what, status, code] of [
    ['is not there', 404, 'destination-missing'],
    ['cannot be asked for', 503, 'destination-unavailable'],
  ] as const) {
    it(`that ${what} is a fault that passes, and not remembered`, async () => {
      const btp = await platform()
      btp.destinations.S4HANA = found({ URL })
      btp.status = status
      const at = btp.at('S4HANA')
      expect(await faultOf(at.address())).to.include({ code, retry: 'backoff', effect: 'none' })
      btp.status = 200
      expect((await at.address()).url).to.equal(URL)
    })
  }

  it('says whose credentials the token server refused, and shows none', async () => {
    const btp = await platform()
    btp.tokenStatus = 401
    const fault = await faultOf(btp.at('S4HANA').address())
    expect(fault).to.include({ code: 'destination-unauthorized', httpStatus: 401 })
    expect(fault.message).to.include('Bind the service again').and.not.include('s&t')
  })
})

describe('the environment variable `destinations`', () => {
  it('comes before the service, and needs none', async () => {
    const btp = await platform(
      JSON.stringify([
        { name: 'LOCAL', url: 'http://127.0.0.1:4004', username: 'alice', password: 'x', sapClient: 200 },
        { Name: 'OPEN', URL: 'http://127.0.0.1:4005' },
      ]),
    )
    expect(await btp.at('LOCAL', '/v2').address()).to.deep.equal({
      url: 'http://127.0.0.1:4004/v2',
      authorization: `Basic ${Buffer.from('alice:x').toString('base64')}`,
      headers: {},
      queries: { 'sap-client': '200' },
    })
    expect((await btp.at('OPEN').address()).url).to.equal('http://127.0.0.1:4005')
    expect(btp.server.log).to.deep.equal([])
  })

  for (const text of ['{}', 'no json', '[{ "url": "http://a" }]']) {
    it(`is refused at start where it reads ${text}`, async () => {
      await platform(text).then(
        () => expect.fail('it was taken'),
        (thrown) => expect(thrown).to.include({ code: 'configuration' }),
      )
    })
  }
})

describe('bindings', () => {
  it('that are missing are refused at start, with how to bind them', () => {
    const none = capBindings(() => ({ auth: { credentials: { clientid: 'an IAS application' } } }))
    for (const service of ['destinations', 'connectivity', 'xsuaa'] as const) {
      expect(() => none.of(service)).to.throw(`"${service}": true under cds.requires`)
    }
  })

  it('say what a token of the bound XSUAA must be', async () => {
    const { bindings, server } = await platform()
    expect(xsuaaSpec({ kind: 'xsuaa', scope: 'emcallback' }, bindings)).to.deep.equal({
      kind: 'jwt',
      jwksUrl: `${server.url}/token_keys`,
      issuer: `${server.url}/oauth/token`,
      audience: 'sluice!t1',
      scope: 'sluice!t1.emcallback',
    })
    expect(xsuaaSpec({ kind: 'xsuaa', scope: 'a', issuer: 'https://other' }, bindings).issuer).to.equal('https://other')
  })
})
