/**
 * `JSON.parse` that never rounds: a number whose digits a double cannot hold (an Int64 beyond 2^53, a long decimal)
 * is kept as the text the server wrote, the way OData writes such values anyway (`IEEE754Compatible`).
 */
export const parseJson = (text: string): unknown => JSON.parse(text, keepDigits)

const keepDigits = (_key: string, value: unknown, context?: { source?: string }): unknown =>
  typeof value === 'number' && context?.source !== undefined && !isExact(value, context.source) ? context.source : value

/** A double holds every decimal of up to 15 significant digits. */
const isExact = (value: number, source: string): boolean =>
  Number.isFinite(value) &&
  (String(value) === source || source.replace(/e.*$/i, '').replace(/\D/g, '').replace(/^0+/, '').length <= 15)

/** Undefined for what is no JSON: a proxy's page, an answer that was cut off. */
export function tryParseJson(text: string): unknown {
  try {
    return parseJson(text)
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}
