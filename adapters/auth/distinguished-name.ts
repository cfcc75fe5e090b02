/** One attribute of a distinguished name: its short name in lower case, and its value without escapes. */
type Part = readonly [type: string, value: string]

/**
 * Reads a distinguished name as people write it (RFC 4514: `CN=a,O=b\, c`) and as `node:crypto` shows it, a part a line.
 * The latter escapes as the former does, so that nobody's common name can pass for two parts.
 */
function readName(name: string): readonly Part[] {
  const parts: Part[] = []
  for (const part of splitUnescaped(name)) {
    const equals = part.indexOf('=')
    if (equals > 0) parts.push([part.slice(0, equals).trim().toLowerCase(), unescaped(part.slice(equals + 1).trim())])
  }
  return parts
}

/** Equal for two spellings of one name, whichever end they begin at; never for two names. */
export const canonicalName = (name: string): string =>
  JSON.stringify(readName(name).toSorted((a, b) => (a.join('=') < b.join('=') ? -1 : 1)))

/** The common name, where there is exactly one. */
export function commonName(name: string): string | undefined {
  const [found, second] = readName(name).filter(([type]) => type === 'cn')
  return second ? undefined : found?.[1]
}

function splitUnescaped(name: string): readonly string[] {
  const parts: string[] = []
  let from = 0
  for (let at = 0; at < name.length; at++) {
    const character = name.charAt(at)
    if (character === '\\') at++
    else if (',;+\n'.includes(character)) {
      parts.push(name.slice(from, at))
      from = at + 1
    }
  }
  return [...parts, name.slice(from)]
}

/** RFC 4514 §2.4: `\,` is a comma, `\C3\A4` is ä. */
const unescaped = (value: string): string =>
  value.replaceAll(/(?:\\[0-9A-Fa-f]{2})+|\\(.)/gs, (match, character: string | undefined) =>
    character === undefined ? Buffer.from(match.replaceAll('\\', ''), 'hex').toString('utf8') : character,
  )
