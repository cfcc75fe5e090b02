import { expect } from 'chai'
import type { Address, AddressProvider } from '#domain/address'
import { odataTarget } from '../../../adapters/odata/index.ts'
import { dispatchScopes } from '../../helpers/dispatch-scopes.ts'
import { faultOf } from '../../helpers/faults.ts'
import { reply, type Script, type ScriptedServer, scriptedServer } from '../../helpers/scripted-server.ts'
import { created, withToken } from './support.ts'

const signal = new AbortController().signal

describe('a target whose address somebody else keeps', () => {
  const close: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const each of close.splice(0)) await each()
  })

  async function serverOf(script: Script): Promise<ScriptedServer> {
    const server = await scriptedServer(script)
    close.push(() => server.close())
    return server
  }

  /** A target at `next`, and how often its address was given up. */
  function targetAt(next: (renewals: number) => Address) {
    let renewals = 0
    const address: AddressProvider = {
      address: async () => next(renewals),
      renew: () => {
        renewals += 1
      },
    }
    const entities = { Orders: { key: ['ID'], reference: 'Ref' } }
    const target = odataTarget({ version: 'v4', address, entities })
    close.push(async () => target.close?.())
    return { target, renewals: () => renewals }
  }

  const create = ({ target }: ReturnType<typeof targetAt>) =>
    target.session(dispatchScopes().nextTry()).create('Orders', {}, { reference: 'r' })

  it('sends the headers and queries that come with it', async () => {
    const server = await serverOf((_, response) => reply(response, 200, { ID: '1' }))
    const { target } = targetAt(() => ({
      url: `${server.url}/srv`,
      headers: { apikey: 'k' },
      queries: { 'sap-client': '100', 'a b': 'c&d' },
    }))
    await target.fetch('Orders', { ID: '1' }, signal)
    expect(server.requests[0]?.url).to.match(/^\/srv\/Orders\(.*\?sap-client=100&a%20b=c%26d$/)
    expect(server.requests[0]?.headers).to.include({ apikey: 'k' })
  })

  it('is asked anew after a 401, and the request repeated once with other credentials', async () => {
    const server = await serverOf(({ headers }, response) =>
      headers.authorization === 'Bearer 1' ? reply(response, 200, { ID: '1' }) : reply(response, 401),
    )
    const { target } = targetAt((n) => ({ url: `${server.url}/srv`, authorization: `Bearer ${n}` }))
    await target.fetch('Orders', { ID: '1' }, signal)
    expect(server.requests).to.have.length(2)
  })

  // Mutation: without `sameCredentials` the password is tried twice, and the user locked twice as fast (tried).
  it('does not repeat a password that was refused', async () => {
    const server = await serverOf((_, response) => reply(response, 401))
    const { target, renewals } = targetAt(() => ({ url: `${server.url}/srv`, authorization: 'Basic same' }))
    expect(await faultOf(target.fetch('Orders', { ID: '1' }, signal))).to.include({ code: 'target-unauthorized' })
    expect([server.requests.length, renewals()]).to.deep.equal([1, 1])
  })

  it('goes through the proxy, with the proxy’s own headers, and renews what the proxy refuses', async () => {
    const seen: string[] = []
    const proxy = await serverOf((request, response) => {
      seen.push(`${request.method} ${request.url} for ${request.headers.host}`)
      if (request.headers['proxy-authorization'] !== 'Bearer 1') return reply(response, 407)
      expect(request.headers).to.include({ 'sap-connectivity-scc-location_id': 'walldorf' })
      return withToken((_, answer) => created(answer))({ ...request, url: new URL(request.url).pathname }, response)
    })
    const opened = targetAt((n) => ({
      url: 'http://virtual-host:44300/srv',
      authorization: 'Basic x',
      proxy: {
        url: proxy.url,
        headers: { 'proxy-authorization': `Bearer ${n}`, 'sap-connectivity-scc-location_id': 'walldorf' },
      },
    }))
    expect((await create(opened)).outcome).to.equal('created')
    expect(seen).to.deep.equal([
      'HEAD http://virtual-host:44300/srv/ for virtual-host:44300',
      'HEAD http://virtual-host:44300/srv/ for virtual-host:44300',
      'POST http://virtual-host:44300/srv/Orders for virtual-host:44300',
    ])
  })

  // Mutation: without `sessionsAt` for the new root the old host's cookie and token reach the new one (tried).
  it('takes neither cookies nor the CSRF token along when it moves', async () => {
    const old = await serverOf(withToken((_, response) => created(response), 'old-token', ['SAP_SESSIONID=old']))
    const other = await serverOf(withToken((_, response) => created(response), 'new-token', ['SAP_SESSIONID=new']))
    let moved = false
    const opened = targetAt(() => ({ url: `${(moved ? other : old).url}/srv` }))
    await create(opened)
    moved = true
    await create(opened)
    expect(old.log).to.deep.equal(other.log)
    for (const { headers } of other.requests) {
      expect(headers.cookie ?? '').to.not.include('old')
      expect(headers['x-csrf-token']).to.not.equal('old-token')
    }
    expect(other.requests.at(-1)?.headers).to.include({ cookie: 'SAP_SESSIONID=new', 'x-csrf-token': 'new-token' })
  })

  it('has the provider’s faults where no address can be had', async () => {
    const { target } = targetAt(() => {
      throw Object.assign(new Error('no destination'), { code: 'destination-missing' })
    })
    await target.fetch('Orders', { ID: '1' }, signal).then(
      () => expect.fail('it was found'),
      (thrown) => expect(thrown).to.include({ code: 'destination-missing' }),
    )
  })
})
