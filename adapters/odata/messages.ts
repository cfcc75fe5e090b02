import { asText, member } from './canonical.ts'
import { tryParseJson } from './json.ts'

const MAX_MESSAGES = 20
const MAX_LENGTH = 500

/**
 * What a target says beside a success, e.g. that a sales order was created but is incomplete: header `sap-message`
 * (V2, one object with `details`) or `sap-messages` (V4, a list). Undefined where it says nothing.
 */
export function successMessages(header: string | undefined): readonly string[] | undefined {
  if (!header) return undefined
  const parsed = tryParseJson(header)
  if (parsed === undefined) return [header.slice(0, MAX_LENGTH)]
  const outer = Array.isArray(parsed) ? parsed : [parsed]
  const all = outer.flatMap((message) => [message, ...listOf(member(message, 'details'))])
  const texts = all.map(textOf).filter((text) => text !== undefined)
  return texts.length > 0 ? [...new Set(texts)].slice(0, MAX_MESSAGES) : undefined
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** V2 names severities, V4 numbers them: 1 success, 2 info, 3 warning, 4 error. */
function textOf(message: unknown): string | undefined {
  const text = asText(member(message, 'message'))
  if (!text) return undefined
  const severity = String(member(message, 'severity') ?? member(message, 'numericSeverity') ?? '')
  const code = asText(member(message, 'code'))
  return `${SEVERITIES[severity] ?? severity}${severity && ': '}${text}${code ? ` (${code})` : ''}`.slice(0, MAX_LENGTH)
}

const SEVERITIES: Readonly<Record<string, string>> = { 1: 'success', 2: 'info', 3: 'warning', 4: 'error' }
