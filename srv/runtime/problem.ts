import { validateHeaderName, validateHeaderValue } from 'node:http'
import { SluiceError } from '#domain/errors'
import type { Reply } from '#domain/source'
import type { RefusalReason } from '#domain/verification'

/** The closed list of answers that are no success. RFC 9457; `type` is stable and documented, no detail helps a forger. */
export type Problem =
  | 'unknown-source'
  | 'method-not-allowed'
  | 'too-large'
  | 'refused'
  | 'forbidden'
  | 'overloaded'
  | 'store-unavailable'
  | 'verifier-unavailable'
  | 'not-started'
  | 'body-timeout'
  | 'body-consumed'
  | 'internal'

const PROBLEMS: Readonly<Record<Problem, { status: number; title: string }>> = {
  'unknown-source': { status: 404, title: 'No source is configured at this path.' },
  'method-not-allowed': { status: 405, title: 'This source does not take this method.' },
  'too-large': { status: 413, title: 'The body is larger than this source takes.' },
  refused: { status: 401, title: 'The delivery could not be verified.' },
  forbidden: { status: 403, title: 'The caller may not deliver here.' },
  overloaded: { status: 503, title: 'Too many deliveries wait for their commit.' },
  'store-unavailable': { status: 503, title: 'The inbox is not available.' },
  'verifier-unavailable': { status: 503, title: 'The delivery cannot be verified at the moment.' },
  'not-started': { status: 503, title: 'The gateway is starting.' },
  'body-timeout': { status: 408, title: 'The body did not arrive in time.' },
  'body-consumed': { status: 500, title: 'The body was read before it reached the gateway.' },
  internal: { status: 500, title: 'The delivery could not be handled.' },
}

export function problem(name: Problem, headers: Readonly<Record<string, string>> = {}): Reply {
  const { status, title } = PROBLEMS[name]
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify({ type: `urn:sluice:problem:${name}`, title, status }),
  }
}

export const retryLater = (name: Problem, afterMs: number): Reply =>
  problem(name, { 'retry-after': String(Math.max(1, Math.ceil(afterMs / 1000)) || 1) })

/** Which of the two refusals a caller sees; the reason itself goes to the operator only. */
export const refusalProblem = (status: 401 | 403 | undefined): Reply =>
  status === 403 ? problem('forbidden') : problem('refused')

/** @throws where HTTP could not carry the reply: a broken one must be found before anything of it is sent. */
export function checkReply({ status, headers = {}, body = '' }: Reply): void {
  if (!Number.isInteger(status) || status < 200 || status > 599 || typeof body !== 'string') {
    throw new SluiceError('reply-invalid', 'A reply needs a final HTTP status and, if any, a body of text.')
  }
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  }
}

export type RejectionReason =
  | RefusalReason
  | 'too-large'
  | 'method-not-allowed'
  | 'verifier-unavailable'
  | 'verifier-failed'
