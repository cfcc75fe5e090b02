import { expect } from 'chai'
import { odataTarget } from '../../../adapters/odata/index.ts'
import { dispatchScopes } from '../../helpers/dispatch-scopes.ts'
import { faultOf } from '../../helpers/faults.ts'
import { cut, reply } from '../../helpers/scripted-server.ts'
import { created, isRoot, openings, withToken } from './support.ts'

const open = openings()
const create = ({ target }: Awaited<ReturnType<typeof open>>) =>
  target.session(dispatchScopes().nextTry()).create('Orders', {}, { reference: 'r' })
const signal = new AbortController().signal

describe('credentials', () => {
  const auth = { kind: 'basic', user: 'COMM', password: 'geheim' } as const

  it('are sent as Basic, with the logon client and own headers', async () => {
    const opened = await open(
      withToken((_, response) => created(response)),
      {
        auth,
        sapClient: '100',
        headers: { apikey: 'k' },
      },
    )
    await create(opened)
    for (const { url, headers } of opened.server.requests) {
      expect(headers).to.include({ authorization: 'Basic Q09NTTpnZWhlaW0=', apikey: 'k', 'accept-language': 'en' })
      expect(url).to.match(/\?sap-client=100$/)
    }
  })

  // Mutation: without `pause.check()` in http-session.ts all 20 calls reach the server, and lock the user (tried).
  it('that are refused are not tried again for five minutes, and then by one request', async () => {
    let time = Date.parse('2026-01-01T00:00:00Z')
    let accept = false
    const { server, target } = await open(
      (_, response) => (accept ? reply(response, 200, { ID: '1' }) : reply(response, 401)),
      { auth, now: () => new Date(time) },
    )
    const fetch = () => target.fetch('Orders', { ID: '1' }, signal)
    const first = await faultOf(fetch())
    expect(first).to.include({ code: 'target-unauthorized', httpStatus: 401 })
    expect(first.retry).to.deep.equal({ afterMs: 300_000 })
    time += 60_000
    for (let n = 0; n < 20; n++) expect((await faultOf(fetch())).retry).to.deep.equal({ afterMs: 240_000 })
    expect(server.requests).to.have.length(1)
    time += 240_000
    await Promise.all(Array.from({ length: 20 }, () => faultOf(fetch())))
    expect(server.requests).to.have.length(2)
    time += 300_000
    accept = true
    expect(await fetch()).to.deep.equal({ data: { ID: '1' } })
    expect(await fetch()).to.deep.equal({ data: { ID: '1' } })
  })

  it('treats a sign-on page with 200 as refused, not as data', async () => {
    const opened = await open(
      withToken((_, response) => {
        response.writeHead(200, { 'content-type': 'text/html' }).end('<form name="loginForm">')
      }),
    )
    const fault = await faultOf(create(opened))
    expect(fault).to.include({ code: 'target-unauthorized', effect: 'none' })
    expect(fault.message).to.include('sign-on page').and.not.include('loginForm')
  })

  it('never appear in a fault, nor does the payload', async () => {
    const { target } = await open((request, response) => (isRoot(request) ? reply(response, 200, {}) : cut(response)), {
      auth,
    })
    const fault = await faultOf(
      target.session(dispatchScopes().nextTry()).create('Orders', { Note: 'payload' }, { reference: 'r' }),
    )
    const everything: string[] = []
    for (let at: unknown = fault; at instanceof Error; at = at.cause) {
      everything.push(String(at.stack), JSON.stringify(at, Object.getOwnPropertyNames(at)))
    }
    expect(everything.join()).to.not.match(/geheim|Q09NTTpnZWhlaW0|payload|authorization/i)
  })
})

describe('OAuth', () => {
  const start = Date.parse('2026-01-01T00:00:00Z')
  async function openOAuth(expiresIn: number) {
    const state = { time: start, issued: 0, valid: '', refuse: false }
    const opened = await open((request, response) => {
      if (request.url === '/token') {
        expect(request.body).to.equal('grant_type=client_credentials&client_id=sb-x%21b1%7Cit%21b2&client_secret=s%26t')
        state.valid = `jwt-${++state.issued}`
        return reply(response, 200, { access_token: state.valid, expires_in: expiresIn })
      }
      return !state.refuse && request.headers.authorization === `Bearer ${state.valid}`
        ? reply(response, 200, { ID: '1' })
        : reply(response, 401)
    })
    const { server } = opened
    const target = odataTarget({
      version: 'v4',
      url: `${server.url}/srv/`,
      auth: { kind: 'oauth2', tokenUrl: `${server.url}/token`, clientId: 'sb-x!b1|it!b2', clientSecret: 's&t' },
      entities: { Orders: { key: ['ID'], readonly: true } },
      now: () => new Date(state.time),
    })
    const fetch = () => target.fetch('Orders', { ID: '1' }, signal)
    const tokens = () => server.log.filter((line) => line === 'POST /token').length
    return { state, target, fetch, tokens }
  }

  it('fetches one token for 20 callers and keeps it until five minutes before its end', async () => {
    const { state, target, fetch, tokens } = await openOAuth(3_600)
    await Promise.all(Array.from({ length: 20 }, fetch))
    state.time = start + 3_299_000
    await fetch()
    expect(tokens()).to.equal(1)
    state.time = start + 3_300_000
    await fetch()
    expect(tokens()).to.equal(2)
    await target.close?.()
  })

  it('uses half the life of a short-lived one', async () => {
    const { state, target, fetch, tokens } = await openOAuth(60)
    await fetch()
    state.time = start + 29_000
    await fetch()
    expect(tokens()).to.equal(1)
    state.time = start + 31_000
    await fetch()
    expect(tokens()).to.equal(2)
    await target.close?.()
  })

  it('drops a token the service refuses, and tries once more', async () => {
    const { state, target, fetch, tokens } = await openOAuth(3_600)
    await fetch()
    state.valid = 'rotated'
    await fetch()
    expect(tokens()).to.equal(2)
    await target.close?.()
  })

  // Mutation: with `pause.check()` inside the loop of http-session.ts the probe stops itself before its second token (tried).
  it('probes with a fresh token too, once the pause after a refusal is over', async () => {
    const { state, target, fetch, tokens } = await openOAuth(3_600)
    await fetch()
    state.refuse = true
    expect((await faultOf(fetch())).code).to.equal('target-unauthorized')
    state.refuse = false
    state.valid = 'rotated'
    state.time += 300_000
    await fetch()
    expect(tokens()).to.equal(3)
    await target.close?.()
  })

  it('tells a refused client from an unreachable token server', async () => {
    const auth = (tokenUrl: string) => ({ kind: 'oauth2', tokenUrl, clientId: 'c', clientSecret: 'geheim' }) as const
    const { server } = await open((_, response) => reply(response, 401, { error: 'invalid_client' }))
    const refused = await open((_, response) => reply(response, 200), { auth: auth(`${server.url}/token`) })
    const fault = await faultOf(refused.target.fetch('Orders', { ID: '1' }, signal))
    expect(fault).to.include({ code: 'target-unauthorized', effect: 'none' })
    expect(fault.message).to.not.include('geheim')
    const away = await open((_, response) => reply(response, 200), { auth: auth('http://127.0.0.1:1/token') })
    expect((await faultOf(away.target.fetch('Orders', { ID: '1' }, signal))).code).to.equal('target-unreachable')
  })
})
