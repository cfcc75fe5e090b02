import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Headers, Reply } from '#domain/source'
import type { ByteBudget } from './runtime/byte-budget.ts'
import { problem, retryLater } from './runtime/problem.ts'

/** A request as any Node framework has it; Express adds `originalUrl` and, where a parser ran, `body`. */
export type NodeRequest = IncomingMessage & { originalUrl?: string; body?: unknown }

export type BodyRead =
  | { readonly bytes: Uint8Array; readonly oversized: boolean }
  | { readonly failed: Reply | 'gone' | 'consumed' }

export interface BodyLimits {
  readonly maxBytes: number
  /** Longest time for the whole body, in ms: a sender that trickles bytes must not hold memory for ever. */
  readonly timeoutMs: number
}

/** Header values as they came, one entry per header line: `IncomingMessage.headers` joins them and so hides doubles. */
export const distinctHeaders = (request: IncomingMessage): Headers =>
  (request.headersDistinct as Headers | undefined) ?? fromLines(request.rawHeaders)

/** A request of HTTP/2 has no `headersDistinct`, and pseudo-headers among its lines. */
function fromLines(lines: readonly string[]): Headers {
  const headers: Record<string, string[]> = Object.create(null)
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [name = '', value = ''] = [lines[at]?.toLowerCase(), lines[at + 1]]
    if (name.startsWith(':')) continue
    const values = headers[name]
    if (values) values.push(value)
    else headers[name] = [value]
  }
  return headers
}

/**
 * Reads the raw bytes, at most `maxBytes`, within a byte budget shared by all deliveries. Bytes returned are taken from
 * the budget; the caller gives them back.
 * A body that a parser consumed before us is a mistake of the host's set-up, named as such.
 */
export function readBody(request: NodeRequest, limits: BodyLimits, budget: ByteBudget): Promise<BodyRead> {
  if (request.readableEnded || request.readableDidRead) return Promise.resolve({ failed: 'consumed' })
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const end = (result: BodyRead) => {
      clearTimeout(timer)
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
      if ('failed' in result) budget.give(size)
      resolve(result)
    }
    const onData = (chunk: Buffer) => {
      const kept = chunk.subarray(0, limits.maxBytes - size)
      if (!budget.take(kept.length)) {
        discardRest(request, limits.timeoutMs)
        return end({ failed: retryLater('overloaded', 1_000) })
      }
      size += kept.length
      chunks.push(kept)
      if (kept.length === chunk.length) return
      discardRest(request, limits.timeoutMs)
      end({ bytes: Buffer.concat(chunks, size), oversized: true })
    }
    const onEnd = () =>
      end({ bytes: chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size), oversized: false })
    const onGone = () => end({ failed: 'gone' })
    const timer = setTimeout(() => end({ failed: problem('body-timeout', { connection: 'close' }) }), limits.timeoutMs)
    timer.unref()
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
  })
}

/** Lets the sender finish, because one that is cut off while it writes never reads the answer; but not for ever. */
export function discardRest(request: IncomingMessage, timeoutMs: number): void {
  const timer = setTimeout(() => request.destroy(), timeoutMs)
  timer.unref()
  request.once('close', () => clearTimeout(timer)).resume()
}

export function sendReply(response: ServerResponse, reply: Reply, correlationId?: string): void {
  if (response.headersSent || response.writableEnded) return
  const { status, body = '' } = reply
  const headers: OutgoingHttpHeaders = { 'x-content-type-options': 'nosniff' }
  if (correlationId) headers['x-correlation-id'] = correlationId
  // RFC 9110 §8.6: a 204 has no length; without one, every other answer would be chunked.
  if (status !== 204) headers['content-length'] = Buffer.byteLength(body)
  response.writeHead(status, Object.assign(headers, reply.headers))
  response.end(body)
}

export function peerOf(request: IncomingMessage) {
  const address = request.socket.remoteAddress
  const { getPeerX509Certificate, authorized } = request.socket as Partial<TLSSocket>
  const raw = getPeerX509Certificate?.call(request.socket)?.raw
  return {
    ...(address ? { address } : {}),
    ...(raw ? { certificate: { raw, authorized: authorized === true } } : {}),
  }
}
