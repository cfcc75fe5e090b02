import { expect } from 'chai'
import { createRemoteJWKSet, decodeProtectedHeader, errors, jwtVerify } from 'jose'
import { type EventMeshBroker, eventMeshBroker } from '../../testing/index.ts'
import { receiver, until } from './support.ts'

const callback = {
  clientId: 'sb-callback!t1',
  clientSecret: 'callback-secret',
  scopes: ['sluice!t1.emcallback'],
  audience: ['sluice!t1'],
}
const stranger = { clientId: 'sb-stranger!t2', clientSecret: 'stranger-secret', scopes: [], audience: ['other!t2'] }

describe('Event Mesh simulator: tokens', () => {
  let broker: EventMeshBroker

  before(async () => {
    broker = await eventMeshBroker({ clients: [callback, stranger] })
  })
  after(() => broker.stop())

  const keys = () => createRemoteJWKSet(new URL(broker.jwksUrl))

  it('issues tokens that its published keys prove', async () => {
    const { payload, protectedHeader } = await jwtVerify(await broker.token(), keys(), {
      issuer: broker.tokenUrl,
      audience: 'sluice!t1',
    })
    expect(protectedHeader).to.include({ alg: 'RS256', jku: broker.jwksUrl })
    expect(payload).to.deep.include({ scope: ['sluice!t1.emcallback'], client_id: 'sb-callback!t1' })
    expect(payload.exp).to.be.greaterThan(Date.now() / 1000)
  })

  it('gives a client only its own scopes and audience', async () => {
    const { payload } = await jwtVerify(await broker.token(stranger), keys())
    expect(payload).to.deep.include({ scope: [], aud: ['other!t2'] })
  })

  it('refuses a wrong secret and another grant', async () => {
    const ask = (secret: string, grant: string) =>
      fetch(`${broker.tokenUrl}?grant_type=${grant}&response_type=token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`${callback.clientId}:${secret}`).toString('base64')}` },
      })
    expect((await ask('wrong', 'client_credentials')).status).to.equal(401)
    expect((await ask(callback.clientSecret, 'password')).status).to.equal(400)
    expect((await ask(callback.clientSecret, 'client_credentials')).status).to.equal(200)
  })

  it('signs with another key after a rotation, and still publishes the old one', async () => {
    const old = await broker.token()
    const kid = await broker.rotateKeys()
    const fresh = await broker.token()
    expect(decodeProtectedHeader(fresh).kid).to.equal(kid)
    expect(decodeProtectedHeader(old).kid).to.not.equal(kid)
    await jwtVerify(old, keys())
    await jwtVerify(fresh, keys())
  })

  it('can take its keys away', async () => {
    await broker.switch({ tokenKeysDown: true })
    const token = await broker.token()
    const failure = await jwtVerify(token, keys()).then(
      () => undefined,
      (error: Error) => error,
    )
    expect(failure).to.be.instanceOf(errors.JOSEError)
    await broker.switch({ tokenKeysDown: false })
  })

  it('sends webhooks the token of the client the subscription names', async () => {
    const hook = await receiver(() => 200)
    await broker.queue('q', ['t/*'])
    const { clientId, clientSecret } = stranger
    const { tokenUrl } = broker
    await broker.subscribe('q', hook.url, {
      securitySchema: { type: 'oauth2', grantType: 'client_credentials', clientId, clientSecret, tokenUrl },
    })
    await until(() => hook.received.length === 1)
    const token = hook.received[0]?.headers.authorization?.replace('Bearer ', '') ?? ''
    expect((await jwtVerify(token, keys())).payload.cid).to.equal(clientId)
    await hook.stop()
  })
})
