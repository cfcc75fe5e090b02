import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import { expect } from 'chai'
import { dispatchScopes } from '../../helpers/dispatch-scopes.ts'
import { faultOf } from '../../helpers/faults.ts'
import { cut, reply } from '../../helpers/scripted-server.ts'
import { created, openings, withToken } from './support.ts'

const open = openings()
const signal = new AbortController().signal
const create = ({ target }: Awaited<ReturnType<typeof open>>, given = signal) =>
  target.session(dispatchScopes().nextTry(given)).create('Orders', {}, { reference: 'r' })

async function tcpServer(greet: (socket: Socket) => void) {
  const sockets = new Set<Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    greet(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

describe('what a broken connection may have done', () => {
  it('nothing where there was none', async () => {
    for (const url of ['http://127.0.0.1:1/srv', 'http://no-such-host.invalid/srv']) {
      const opened = await open(() => undefined, { url, csrf: false })
      expect(await faultOf(create(opened)), url).to.include({ code: 'target-unreachable', effect: 'none' })
    }
  })

  it('nothing where it never came about in time, or to nobody who can prove who he is', async () => {
    const silent = await tcpServer(() => undefined)
    const waiting = await open(() => undefined, { url: `https://${silent.host}/srv`, csrf: false, timeoutMs: 200 })
    expect(await faultOf(create(waiting))).to.include({ code: 'target-timeout', effect: 'none' })
    await silent.close()

    const talkative = await tcpServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const confused = await open(() => undefined, { url: `https://${talkative.host}/srv`, csrf: false })
    expect(await faultOf(create(confused))).to.include({ code: 'target-unreachable', effect: 'none' })
    await talkative.close()
  })

  it('perhaps everything where it was reset, before or within the answer', async () => {
    const before = await open(withToken((_, response) => cut(response)))
    expect(await faultOf(create(before))).to.include({ code: 'target-connection-lost', effect: 'unknown' })
    const within = await open(
      withToken((_, response) => {
        response.writeHead(201, { 'content-type': 'application/json', 'content-length': 1000 })
        response.write('{"ID":"1"', () => cut(response))
      }),
    )
    expect(await faultOf(create(within))).to.include({ code: 'target-connection-lost', effect: 'unknown' })
  })

  it('perhaps everything where the answer did not come in time, or nobody waited for it', async () => {
    const opened = await open(
      withToken(() => undefined),
      { timeoutMs: 100 },
    )
    expect(await faultOf(create(opened))).to.include({ code: 'target-timeout', effect: 'unknown' })
    const given = new AbortController()
    const slow = await open(withToken(() => given.abort()))
    expect(await faultOf(create(slow, given.signal))).to.include({ code: 'target-aborted', effect: 'unknown' })
  })

  it('also ends answers that drip without an end', async () => {
    const opened = await open(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        const drip = setInterval(() => response.write(' '), 20)
        response.on('close', () => clearInterval(drip))
      },
      { timeoutMs: 150 },
    )
    expect((await faultOf(opened.target.fetch('Orders', { ID: '1' }, signal))).code).to.equal('target-timeout')
  })

  it('perhaps everything behind a gateway that gave up', async () => {
    for (const status of [500, 502, 504]) {
      const opened = await open(withToken((_, response) => reply(response, status)))
      expect(await faultOf(create(opened)), String(status)).to.include({ effect: 'unknown', httpStatus: status })
    }
  })

  it('nothing where the target was busy, which says when to come again', async () => {
    const opened = await open(withToken((_, response) => reply(response, 429, {}, { 'retry-after': '9' })))
    const fault = await faultOf(create(opened))
    expect(fault).to.include({ code: 'target-busy', effect: 'none' })
    expect(fault.retry).to.deep.equal({ afterMs: 9_000 })
  })
})

describe('answers', () => {
  it('above the limit are cut off while they come', async () => {
    const megabyte = Buffer.alloc(1024 * 1024, ' ')
    const opened = await open((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      let sent = 0
      const next = () => {
        while (sent < 100 && !response.destroyed) {
          sent++
          if (!response.write(megabyte)) return response.once('drain', next)
        }
        return response.end()
      }
      next()
    })
    const fault = await faultOf(opened.target.fetch('Orders', { ID: '1' }, signal))
    expect(fault).to.include({ code: 'target-response-too-large', retry: 'never', effect: 'none' })
    expect(opened.server.bytesSent()).to.be.below(40 * 1024 * 1024)
  })

  it('never lead to another host', async () => {
    let visited = false
    const elsewhere = await open((_, response) => {
      visited = true
      reply(response, 200, { ID: '1' })
    })
    const opened = await open((_, response) =>
      reply(response, 307, undefined, { location: `${elsewhere.server.url}/srv/Orders('1')` }),
    )
    const fault = await faultOf(opened.target.fetch('Orders', { ID: '1' }, signal))
    expect(fault).to.include({ code: 'target-misconfigured', retry: 'never' })
    expect(visited).to.equal(false)
  })

  it('that are no OData are told, not guessed at', async () => {
    const opened = await open((_, response) => void response.writeHead(200).end('OK'))
    expect((await faultOf(opened.target.fetch('Orders', { ID: '1' }, signal))).code).to.equal(
      'target-answer-unreadable',
    )
  })

  it('share one connection', async () => {
    const ports = new Set<number | undefined>()
    const opened = await open(
      withToken((_, response) => {
        ports.add(response.socket?.remotePort)
        created(response)
      }),
    )
    for (let n = 0; n < 5; n++) await create(opened)
    expect(ports.size).to.equal(1)
  })
})
