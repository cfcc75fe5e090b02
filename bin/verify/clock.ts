import type { Recipe } from '../../testing/signing/recipe.ts'
import { textAt } from '../signing/pointer.ts'
import { span } from '../text.ts'
import type { Change } from './causes.ts'
import type { Recorded } from './request.ts'

/** The signed timestamp as it stands, wherever this scheme has it. */
export function findTimestamp({ header, list, timestamp }: Recipe, { headers, body }: Recorded): string | undefined {
  if (list?.timestamp) {
    const values = (headers.get(header) ?? []).flatMap((value) => value.split(list.separator))
    const part = values.find((each) => each.trim().startsWith(`${list.timestamp}${list.assign}`))
    return part?.trim().slice(list.timestamp.length + list.assign.length)
  }
  if (timestamp?.from === undefined) return undefined
  return timestamp.from.startsWith('/') ? textAt(body, timestamp.from) : headers.get(timestamp.from)?.[0]
}

/** What is wrong with it; undefined where nothing is, or nothing is dated. */
export function judgeTimestamp({ timestamp }: Recipe, text: string | undefined, now: Date): Change | undefined {
  if (!timestamp) return undefined
  const { unit, toleranceMs } = timestamp
  if (!text) return { code: 'timestamp-missing', detail: 'it has no timestamp' }
  const at = toMs(text, unit)
  if (at === undefined) return { code: 'timestamp-malformed', detail: `its timestamp is not in ${NAMES[unit]}` }
  const offset = now.getTime() - at
  if (Math.abs(offset) <= toleranceMs) return undefined
  const wrong = (['s', 'ms'] as const).find((other) => {
    const otherwise = other === unit ? undefined : toMs(text, other)
    return otherwise !== undefined && Math.abs(now.getTime() - otherwise) <= 1_000 * toleranceMs
  })
  if (wrong && Math.abs(offset) > 1_000 * toleranceMs) {
    return { code: 'timestamp-unit', detail: `its timestamp is in ${NAMES[wrong]}, not in ${NAMES[unit]}` }
  }
  const side = offset > 0 ? 'before' : 'after'
  return {
    code: 'timestamp-out-of-tolerance',
    detail: `its timestamp lies ${span(offset)} ${side} ${now.toISOString()}; ${span(toleranceMs)} are allowed`,
  }
}

const NAMES = { s: 'seconds', ms: 'milliseconds', rfc3339: 'RFC 3339' } as const

function toMs(text: string, unit: keyof typeof NAMES): number | undefined {
  const at =
    unit === 'rfc3339'
      ? Date.parse(text)
      : /^\d{1,15}$/.test(text)
        ? Number(text) * (unit === 's' ? 1_000 : 1)
        : Number.NaN
  return Number.isFinite(at) ? at : undefined
}
