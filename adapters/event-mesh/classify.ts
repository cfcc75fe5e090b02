import { SluiceError } from '#domain/errors'
import type { MeshAnswer } from './transport.ts'

const UNAUTHORIZED_PAUSE_MS = 60_000
/** A wish to wait longer than a day is a mistake. */
const MAX_RETRY_AFTER_MS = 86_400_000

/**
 * What a refusal of the broker means. 400 and 403 will be the same tomorrow (403 is what topic rules answer), and so
 * will be 404, 409, 413 and 415; everything else passes: 401, 408, 429, 5xx, and whatever a router in between says.
 */
export function classify(answer: MeshAnswer, what: string, now: Date): SluiceError {
  const { status } = answer
  const known = PERMANENT[status]
  if (known) {
    return new SluiceError(known.code, `Event Mesh refused ${what} with ${status}.`, {
      retry: 'never',
      httpStatus: status,
      remedy: known.remedy,
    })
  }
  if (status === 401) {
    return new SluiceError('mesh-unauthorized', `Event Mesh does not accept the token for ${what}.`, {
      retry: { afterMs: UNAUTHORIZED_PAUSE_MS },
      httpStatus: status,
      remedy: 'Check the credentials of the broker.',
    })
  }
  return transient(answer, what, now)
}

const PERMANENT: Readonly<Record<number, { code: string; remedy: string }>> = {
  400: { code: 'mesh-bad-request', remedy: 'Check names and topic: at most 150 characters and 20 segments.' },
  403: { code: 'mesh-forbidden', remedy: "Check the message client's rules for topics and queues." },
  404: { code: 'mesh-not-found', remedy: 'Check the name of the queue or subscription.' },
  409: {
    code: 'mesh-conflict',
    remedy: 'Something of this name exists already, or is in use: see what its owner does with it.',
  },
  413: { code: 'mesh-too-large', remedy: 'A message is at most 1 MB.' },
  415: { code: 'mesh-bad-request', remedy: 'Check the content type.' },
}

export function transient({ status, headers }: MeshAnswer, what: string, now: Date): SluiceError {
  const afterMs = retryAfterMs(headers['retry-after'], now)
  // After a 5xx nobody knows whether the message was taken.
  const effect = status >= 500 && status !== 503 ? 'unknown' : 'none'
  return new SluiceError('mesh-unavailable', `Event Mesh answered ${status} for ${what}.`, {
    retry: afterMs === undefined ? 'backoff' : { afterMs },
    effect,
    httpStatus: status,
  })
}

export const refusedByTokenServer = (status: number): SluiceError =>
  new SluiceError('mesh-unauthorized', 'The token server of the Event Mesh gave no token.', {
    retry: { afterMs: UNAUTHORIZED_PAUSE_MS },
    httpStatus: status,
    remedy: "Check the broker's client id, secret or certificate, and its token address.",
  })

/** `Retry-After` as seconds or as a date, RFC 9110 §10.2.3. */
function retryAfterMs(header: string | undefined, now: Date): number | undefined {
  if (header === undefined) return undefined
  const ms = /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - now.getTime()
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS) : undefined
}
