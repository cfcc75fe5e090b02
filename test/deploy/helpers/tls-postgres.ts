import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** A client's wish to go on in TLS: https://www.postgresql.org/docs/current/protocol-message-formats.html */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

/** A Postgres as a hyperscaler offers it: nothing but TLS is answered; behind it stands the plain server. */
export async function tlsPostgres(behind: { host: string; port: number }, key: string, cert: string) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('data', (first) => {
      if (!first.equals(SSL_REQUEST)) return void socket.destroy()
      socket.write('S')
      const secured = new TLSSocket(socket, { isServer: true, key, cert })
      const plain = connect(behind.port, behind.host)
      sockets.add(plain)
      for (const [one, other] of [
        [secured, plain],
        [plain, secured],
      ] as const) {
        one.on('error', () => other.destroy())
        one.on('close', () => other.destroy())
        one.pipe(other)
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
