import { once } from 'node:events'
import http, { type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SeenRequest {
  readonly method: string
  /** Path with query. */
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export type Script = (request: SeenRequest, response: ServerResponse) => void | Promise<void>

export interface ScriptedServer {
  readonly url: string
  readonly requests: readonly SeenRequest[]
  /** `POST /Orders`, without queries. */
  readonly log: readonly string[]
  /** What every further request gets. */
  script: Script
  /** Bytes that left for the clients, over all connections there ever were. */
  bytesSent(): number
  close(): Promise<void>
}

/** A server that does exactly what a test says, on an ephemeral port. */
export async function scriptedServer(script: Script): Promise<ScriptedServer> {
  const requests: SeenRequest[] = []
  const sockets = new Set<{ bytesWritten: number }>()
  const server = http.createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('error', () => response.destroy())
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming
      const seen = { method, url, headers, body: Buffer.concat(chunks).toString() }
      requests.push(seen)
      void scripted.script(seen, response)
    })
  })
  server.on('connection', (socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const scripted: ScriptedServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get log() {
      return requests.map(({ method, url }) => `${method} ${url.replace(/\?.*/, '')}`)
    },
    script,
    bytesSent: () => [...sockets].reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return scripted
}

/** Answers JSON with a status; header values may be lists, for several cookies. */
export function reply(
  response: ServerResponse,
  status: number,
  body?: unknown,
  headers: Readonly<Record<string, string | readonly string[]>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...(headers as Record<string, string | string[]>) })
  response.end(body === undefined ? undefined : JSON.stringify(body))
}

/** Resets the connection: the client learns nothing. */
export const cut = (response: ServerResponse): void => {
  response.socket?.resetAndDestroy()
}
