import type { RefusalReason } from '#domain/verification'
import { misconfigured } from './options.ts'

export type TimestampUnit = 's' | 'ms' | 'rfc3339'

/** Five minutes, what Stripe, Slack and Standard Webhooks prescribe. */
const DEFAULT_TOLERANCE_MS = 300_000

/** No sign, no exponent, no `Infinity`: a lenient parser lets a sender date its delivery at will. */
const DIGITS = /^\d{1,15}$/
const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/

/** Checks a signed timestamp in both directions: a window that only looks back can be widened by dating ahead. */
export function checkTimestamp(
  text: string,
  unit: TimestampUnit,
  now: Date,
  toleranceMs: number,
): RefusalReason | undefined {
  if (unit === 'rfc3339') {
    const moment = toRfc3339(text)
    if (!moment) return 'timestamp-malformed'
    return within(Date.parse(moment), now.getTime(), toleranceMs)
  }
  if (!DIGITS.test(text)) return 'timestamp-malformed'
  // Compared in the sender's own unit, as the vendors' libraries do: half a second more must not decide.
  const unitMs = unit === 's' ? 1_000 : 1
  return within(Number(text) * unitMs, Math.floor(now.getTime() / unitMs) * unitMs, toleranceMs)
}

const within = (at: number, now: number, toleranceMs: number): RefusalReason | undefined =>
  Math.abs(now - at) <= toleranceMs ? undefined : 'timestamp-out-of-tolerance'

export function checkTolerance(kind: string, option: string, toleranceMs: number = DEFAULT_TOLERANCE_MS): number {
  if (Number.isFinite(toleranceMs) && toleranceMs > 0) return toleranceMs
  throw misconfigured(kind, option, 'is not a positive number', 'Give milliseconds, e.g. 300000.')
}

/** An event's `time` as the sender wrote it, where it is RFC 3339; otherwise none, because it is only a hint. */
export const toRfc3339 = (value: unknown): string | undefined =>
  typeof value === 'string' && RFC3339.test(value) && Number.isFinite(Date.parse(value)) ? value : undefined

/** Seconds since 1970 in RFC 3339. */
export function fromEpochSeconds(value: unknown): string | undefined {
  if (typeof value !== 'number' || !(value >= 0 && value < 253_402_300_800)) return undefined
  return new Date(value * 1_000).toISOString()
}

/** A moment in whichever of the three usual notations: RFC 3339, or 10 digits (s) or 13 digits (ms) since 1970. */
export function toMoment(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  if (/^\d{10}$/.test(text)) return fromEpochSeconds(Number(text))
  if (/^\d{13}$/.test(text)) return fromEpochSeconds(Number(text) / 1_000)
  return toRfc3339(text)
}
