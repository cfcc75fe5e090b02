import { validateHeaderName, validateHeaderValue } from 'node:http'
import { SluiceError } from '#domain/errors'
import type { Reply } from '#domain/source'
import type { Refusal, RefusalReason, RefusalStatus } from '#domain/verification'

/** The closed list of answers that are no success. RFC 9457; `type` is stable and documented, no detail helps a forger. */
export type Problem =
  | 'unknown-source'
  | 'method-not-allowed'
  | 'too-large'
  | 'refused'
  | 'forbidden'
  | 'retired'
  | 'format-not-understood'
  | 'rate-exceeded'
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
  retired: { status: 410, title: 'This source was retired. Nothing is taken here any more.' },
  'format-not-understood': { status: 415, title: 'The delivery is in no format that this source takes.' },
  'rate-exceeded': { status: 429, title: 'More deliveries came than were granted.' },
  overloaded: { status: 503, title: 'Too many deliveries wait for their commit.' },
  'store-unavailable': { status: 503, title: 'The inbox is not available.' },
  'verifier-unavailable': { status: 503, title: 'The delivery cannot be verified at the moment.' },
  'not-started': { status: 503, title: 'The gateway is starting.' },
  'body-timeout': { status: 408, title: 'The body did not arrive in time.' },
  'body-consumed': { status: 500, title: 'The body was read before it reached the gateway.' },
  internal: { status: 500, title: 'The delivery could not be handled.' },
}

/** @param detail only where the mistake is our host's own: it must not help a forger */
export function problem(name: Problem, headers: Readonly<Record<string, string>> = {}, detail?: string): Reply {
  const { status, title } = PROBLEMS[name]
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify({ type: `urn:sluice:problem:${name}`, title, status, detail }),
  }
}

export const retryLater = (name: Problem, afterMs: number): Reply =>
  problem(name, { 'retry-after': String(Math.max(1, Math.ceil(afterMs / 1000)) || 1) })

const REFUSALS = {
  401: 'refused',
  403: 'forbidden',
  415: 'format-not-understood',
  429: 'rate-exceeded',
} as const satisfies Record<RefusalStatus, Problem>

/** What a caller sees of a refusal; the reason itself goes to the operator only. */
export const refusalProblem = ({ status = 401, headers }: Refusal): Reply => problem(REFUSALS[status], headers)

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
  | 'retired'
  | 'method-not-allowed'
  | 'handshake-refused'
  | 'verifier-unavailable'
  | 'verifier-failed'
