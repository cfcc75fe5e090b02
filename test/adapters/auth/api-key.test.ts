import { expect } from 'chai'
import type { ApiKeyAuth } from '#domain/auth-spec'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { deliver, type Request } from '../../helpers/deliveries.ts'

describe('authenticate: api-key', () => {
  const authenticate = authenticator()
  const keys = { current: 'first-key', next: 'second-key' }
  const inHeader: ApiKeyAuth = { kind: 'api-key', header: 'X-Api-Key', keys }
  const ask = (request: Request, spec: ApiKeyAuth = inHeader) => authenticate(deliver(request), spec)

  it('knows the caller by its key, and which key it was', async () => {
    for (const [name, key] of Object.entries(keys)) {
      expect(await ask({ headers: { 'x-api-key': key } })).to.deep.equal({ ok: true, principal: { name, scopes: [] } })
    }
  })

  it('refuses another key, none, and two', async () => {
    const refused = (value: string | readonly string[]) => ask({ headers: { 'x-api-key': value } })
    for (const wrong of ['first-kez', 'first-key ', 'first', 'first-keyy', 'current']) {
      expect(await refused(wrong), wrong).to.deep.equal({ ok: false, reason: 'token-invalid', status: 401 })
    }
    expect(await refused('')).to.include({ reason: 'token-missing' })
    expect(await ask({})).to.include({ reason: 'token-missing' })
    expect(await refused(['first-key', 'second-key'])).to.include({ reason: 'header-duplicated' })
  })

  it('is a bearer token, or access_token, where no header is named', async () => {
    const bearer: ApiKeyAuth = { kind: 'api-key', keys }
    const url = 'https://gateway.example/webhooks/test?access_token=second-key'
    expect(await ask({ headers: { authorization: 'Bearer first-key' } }, bearer)).to.include({ ok: true })
    expect(await ask({ url }, bearer)).to.include({ ok: true })
    expect(await ask({ headers: { 'x-api-key': 'first-key' } }, bearer)).to.include({ reason: 'token-missing' })
    expect(await ask({ url, headers: { authorization: 'Bearer first-key' } }, bearer)).to.include({ ok: false })
    expect(await ask({ url }), 'and only there').to.include({ ok: false })
  })
})
