/** When to try again: never (permanent), by the subscription's backoff, or not before some time has passed. */
export type RetryRule = 'never' | 'backoff' | { readonly afterMs: number }

/**
 * What the failed call may have done in the target. `unknown`: it may have taken effect, so the next try looks first.
 * `undecidable`: even the look-up cannot tell, so the dispatch is parked as *unsure*.
 */
export type EffectRule = 'none' | 'unknown' | 'undecidable'

export interface ErrorFacts {
  readonly retry?: RetryRule
  readonly effect?: EffectRule
  readonly httpStatus?: number
  /** What the reader should do next. */
  readonly remedy?: string
  readonly cause?: unknown
}

/** Every fault Sluice raises. `code` is stable and documented; the message never carries a secret or a payload. */
export class SluiceError extends Error {
  readonly code: string
  readonly retry: RetryRule
  readonly effect: EffectRule
  readonly httpStatus: number | undefined
  readonly remedy: string | undefined

  constructor(code: string, message: string, facts: ErrorFacts = {}) {
    super(
      facts.remedy ? `${message} ${facts.remedy}` : message,
      facts.cause === undefined ? {} : { cause: facts.cause },
    )
    this.name = 'SluiceError'
    this.code = code
    this.retry = facts.retry ?? 'backoff'
    this.effect = facts.effect ?? 'none'
    this.httpStatus = facts.httpStatus
    this.remedy = facts.remedy
  }
}

/** Thrown by a handler: this event will never succeed. Ends *dead* at once. */
export class PermanentError extends SluiceError {
  constructor(message: string, facts: Omit<ErrorFacts, 'retry'> = {}) {
    super('permanent', message, { ...facts, retry: 'never' })
  }
}

/** Thrown by a handler: not now, but at the earliest in `afterMs`. */
export class RetryAfterError extends SluiceError {
  constructor(afterMs: number, message: string, facts: Omit<ErrorFacts, 'retry'> = {}) {
    super('retry-after', message, { ...facts, retry: { afterMs } })
  }
}

export interface Fault {
  readonly code: string
  readonly message: string
  readonly retry: RetryRule
  readonly effect: EffectRule
  readonly httpStatus?: number
}

/** Longest message kept of any error: an attempt row must not be flooded by a target's answer. */
export const MAX_MESSAGE_LENGTH = 2048

/** Turns anything thrown into a fault. What we do not know is transient: bounded by the attempts, and visible. */
export function toFault(thrown: unknown): Fault {
  if (thrown instanceof SluiceError) {
    return {
      code: thrown.code,
      message: bounded(thrown.message),
      retry: thrown.retry,
      effect: thrown.effect,
      ...(thrown.httpStatus === undefined ? {} : { httpStatus: thrown.httpStatus }),
    }
  }
  const error = thrown instanceof Error ? thrown : new Error(describe(thrown))
  return { code: error.name || 'Error', message: bounded(error.message), retry: 'backoff', effect: 'none' }
}

function describe(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return 'a value that cannot be shown was thrown'
  }
}

const bounded = (text: string): string =>
  (text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH - 1)}…` : text)
    .replaceAll('\u0000', '')
    .toWellFormed()
