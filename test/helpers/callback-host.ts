import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { makeIdentity } from '../../testing/event-mesh/x509.ts'

interface Call {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

/** A sender's site that takes grants over real TLS; its authority is trusted until it is closed. */
export async function callbackHost(status = 200, headers: Record<string, string> = {}) {
  const authority = makeIdentity({ name: [['CN', 'Callback CA']], isAuthority: true })
  const host = makeIdentity({ name: [['CN', 'callback']], signedBy: authority, names: ['127.0.0.1'] })
  const trusted = getCACertificates('default')
  setDefaultCACertificates([...trusted, authority.pem.cert])
  const calls: Call[] = []
  let notify: () => void = () => undefined
  const server = createServer(host.pem, (request, response) => {
    calls.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers })
    response.writeHead(status, headers).end()
    notify()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return {
    calls,
    host: `127.0.0.1:${port}`,
    origin: `https://127.0.0.1:${port}`,
    /** Resolves with the next call, or the one that came. */
    called: (): Promise<Call> =>
      new Promise((resolve) => {
        notify = () => calls[0] && resolve(calls[0])
        notify()
      }),
    async close() {
      setDefaultCACertificates(trusted)
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
