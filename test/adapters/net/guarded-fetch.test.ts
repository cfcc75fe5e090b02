import { once } from 'node:events'
import { request } from 'node:http'
import type { LookupFunction } from 'node:net'
import { expect } from 'chai'
import { SluiceError } from '#domain/errors'
import { type GuardedFetchOptions, guardedFetch, guardLookup } from '../../../adapters/net/guarded-fetch.ts'
import { isSpecialAddress } from '../../../adapters/net/special-addresses.ts'
import { serve } from '../../helpers/http-server.ts'

type Server = Awaited<ReturnType<typeof serve>>

const codeOf = async (answer: Promise<unknown>): Promise<string> => {
  try {
    await answer
    return 'answered'
  } catch (thrown) {
    return thrown instanceof SluiceError ? thrown.code : String(thrown)
  }
}

/** A resolver that gives the next of these answers at each call. */
function resolver(...answers: readonly (readonly string[])[]) {
  let calls = 0
  const lookup = ((_name: string, options: { all?: boolean }, done: (...args: unknown[]) => void) => {
    const addresses = (answers[Math.min(calls++, answers.length - 1)] ?? []).map((address) => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }))
    if (options.all) done(null, addresses)
    else done(null, addresses[0]?.address, addresses[0]?.family)
  }) as LookupFunction
  return { lookup, calls: () => calls }
}

describe('guarded fetch: what may be called', () => {
  const refused = async (url: string, options: GuardedFetchOptions) => {
    expect(await codeOf(guardedFetch(options)(url)), url).to.equal('fetch-refused')
  }

  it('refuses a host that is not exactly on the list', async () => {
    const options = { hosts: ['api.example.com', 'keys.example.com:8443'], ...resolver(['127.0.0.1']) }
    for (const url of [
      'https://evil.example.com/',
      'https://api.example.com.evil.com/',
      'https://xapi.example.com/',
      'https://api.example.com./',
      'https://api.example.com:8443/',
      'https://keys.example.com/',
      'https://api.example.com@evil.com/',
      'https://user:pw@api.example.com/',
      'https://evil.com/#api.example.com',
      'not a url',
      '',
    ]) {
      await refused(url, options)
    }
    expect(options.calls(), 'no name was looked up').to.equal(0)
    await refused('https://api.example.com/', {})
  })

  it('refuses anything but https', async () => {
    for (const scheme of ['http', 'ftp', 'file', 'data', 'javascript']) {
      await refused(`${scheme}://api.example.com/`, { hosts: ['api.example.com'] })
    }
  })

  it('refuses a listed name that resolves to a private, link-local or loopback address', async () => {
    for (const address of [
      '169.254.169.254',
      '127.0.0.1',
      '10.1.2.3',
      '192.168.0.1',
      '::1',
      'fe80::1',
      'fd00::1',
      '::ffff:127.0.0.1',
    ]) {
      const { lookup, calls } = resolver([address])
      await refused('https://api.example.com/', { hosts: ['api.example.com'], lookup })
      expect(calls(), address).to.equal(1)
    }
  })

  it('refuses a name with one private address among public ones', async () => {
    const { lookup } = resolver(['93.184.215.14', '10.0.0.1'])
    await refused('https://api.example.com/', { hosts: ['api.example.com'], lookup })
  })

  it('refuses private addresses written as such, in every notation', async () => {
    for (const host of [
      '169.254.169.254',
      '127.0.0.1',
      '2130706433',
      '0x7f.1',
      '0177.0.0.1',
      '[::1]',
      '[::ffff:169.254.169.254]',
      '[::ffff:a9fe:a9fe]',
      '[64:ff9b::7f00:1]',
      '[2002:7f00:1::]',
      '0.0.0.0',
      '[::]',
    ]) {
      await refused(`https://${host}/latest/meta-data/`, { hosts: [new URL(`https://${host}`).host] })
    }
  })
})

describe('guarded fetch: the connection', () => {
  let server: Server
  let other: Server
  let hits: string[]
  const trusted = (options: GuardedFetchOptions = {}) =>
    guardedFetch({ trustedOrigins: [server.url], timeoutMs: 5_000, ...options })

  before(async () => {
    server = await serve((incoming, response) => {
      hits.push(`${incoming.method} ${incoming.url}`)
      if (incoming.url === '/redirect') response.writeHead(302, { location: other.url }).end()
      else if (incoming.url === '/large') response.end(Buffer.alloc(100_000))
      else if (incoming.url === '/endless') response.writeHead(200).write('x')
      else if (incoming.url === '/echo') incoming.pipe(response)
      else if (incoming.url === '/cut')
        response.writeHead(200, { 'content-length': '10' }).write('x', () => response.destroy())
      else if (incoming.url !== '/silent') response.setHeader('x-a', ['1', '2']).end('ok')
    })
    other = await serve((incoming, response) => {
      hits.push(`other ${incoming.url}`)
      response.end('other')
    })
  })
  after(() => Promise.all([server.close(), other.close()]))
  beforeEach(() => {
    hits = []
  })

  it('calls an origin that configuration trusts, though it is plain http and private', async () => {
    const answer = await trusted()(`${server.url}/x`)
    expect(answer.status).to.equal(200)
    expect(answer.headers).to.include({ 'x-a': '1, 2' })
    expect(Buffer.from(answer.body).toString()).to.equal('ok')
    expect(await codeOf(trusted()(`${other.url}/x`)), 'only that origin').to.equal('fetch-refused')
    expect(hits).to.deep.equal(['GET /x'])
  })

  it('uses a connection once, so that each call looks its name up and checks it', async () => {
    const ports = new Set<number | undefined>()
    const site = await serve((request, response) => {
      ports.add(request.socket.remotePort)
      response.end()
    })
    const fetch = guardedFetch({ trustedOrigins: [site.url] })
    await fetch(site.url)
    await fetch(site.url)
    await site.close()
    expect(ports.size).to.equal(2)
  })

  it('sends a body', async () => {
    const answer = await trusted()(`${server.url}/echo`, { method: 'POST', body: 'żółć' })
    expect(Buffer.from(answer.body).toString()).to.equal('żółć')
  })

  it('hands a redirect back and does not follow it', async () => {
    expect(await trusted()(`${server.url}/redirect`)).to.include({ status: 302 })
    expect(hits).to.deep.equal(['GET /redirect'])
  })

  it('takes no more than the cap', async () => {
    expect(await codeOf(trusted({ maxBytes: 99_999 })(`${server.url}/large`))).to.equal('fetch-too-large')
    expect(await codeOf(trusted({ maxBytes: 100_000 })(`${server.url}/large`))).to.equal('answered')
  })

  it('ends by its time-out, also in the middle of a body, and when the caller gives up', async () => {
    expect(await codeOf(trusted({ timeoutMs: 50 })(`${server.url}/silent`))).to.equal('fetch-timeout')
    expect(await codeOf(trusted({ timeoutMs: 50 })(`${server.url}/endless`))).to.equal('fetch-timeout')
    const controller = new AbortController()
    const answer = codeOf(trusted()(`${server.url}/silent`, { signal: controller.signal }))
    controller.abort()
    expect(await answer).to.equal('fetch-failed')
  })

  it('says that a host could not be reached, without the query of its address', async () => {
    const gone = await serve(() => undefined)
    await gone.close()
    const call = guardedFetch({ trustedOrigins: [gone.url] })(`${gone.url}/path?token=secret`)
    const error = await call.then(
      () => expect.fail('answered'),
      (thrown: SluiceError) => thrown,
    )
    expect(error.code).to.equal('fetch-failed')
    expect(error.message).to.include('/path').and.not.include('secret')
    expect(await codeOf(trusted()(`${server.url}/cut`))).to.equal('fetch-failed')
  })

  // Fails when the check resolves the name by itself and the connection resolves it again: it then connects to the
  // second answer, where nobody listens.
  it('connects to the address that was checked, not to what the name resolves to a moment later', async () => {
    const { lookup, calls } = resolver(['127.0.0.1'], ['127.0.0.2'])
    const guarded = guardLookup(lookup, (address) => address === '127.0.0.2')
    const call = () => request({ host: 'rebind.test', port: server.port, lookup: guarded, agent: false }).end()
    const [response] = await once(call(), 'response')
    response.resume()
    expect(response.statusCode).to.equal(200)
    expect(calls(), 'one look-up serves check and connection').to.equal(1)
    const [error] = (await once(call(), 'error')) as [SluiceError]
    expect(error.code).to.equal('fetch-refused')
    expect(hits).to.deep.equal(['GET /'])
  })
})

describe('special addresses', () => {
  it('knows public addresses from all others', () => {
    for (const address of [
      '8.8.8.8',
      '93.184.215.14',
      '172.32.0.1',
      '100.128.0.1',
      '2606:4700:4700::1111',
      '::ffff:8.8.8.8',
    ]) {
      expect(isSpecialAddress(address), address).to.equal(false)
    }
    for (const address of [
      '0.0.0.0',
      '10.255.255.255',
      '100.64.0.1',
      '127.1.2.3',
      '169.254.169.254',
      '172.16.0.1',
      '172.31.255.255',
      '192.0.0.8',
      '192.168.1.1',
      '198.18.0.1',
      '224.0.0.1',
      '255.255.255.255',
      '::',
      '::1',
      '::127.0.0.1',
      '::ffff:10.0.0.1',
      '::ffff:c0a8:101',
      '64:ff9b::a00:1',
      '64:ff9b:1::a00:1',
      '100::1',
      '2001:0:a00:1::1',
      'fec0::1',
      '2001:db8::1',
      '2002:a00:1::',
      'fd12::1',
      'fe80::1%eth0',
      'ff02::1',
      'no address',
    ]) {
      expect(isSpecialAddress(address), address).to.equal(true)
    }
  })
})
