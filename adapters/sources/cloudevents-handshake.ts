import { type Delivery, onlyHeader, type Reply } from '#domain/source'
import { misconfigured } from './options.ts'

export interface HandshakeOptions {
  /** Senders that may deliver here, as they name themselves (`WebHook-Request-Origin`); `*` grants any. */
  readonly allowedOrigins?: readonly string[]
  /** Requests per minute that are granted; no limit by default. */
  readonly allowedRate?: number
}

/** Which origins may ask, and what they are granted. */
export interface HandshakeRules {
  allows(origin: string): boolean
  readonly rate: string
}

/** A DNS name expression, also with scheme or port as some brokers send it. Bounded, because it is echoed. */
const ORIGIN = /^[\w.:/*[\]-]{1,255}$/

export function compileHandshake(kind: string, options: HandshakeOptions): HandshakeRules {
  const { allowedOrigins = [], allowedRate } = options
  for (const [index, origin] of allowedOrigins.entries()) {
    if (typeof origin === 'string' && ORIGIN.test(origin)) continue
    throw misconfigured(
      kind,
      `allowedOrigins[${index}]`,
      'is no origin',
      'Give a name such as broker.example.com, or *.',
    )
  }
  if (allowedRate !== undefined && !(Number.isInteger(allowedRate) && allowedRate > 0)) {
    throw misconfigured(kind, 'allowedRate', 'is not a positive integer', 'Give requests per minute.')
  }
  const allowed = new Set(allowedOrigins.map((origin) => origin.toLowerCase()))
  return {
    allows: (origin) => allowed.has('*') || allowed.has(origin.toLowerCase()),
    rate: allowedRate === undefined ? '*' : String(allowedRate),
  }
}

export const isHandshake = (delivery: Delivery): boolean => delivery.method === 'OPTIONS'

const ALLOW = { allow: 'POST' } as const

/**
 * Answers the validation request; without consent none of the granting headers is sent.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md §4
 */
export function answerHandshake(delivery: Delivery, rules: HandshakeRules): Reply {
  const origin = requestOrigin(delivery)
  if (!origin || !ORIGIN.test(origin)) return { status: 400, headers: ALLOW }
  if (!rules.allows(origin)) return { status: 403, headers: ALLOW }
  const granted = { 'webhook-allowed-origin': origin, 'webhook-allowed-rate': rules.rate }
  return { status: 200, headers: { ...ALLOW, ...granted } }
}

/** What the sender calls itself; `null` where it says two different things. */
export const requestOrigin = (delivery: Delivery): string | null | undefined =>
  onlyHeader(delivery.headers, 'webhook-request-origin')
