import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ErpSandbox } from '../../testing/index.ts'

export const v2 = '/sap/opu/odata/sap'
export const v4 = '/sap/opu/odata4/sap'
export const salesOrders = '/API_SALES_ORDER_SRV/A_SalesOrder'
export const newOrder = { SalesOrderType: 'OR', SalesOrganization: '1010', SoldToParty: '17100001' }

type Headers = Readonly<Record<string, string>>

interface SapAnswer {
  readonly status: number
  readonly headers: globalThis.Headers
  readonly text: string
  /** A value in the JSON body, by its path: `d.results.0.SalesOrder`. */
  value(path: string): unknown
}

export interface SapSession {
  readonly cookies: readonly string[]
  readonly headers: Headers
  send(method: string, path: string, body?: unknown, headers?: Headers): Promise<SapAnswer>
}

const request = async (url: string, method: string, headers: Headers, body?: unknown): Promise<SapAnswer> => {
  const content = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const answer = await fetch(url, { method, headers, redirect: 'manual', ...(content && { body: content }) })
  const text = await answer.text()
  const value = (path: string) =>
    path
      .split('.')
      .reduce<unknown>((node, name) => (node as Record<string, unknown> | undefined)?.[name], JSON.parse(text))
  return { status: answer.status, headers: answer.headers, text, value }
}

export const basicOf = (erp: ErpSandbox): Headers => ({
  authorization: `Basic ${Buffer.from(`${erp.user}:${erp.password}`).toString('base64')}`,
})

/** Fetches a token and keeps every cookie, in a dozen lines of test code: no client of ours is involved. */
export const sapSession = async (erp: ErpSandbox): Promise<SapSession> => {
  const root = `${erp.url}${v2}/API_SALES_ORDER_SRV/`
  const fetched = await fetch(root, { method: 'HEAD', headers: { ...basicOf(erp), 'x-csrf-token': 'Fetch' } })
  const cookies = fetched.headers.getSetCookie().map((cookie) => cookie.split(';')[0] ?? '')
  const headers = {
    ...basicOf(erp),
    accept: 'application/json',
    'content-type': 'application/json',
    cookie: cookies.join('; '),
    'x-csrf-token': fetched.headers.get('x-csrf-token') ?? '',
  }
  const send: SapSession['send'] = (method, path, body, more) =>
    request(`${erp.url}${path}`, method, { ...headers, ...more }, body)
  return { cookies, headers, send }
}

export const batchHeaders = { 'content-type': 'multipart/mixed; boundary=b' }

/** A `$batch` body: changesets of operations such as `PATCH A_SalesOrder('1')`, all with the same inner boundary. */
export const batch = (...changesets: readonly (readonly [operation: string, body: object][])[]): string => {
  const operations = (changeset: readonly [string, object][]) =>
    changeset.flatMap(([operation, body]) => [
      '--c',
      'Content-Type: application/http',
      'Content-Transfer-Encoding: binary',
      '',
      `${operation} HTTP/1.1`,
      'Content-Type: application/json',
      'If-Match: *',
      '',
      JSON.stringify(body),
    ])
  const parts = changesets.flatMap((changeset) => [
    '--b',
    'Content-Type: multipart/mixed; boundary=c',
    '',
    ...operations(changeset),
    '--c--',
    '',
  ])
  return [...parts, '--b--', ''].join('\r\n')
}

/** Whether the connection ended without an answer. */
export const isCut = async (answer: Promise<unknown>): Promise<boolean> => {
  try {
    await answer
    return false
  } catch (error) {
    if (error instanceof TypeError) return true
    throw error
  }
}

/** Asks until it is so. Gives up before mocha does, so that no loop outlives its test. */
export const until = async (isSo: () => Promise<boolean> | boolean): Promise<void> => {
  const deadline = Date.now() + 20_000
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`never so: ${isSo}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

export interface Receiver {
  readonly url: string
  readonly received: Received[]
  /** Deliveries without the handshakes. */
  readonly deliveries: () => readonly Received[]
  stop(): Promise<void>
}

/** A webhook that allows every origin and answers deliveries as told; `answer` may hold its promise back. */
export const receiver = async (answer: (delivery: Received) => Promise<number> | number): Promise<Receiver> => {
  const received: Received[] = []
  const server = http.createServer(async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const { method = '', url = '', headers } = incoming
    const delivery = { method, url, headers, body: Buffer.concat(chunks).toString() }
    received.push(delivery)
    if (method === 'OPTIONS') response.setHeader('WebHook-Allowed-Origin', String(headers['webhook-request-origin']))
    response.writeHead(method === 'OPTIONS' ? 200 : await answer(delivery)).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    deliveries: () => received.filter(({ method }) => method === 'POST'),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
