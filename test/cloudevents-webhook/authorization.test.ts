import { expect } from 'chai'
import type { AuthSpec } from '#domain/source'
import { startIssuer } from '../helpers/issuer.ts'
import { structured, type WebhookSite, webhookSite } from '../helpers/webhook-site.ts'

// CloudEvents, HTTP 1.1 Web Hooks for Event Delivery, 1.0.2. Each test is named by the sentence it checks.
describe('CloudEvents webhook §3 Authorization', () => {
  const TOKEN = 'mF_9.B5f-4.1JqM'
  const auth: AuthSpec = { kind: 'api-key', keys: { sender: TOKEN } }
  let site: WebhookSite
  beforeEach(async () => {
    site = await webhookSite({ auth, allowedOrigins: ['*'] })
  })
  afterEach(() => site.close())

  const inHeader = { authorization: `Bearer ${TOKEN}` }
  const inQuery = () => `${site.path}?access_token=${TOKEN}`

  it('The delivery request MUST use one of the following two methods, both of which lean on the OAuth 2.0 Bearer Token model.', async () => {
    expect((await site.deliver()).status).to.equal(401)
    expect((await site.deliver({ headers: { 'x-api-key': TOKEN } })).status).to.equal(401)
    expect((await site.deliver({ path: inQuery(), headers: inHeader })).status, 'one of, not both').to.equal(401)
    expect(site.deliveries()).to.deep.equal([])
  })

  it('The delivery target MUST support both methods.', async () => {
    expect((await site.deliver({ headers: inHeader })).status).to.equal(202)
    expect((await site.deliver({ path: inQuery() })).status).to.equal(202)
    expect((await site.greet({ ...site.origin('a.example') }, inQuery())).status).to.equal(200)
  })

  it('The client MAY use any token-based authorization scheme. The token can take any shape, and can be a standardized token format or a simple key expression.', async () => {
    const issuer = await startIssuer()
    const jwt = { kind: 'jwt', jwksUrl: `${issuer.issuer}/certs`, audience: 'sluice' } as const
    const simple = { kind: 'api-key', keys: { sender: 'some.key-1=&+%/~' } } as const
    const exp = Date.parse('2026-03-01T13:00:00Z') / 1_000
    for (const [kind, token] of [
      [jwt, await issuer.token({ aud: 'sluice', exp })],
      [simple, simple.keys.sender],
    ] as const) {
      const here = await webhookSite({ auth: kind })
      const inUrl = `${here.path}?access_token=${encodeURIComponent(token)}`
      expect((await here.deliver({ path: inUrl })).status, kind.kind).to.equal(202)
      expect((await here.deliver({ path: `${inUrl}x` })).status, `not ${kind.kind}`).to.equal(401)
      const bearer = { authorization: `Bearer ${token}` }
      expect((await here.deliver({ headers: bearer })).status, `${kind.kind} in the header`).to.equal(202)
      await here.close()
    }
    await issuer.close()
  })

  it('Challenge-based schemes MUST NOT be used.', async () => {
    for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'Basic eDp5' }]) {
      const answer = await site.deliver({ headers })
      expect(answer.status).to.equal(401)
      expect(answer.headers).to.not.have.any.keys('www-authenticate', 'proxy-authenticate', 'set-cookie')
    }
  })

  it('For OAuth 2.0 Bearer tokens, the "Bearer" scheme MUST be used.', async () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      expect((await site.deliver({ headers: { authorization: `${scheme} ${TOKEN}` } })).status).to.equal(202)
    }
    for (const wrong of [TOKEN, `Token ${TOKEN}`, `Basic ${TOKEN}`, `Bearer${TOKEN}`, `Bearer ${TOKEN} x`, 'Bearer']) {
      expect((await site.deliver({ headers: { authorization: wrong } })).status, wrong).to.equal(401)
    }
  })

  it('The HTTP request URI query MAY include other request-specific parameters, in which case the "access_token" parameter MUST be properly separated from the request-specific parameters using "&" character(s).', async () => {
    const query = async (text: string) => (await site.deliver({ path: `${site.path}?${text}` })).status
    expect(await query(`access_token=${TOKEN}&p=q`)).to.equal(202)
    expect(await query(`p=q&access_token=${TOKEN}`)).to.equal(202)
    expect(await query(`p=q;access_token=${TOKEN}`)).to.equal(401)
    expect(await query(`access_token=${TOKEN};p=q`)).to.equal(401)
    expect(await query(`access_token=${TOKEN}&access_token=${TOKEN}`)).to.equal(401)
  })

  it('Clients using the URI Query Parameter method SHOULD also send a Cache-Control header containing the "no-store" option.', async () => {
    expect((await site.deliver({ path: inQuery(), headers: { 'cache-control': 'no-store' } })).status).to.equal(202)
    expect((await site.deliver({ path: inQuery() })).status, 'SHOULD').to.equal(202)
  })

  it('Server success (2XX status) responses to these requests SHOULD contain a Cache-Control header with the "private" option.', async () => {
    expect((await site.deliver({ path: inQuery() })).headers['cache-control']).to.equal('private')
    expect((await site.greet(site.origin('a.example'), inQuery())).headers['cache-control']).to.equal('private')
    expect((await site.deliver({ headers: inHeader })).headers).to.not.have.property('cache-control')
  })

  // The "high likelihood that the URL containing the access token will be logged" is why it SHOULD NOT be used.
  it('never logs nor stores the token, also where the delivery is refused or cannot be read', async () => {
    await site.deliver({ path: inQuery() })
    await site.deliver({ path: inQuery(), body: '{' })
    await site.deliver({ path: inQuery(), headers: inHeader })
    await site.deliver({ path: `${site.path}?access_token=${TOKEN}x` })
    await site.deliver({ headers: inHeader, body: structured('e-2') })
    expect(site.deliveries()).to.have.lengthOf(3)
    expect(JSON.stringify(site.deliveries().map((row) => ({ ...row, body: '', payload: '' })))).to.not.include(TOKEN)
    expect(site.log.text()).to.not.include(TOKEN)
    expect(site.log.lines, 'and something was logged').to.not.have.lengthOf(0)
  })
})
