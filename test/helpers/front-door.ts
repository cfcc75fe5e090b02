import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener, request, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import express, { type RequestHandler } from 'express'
import type { Inbox } from '#domain/ports'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { createGateway, type Gateway, type GatewayParts } from '../../srv/gateway.ts'
import { hmacSource } from './hmac-source.ts'
import { recordingLog } from './recording-log.ts'

export type Mount = 'Express' | 'node:http'
export const MOUNTS: readonly Mount[] = ['Express', 'node:http']

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface Sending {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** Several parts are sent chunked. */
  readonly body?: string | Uint8Array | readonly Uint8Array[]
}

export interface DoorOptions extends Partial<Omit<GatewayParts, 'inbox'>> {
  readonly mount?: Mount
  readonly inbox?: Inbox
  /** Runs before the gateway, for Express. */
  readonly before?: RequestHandler
  /** Leaves `start` to the test. */
  readonly unstarted?: boolean
}

/** A gateway with a source `shop` behind a real HTTP server, and how to talk to it. */
export async function frontDoor(options: DoorOptions = {}) {
  const { mount = 'Express', before, unstarted = false, ...parts } = options
  const memory = memoryInbox()
  const log = recordingLog()
  const gateway = createGateway({ inbox: memory, sources: { shop: hmacSource() }, log, ...parts })
  if (!unstarted) await gateway.start()
  const server = createServer(mount === 'Express' ? inExpress(gateway, before) : gateway.express())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return {
    gateway,
    log,
    port,
    server,
    state: memory.state,
    events: () => [...memory.state.events.values()],
    deliveries: () => [...memory.state.deliveries.values()],
    send: (sending: Sending = {}) => send(port, sending),
    /** A connection of one's own, to be rude on. */
    socket: async (): Promise<Socket> => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => socket.destroy())
      await once(socket, 'connect')
      return socket
    },
    async close() {
      await closeServer(server)
      const stopping = gateway.stop({ timeoutMs: 1_000 })
      await stopping
    },
  }
}

export type FrontDoor = Awaited<ReturnType<typeof frontDoor>>

function inExpress(gateway: Gateway, before?: RequestHandler): RequestListener {
  const app = express()
  if (before) app.use(before)
  app.use('/webhooks', gateway.express())
  app.use((_request, response) => void response.status(418).send('the app itself'))
  return app
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
}

/** One request on a connection of its own. */
export async function send(port: number, sending: Sending): Promise<Answer> {
  const { method = 'POST', path = '/webhooks/shop', headers = {}, body = '' } = sending
  const outgoing = request({ host: '127.0.0.1', port, method, path, agent: false, headers: toOutgoing(headers) })
  // An answer may come before the body is through; what the connection says after it is no fault of the test.
  const answered = new Promise<Answer>((resolve, reject) => {
    outgoing.on('error', reject)
    outgoing.on('response', async (response) => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        text: Buffer.concat(chunks).toString(),
      })
    })
  })
  if (typeof body === 'string' || body instanceof Uint8Array) outgoing.end(body)
  else {
    for (const part of body) outgoing.write(part)
    outgoing.end()
  }
  return answered
}

const toOutgoing = (headers: NonNullable<Sending['headers']>) =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? value : [...value]]),
  )
