import { type EffectRule, type ErrorFacts, MAX_MESSAGE_LENGTH, type RetryRule, SluiceError } from '#domain/errors'
import { type ErrorBody, readErrorBody } from './error-body.ts'
import { retryAfterMs } from './retry-after.ts'
import type { Answer, TransportFailure } from './transport.ts'

/** What was tried: decides what an unclear end may have done. */
export interface Attempted {
  readonly write: boolean
  readonly now: Date
  /** Uniform in [0, 1). */
  readonly random: number
}

/** Pause after refused credentials: hammering would lock the communication user. */
export const UNAUTHORIZED_PAUSE_MS = 300_000

/** Turns an answer that is no success into a fault with its retry rule and what it may have done. */
export function classifyAnswer(answer: Answer, attempted: Attempted): SluiceError {
  const body = readErrorBody(answer.text)
  const wait = retryAfterMs(answer.headers['retry-after'], attempted.now)
  const verdict =
    ofHeaders(answer, wait !== undefined) ??
    ownWords(answer.status, body, attempted.random) ??
    ofStatus(answer.status, attempted.write)
  const asked = verdict.retry === 'backoff' ? wait : undefined
  return new SluiceError(verdict.code, describe(answer.status, body), {
    ...verdict,
    ...(asked === undefined ? {} : { retry: { afterMs: asked } }),
    httpStatus: answer.status,
  })
}

/** Turns a missing answer into a fault. Nothing but a read, or a write that never left, is sure to have done nothing. */
export function classifyFailure(failure: TransportFailure, write: boolean): SluiceError {
  const { code, text, remedy } = FAILURES[failure.reason]
  return new SluiceError(code, `${text} (${failure.code}).`, {
    // A read that is too large stays too large; a write's next try looks first and may get a smaller answer.
    retry: failure.reason === 'too-large' && !write ? 'never' : 'backoff',
    effect: write && failure.sent ? 'unknown' : 'none',
    cause: failure,
    ...(remedy ? { remedy } : {}),
  })
}

/**
 * A sign-on page with 200 where data was expected: some proxy or ICF service does not know us. Nothing is no page: an API
 * gateway may call the empty body of a write that succeeded HTML.
 */
export const isLoginPage = (answer: Answer): boolean =>
  answer.status < 300 &&
  answer.text.trim() !== '' &&
  /^\s*(text\/html|application\/xhtml)/i.test(answer.headers['content-type'] ?? '')

/** Gateway's own answer to a token that is unknown or bound to another session; any other 403 is authorization. */
export const isCsrfRefusal = (answer: Answer): boolean =>
  answer.status === 403 && answer.headers['x-csrf-token']?.toLowerCase() === 'required'

/** Whether somebody else changed the record; V4 answers 412 to refused preferences too (`handling=strict`). */
export const isConflict = (answer: Answer): boolean =>
  answer.status === 412 && !/handling=strict/i.test(answer.headers['preference-applied'] ?? '')

/** Whether a 404 speaks of the record, and not of a service or route that is not there (/IWFND/MED 170). */
export const isRecordMissing = (answer: Answer): boolean => {
  if (answer.status !== 404) return false
  const body = readErrorBody(answer.text)
  return body !== undefined && !/^\/IWFND\/(MED|CM_BEC)/.test(body.code ?? '')
}

interface Verdict {
  readonly code: string
  readonly retry: RetryRule
  readonly effect: EffectRule
  readonly remedy?: string
}

const never = (code: string, remedy: string): Verdict => ({ code, retry: 'never', effect: 'none', remedy })

function ofHeaders(answer: Answer, saysWhen: boolean): Verdict | undefined {
  if (isLoginPage(answer)) return LOGIN_PAGE
  if (answer.status === 503 && saysWhen) return BUSY
  if (isCsrfRefusal(answer)) return CSRF_REFUSED
  return answer.status === 412 && !isConflict(answer) ? REJECTED : undefined
}

const BUSY: Verdict = { code: 'target-busy', retry: 'backoff', effect: 'none' }

const REJECTED = never('target-rejected', 'Correct the data or the mapping, then retry the event.')

const CSRF_REFUSED: Verdict = {
  code: 'target-csrf',
  retry: 'backoff',
  effect: 'none',
  remedy: 'A fresh CSRF token was refused too: set `csrf: true`, and let proxies on the way pass all cookies.',
}

const LOGIN_PAGE: Verdict = {
  code: 'target-unauthorized',
  retry: { afterMs: UNAUTHORIZED_PAUSE_MS },
  effect: 'none',
  remedy: 'A sign-on page came instead of data: check `auth` and `url` of the target.',
}

/** What the server says in words outweighs the status it chose for them. */
function ownWords(status: number, body: ErrorBody | undefined, random: number): Verdict | undefined {
  if (status === 423 || (LOCK_STATUSES.has(status) && body?.texts.some(isLockText))) {
    return { code: 'target-locked', retry: { afterMs: 5_000 + Math.floor(random * 55_000) }, effect: 'none' }
  }
  if (body?.code === '/IWBEP/CM_COS/005') {
    // "RequestID is outdated": this very write was processed before, so the next try will find its effect.
    return { code: 'target-repeated', retry: 'backoff', effect: 'unknown' }
  }
  if (body?.code?.startsWith('/IWBEP/CM_COS/')) {
    return never('target-misconfigured', 'Set up idempotent services in SAP Gateway, or `repeatability: false` here.')
  }
  return undefined
}

function ofStatus(status: number, write: boolean): Verdict {
  const known = STATUSES[status]
  if (known) return known
  const unknown: EffectRule = write ? 'unknown' : 'none'
  // Envoy answers so where the connection to the system behind it broke, after the request too; who is busy says until when.
  if (status === 503) return { ...BUSY, effect: unknown }
  if (status === 408 || status >= 500) return { code: 'target-unavailable', retry: 'backoff', effect: unknown }
  if (status >= 400) return REJECTED
  return never('target-misconfigured', 'Set `url` of the target to the service root itself.')
}

const MISCONFIGURED = 'Check `url`, `entities` and the service activation (/IWFND/MAINT_SERVICE).'

/** Statuses that mean the same for reads and writes: none of them is given after something was changed. */
const STATUSES: Readonly<Record<number, Verdict>> = {
  401: {
    code: 'target-unauthorized',
    retry: { afterMs: UNAUTHORIZED_PAUSE_MS },
    effect: 'none',
    remedy: 'Check `auth` of the target and whether its user is locked.',
  },
  403: never('target-forbidden', 'Grant the communication user this operation, then retry the event.'),
  404: never('target-not-found', MISCONFIGURED),
  405: never('target-misconfigured', MISCONFIGURED),
  407: {
    code: 'target-unauthorized',
    retry: { afterMs: UNAUTHORIZED_PAUSE_MS },
    effect: 'none',
    remedy: 'The proxy on the way refused us: check the binding to the connectivity service.',
  },
  412: { code: 'target-changed', retry: 'backoff', effect: 'none' },
  428: never('target-etag-required', 'The service demands an etag its records do not carry: check `entities`.'),
  429: BUSY,
  501: never('target-misconfigured', MISCONFIGURED),
}

const FAILURES: Readonly<Record<TransportFailure['reason'], { code: string; text: string; remedy?: string }>> = {
  unreachable: {
    code: 'target-unreachable',
    text: 'No connection to the target',
    remedy: 'Check `url` and the network.',
  },
  timeout: { code: 'target-timeout', text: 'The target did not answer in time' },
  lost: { code: 'target-connection-lost', text: 'The connection broke before the answer was complete' },
  aborted: { code: 'target-aborted', text: 'The call was given up before its answer came' },
  'too-large': {
    code: 'target-response-too-large',
    text: 'The answer was cut off at `maxResponseBytes`',
    remedy: 'Read less at once, or raise `maxResponseBytes`.',
  },
}

const LOCK_STATUSES = new Set([400, 409, 422, 500])

/**
 * "Object is locked by user …", "… is currently being processed by user …" (VL 045), "… is locked in another session":
 * somebody works on it and will be done. Not "locked for posting", "centrally locked", "was processed by the system".
 */
export const isLockText = (text: string): boolean =>
  /\b(locked|being processed|already process\w+)\b/i.test(text) &&
  /\b(by (user )?\S+|another session)|^user \S+ already/i.test(text)

function describe(status: number, body: ErrorBody | undefined): string {
  const facts = [
    `HTTP ${status}`,
    body?.code && `code ${body.code}`,
    body?.transactionId && `transaction ${body.transactionId}`,
    body?.timestamp && `at ${body.timestamp}`,
  ].filter(Boolean)
  const said = body && body.texts.length > 0 ? body.texts.join(' / ') : 'The target refused.'
  return `${said.slice(0, MAX_MESSAGE_LENGTH - 500)} (${facts.join(', ').slice(0, 300)}).`
}

/** A configuration the reader can mend; thrown at construction and where a call does not fit the configuration. */
export const misconfigured = (message: string, remedy: string, facts: Omit<ErrorFacts, 'remedy'> = {}): SluiceError =>
  new SluiceError('configuration', message, { retry: 'never', ...facts, remedy })
