import { createHmac, timingSafeEqual } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

/** The same work for every peer: a signed delivery comes in, is durable before the 200, and a handler runs for it. */
const { SECRET = '', HANDLED_FILE = 'handled', BODY_MS = '0' } = process.env

export function isSigned(headers, body) {
  const given = Buffer.from(String(headers['x-hub-signature-256']))
  const expected = Buffer.from(`sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

let handled = 0
setInterval(() => writeFileSync(HANDLED_FILE, String(handled)), 50).unref()

/** What a business handler costs: nothing, or a call of an ERP. */
export async function handle() {
  if (BODY_MS !== '0') await pause(Number(BODY_MS))
  handled += 1
}

export async function readBody(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** @param accept makes a delivery durable; resolves once it is */
export async function receive(request, response, accept) {
  try {
    const body = await readBody(request)
    if (!isSigned(request.headers, body)) return void response.writeHead(401).end()
    await accept({ id: String(request.headers['x-github-delivery']), body: JSON.parse(body.toString()) })
    response.writeHead(200, { 'content-length': 2 }).end('ok')
  } catch (thrown) {
    console.error(thrown)
    response.writeHead(503, { 'content-length': 0 }).end()
  }
}

export function serve(accept) {
  const server = createServer((request, response) => void receive(request, response, accept))
  server.listen(0, '127.0.0.1', () => ready(server.address().port))
}

export const ready = (port) => console.log(JSON.stringify({ port }))

process.stdin.resume().once('close', () => process.exit(0))
