import type { Headers } from '#domain/source'

/** What is kept of a delivery's headers. A closed list: a new header that carries a secret is not stored by accident. */
const KEPT = new Set([
  'content-type',
  'content-length',
  'content-encoding',
  'date',
  'user-agent',
  'x-address',
  'webhook-request-origin',
  'solace-correlation-id',
  'solace-delivery-mode',
  'solace-dmq-eligible',
  'solace-reply-wait-time-in-ms',
  'solace-time-to-live-in-ms',
  'x-correlation-id',
  'x-request-id',
  'traceparent',
  'tracestate',
])
const KEPT_PREFIXES = ['ce-', 'x-github-', 'x-shopify-', 'shopify-', 'sap_', 'sap-passport']
const NEVER = /(signature|hmac|token|secret|authorization|cookie|password|key)/
const MAX_VALUE_LENGTH = 1_024

const judge = (name: string): boolean =>
  (KEPT.has(name) || KEPT_PREFIXES.some((prefix) => name.startsWith(prefix))) && !NEVER.test(name)

/** Senders use the same few names again and again; whoever invents names gains nothing. */
const verdicts = new Map<string, boolean>()
const MAX_VERDICTS = 1_000

function isSafe(name: string): boolean {
  let safe = verdicts.get(name)
  if (safe === undefined) {
    safe = judge(name)
    if (verdicts.size < MAX_VERDICTS) verdicts.set(name, safe)
  }
  return safe
}

/** JSON of the headers an operator may see, and of what else the source keeps. */
export function safeHeaders(headers: Headers, others?: Readonly<Record<string, string>>): string {
  const kept: Record<string, string> = {}
  for (const name in others) kept[name] = (others[name] ?? '').slice(0, MAX_VALUE_LENGTH)
  for (const name in headers) {
    if (isSafe(name)) kept[name] = (headers[name] ?? []).join(', ').slice(0, MAX_VALUE_LENGTH)
  }
  return JSON.stringify(kept)
}
