/** When to try again: never (permanent), by the subscription's backoff, or not before some time has passed. */
export type RetryRule = 'never' | 'backoff' | { readonly afterMs: number }

/**
 * What the failed call may have done in the target. `unknown`: it may have taken effect, so the next try looks first.
 * `undecidable`: even the look-up cannot tell, so the dispatch is parked as *unsure*.
 */
export type EffectRule = 'none' | 'unknown' | 'undecidable'

/** What an error tells beside its message; `retry` is `backoff` and `effect` is `none` unless said otherwise. */
export interface ErrorFacts {
  readonly retry?: RetryRule
  readonly effect?: EffectRule
  readonly httpStatus?: number
  /** What the reader should do next. */
  readonly remedy?: string
  readonly cause?: unknown
}

const BRAND = Symbol.for('cap-sluice.SluiceError')

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

// Known by a mark: tsx, by which `cds watch` runs TypeScript, gives an app a copy of this module with classes of its own.
Object.defineProperty(SluiceError.prototype, BRAND, { value: true })
Object.defineProperty(SluiceError, Symbol.hasInstance, {
  value(this: unknown, thrown: unknown): boolean {
    if (this !== SluiceError) return Function.prototype[Symbol.hasInstance].call(this as () => void, thrown)
    return typeof thrown === 'object' && thrown !== null && BRAND in thrown
  },
})

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

const MAX_CODE_LENGTH = 100

/**
 * Turns anything thrown into a fault; never throws itself. What we do not know is transient: bounded by the attempts,
 * and visible.
 */
export function toFault(thrown: unknown): Fault {
  try {
    return thrown instanceof SluiceError ? declared(thrown) : unknownFault(thrown)
  } catch {
    // A proxy, a getter or a toString of the thrown value threw in its turn.
    return { code: 'Error', message: 'a value that cannot be shown was thrown', retry: 'backoff', effect: 'none' }
  }
}

const declared = ({ code, message, retry, effect, httpStatus }: SluiceError): Fault => ({
  code: bounded(code, MAX_CODE_LENGTH),
  message: bounded(message, MAX_MESSAGE_LENGTH),
  retry,
  effect,
  ...(httpStatus === undefined ? {} : { httpStatus }),
})

function unknownFault(thrown: unknown): Fault {
  const { name, message } = thrown instanceof Error ? thrown : { name: 'Error', message: thrown }
  return {
    code: bounded(name, MAX_CODE_LENGTH) || 'Error',
    message: bounded(message, MAX_MESSAGE_LENGTH),
    retry: 'backoff',
    effect: 'none',
  }
}

function bounded(value: unknown, limit: number): string {
  const text = String(value)
  return (text.length > limit ? `${text.slice(0, limit - 1)}…` : text).replaceAll('\u0000', '').toWellFormed()
}
