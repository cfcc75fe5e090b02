import { type Delivery, onlyHeader, type Reply, type SourceContext } from '#domain/source'
import { type CallbackOptions, compileCallback, grantByCallback, isCallable } from './cloudevents-callback.ts'
import { type Rate, remember } from './cloudevents-grants.ts'
import { misconfigured } from './options.ts'

export interface HandshakeOptions {
  /** Senders that may deliver here, as they name themselves (`WebHook-Request-Origin`); `*` grants any. */
  readonly allowedOrigins?: readonly string[]
  /** Requests per minute that are granted at most; no limit by default. */
  readonly allowedRate?: number
  /** Grants by calling back, where the sender asks for it; in the answer itself by default. */
  readonly callback?: CallbackOptions
}

/** Which origins may ask, and what they are granted. */
export interface HandshakeRules {
  allows(origin: string): boolean
  /** Named in the configuration, and not only covered by `*`. */
  names(origin: string): boolean
  readonly rate: Rate
  readonly callback: CallbackOptions | undefined
}

/** A DNS name expression, also with scheme or port as some brokers send it. Bounded, because it is echoed. */
const ORIGIN = /^[\w.:/*[\]-]{1,255}$/
/** "The string representation of a positive integer number greater than zero" (§4.1.4). */
const RATE = /^0*[1-9]\d{0,8}$/

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
  const names = (origin: string): boolean => origin !== '*' && allowed.has(origin.toLowerCase())
  return {
    allows: (origin) => allowed.has('*') || names(origin),
    names,
    rate: allowedRate ?? '*',
    callback: options.callback && compileCallback(kind, options.callback),
  }
}

export const isHandshake = (delivery: Delivery): boolean => delivery.method === 'OPTIONS'

const ALLOW = { allow: 'POST' } as const

/**
 * Answers the validation request; without consent none of the granting headers is sent.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md §4
 * @param isKnown whether the caller proved who it is. What a stranger asks for is answered but not remembered, unless
 *   its origin is named in the configuration: it could fill the store otherwise.
 */
export async function answerHandshake(
  delivery: Delivery,
  context: SourceContext,
  rules: HandshakeRules,
  isKnown: boolean,
): Promise<Reply> {
  const origin = originOf(delivery)
  const wanted = onlyHeader(delivery.headers, 'webhook-request-rate')
  if (!origin || !ORIGIN.test(origin) || (wanted !== undefined && !RATE.test(wanted ?? ''))) {
    return { status: 400, headers: ALLOW }
  }
  if (!rules.allows(origin)) return { status: 403, headers: ALLOW }
  const rate = negotiate(wanted ?? undefined, rules.rate)
  const isWorthKeeping = isKnown || rules.names(origin)
  const callback = onlyHeader(delivery.headers, 'webhook-request-callback')
  if (rules.callback && callback && isWorthKeeping && isCallable(callback, rules.callback)) {
    grantByCallback(context, { origin, rate, url: callback, options: rules.callback })
    return { status: 202, headers: ALLOW }
  }
  if (isKnown && wanted) await remember(context, { origin, rate, at: context.now.toISOString(), by: 'reply' })
  const granted = { 'webhook-allowed-origin': origin, 'webhook-allowed-rate': String(rate) }
  return { status: 200, headers: { ...ALLOW, ...granted } }
}

/** Who asks, empty where it does not say so or says two different things. */
export const originOf = ({ headers }: Delivery): string => onlyHeader(headers, 'webhook-request-origin') ?? ''

/** As many as asked for, but not more than allowed; who asks for nothing gets what is allowed. */
function negotiate(wanted: string | undefined, allowed: Rate): Rate {
  if (allowed === '*') return '*'
  return wanted === undefined ? allowed : Math.min(Number(wanted), allowed)
}

/**
 * What the sender of a delivery calls itself; `null` where it says two different things. Senders of version 1.0 wrote
 * `Origin`, since 1.0.1 it is `WebHook-Request-Origin`.
 */
export function senderOf({ headers }: Delivery): string | null | undefined {
  const named = onlyHeader(headers, 'webhook-request-origin')
  return named === undefined ? onlyHeader(headers, 'origin') : named
}
