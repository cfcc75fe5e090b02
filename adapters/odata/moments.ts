const MOMENT = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,12}))?(Z|[+-]\d{2}:\d{2})$/

/** RFC 3339 with an offset. */
export const isMoment = (text: string): boolean => MOMENT.test(text) && !Number.isNaN(Date.parse(text))

/**
 * The first moment that is shown otherwise: `…:01.999Z` → `…:02.000Z`, `…:01Z` → `…:02Z`. What a server shows with
 * fewer digits than it stores lies between the two.
 */
export function nextTick(moment: string): string {
  const [, seconds = '', digits = '', zone = ''] = MOMENT.exec(moment) ?? []
  const next = digits === '' ? '' : String(BigInt(digits) + 1n).padStart(digits.length, '0')
  if (digits !== '' && next.length === digits.length) return `${seconds}.${next}${zone}`
  const later = new Date(Date.parse(`${seconds}Z`) + 1000).toISOString().slice(0, 19)
  return digits === '' ? `${later}${zone}` : `${later}.${'0'.repeat(digits.length)}${zone}`
}
