import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { TLSSocket } from 'node:tls'

/** One HTTP request as a value: what the simulators decide about before anything reaches an application. */
export interface HttpRequest {
  readonly method: string
  /** Path and query, as sent. */
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
  /** What the client showed in the TLS handshake, in DER; nobody has checked who signed it. */
  readonly certificate?: Buffer
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: string | Buffer
}

export const answerJson = (status: number, value: unknown): HttpAnswer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

/** On a busy machine, Node's 5 s end while the client is about to ask again: what it then sends meets a closed socket. */
const KEPT_MS = 120_000

/**
 * A server whose requests are values; `cut` ends the connection without an answer.
 * @param tls PEM of the server's certificate and its key; it asks clients for theirs
 */
export const simulatorServer = (
  answer: (request: HttpRequest) => Promise<HttpAnswer | 'cut'>,
  tls?: { readonly cert: string; readonly key: string },
): http.Server | https.Server => {
  const serve = async (incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const request = await readRequest(incoming)
    if (!request) return
    const result = await answer(request)
    if (result === 'cut') incoming.socket.destroy()
    else writeAnswer(response, result)
  }
  const kept = { keepAliveTimeout: KEPT_MS }
  return tls
    ? https.createServer({ ...tls, ...kept, requestCert: true, rejectUnauthorized: false }, serve)
    : http.createServer(kept, serve)
}

/** @returns undefined when the client went away before it had sent everything. */
const readRequest = async (incoming: http.IncomingMessage): Promise<HttpRequest | undefined> => {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
  } catch (error) {
    if (incoming.destroyed) return undefined
    throw error
  }
  const { method = 'GET', url = '/', headers, socket } = incoming
  const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate().raw : undefined
  return { method, url, headers, body: Buffer.concat(chunks), ...(certificate && { certificate }) }
}

const writeAnswer = (response: http.ServerResponse, answer: HttpAnswer): void => {
  const headers: Record<string, string | readonly string[]> = { ...answer.headers }
  if (answer.status !== 204) headers['content-length'] = String(Buffer.byteLength(answer.body))
  response.writeHead(answer.status, headers as http.OutgoingHttpHeaders)
  response.end(answer.body)
}

/** @returns the port listened on. */
export const listen = (server: http.Server | https.Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })

export const closeServer = (server: http.Server | https.Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
