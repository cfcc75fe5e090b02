/** How a program wrote JSON: which layout, and which characters it escapes. */
export interface Writing {
  readonly layout: 'compact' | 'spaced' | '2 spaces' | '4 spaces' | 'tabs'
  readonly strings: 'as they are' | 'escaped' | 'ESCAPED' | 'unescaped' | 'escaped slashes' | 'escaped <>&'
}

const LAYOUTS = ['compact', 'spaced', '2 spaces', '4 spaces', 'tabs'] as const
const STRINGS = ['as they are', 'escaped', 'ESCAPED', 'unescaped', 'escaped slashes', 'escaped <>&'] as const

/**
 * A JSON text in every usual writing. Token by token: numbers stay as they are, because a parser would lose those
 * beyond 2^53. @returns nothing where it is no JSON
 */
export function* rewritings(text: string): Generator<{ writing: Writing; text: string }> {
  const tokens = tokenize(text)
  if (!tokens) return
  for (const strings of STRINGS) {
    const written = tokens.map((token) => (token.startsWith('"') ? rewrite(token, strings) : token))
    for (const layout of LAYOUTS) yield { writing: { layout, strings }, text: print(written, layout) }
  }
}

const TOKEN = /\s*("(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[[\]{}:,])\s*/y

function tokenize(text: string): string[] | undefined {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  for (let end = 0; end < text.length; end = TOKEN.lastIndex) {
    const match = TOKEN.exec(text)
    if (!match) return undefined
    tokens.push(match[1] ?? '')
  }
  return tokens.length > 0 && /^[[{]/.test(tokens[0] ?? '') ? tokens : undefined
}

function rewrite(token: string, strings: Writing['strings']): string {
  const write = WRITERS[strings]
  return write ? token.replace(CHARACTER, write) : token
}

/** One character of a string as it is written: an escape is one. */
const CHARACTER = /\\u[0-9a-fA-F]{4}|\\.|[^\\]/gs

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
const isAscii = (character: string): boolean => character.charCodeAt(0) < 0x7f

const WRITERS: Readonly<Partial<Record<Writing['strings'], (written: string) => string>>> = {
  escaped: (written) => (isAscii(written) ? written : escaped(written)),
  ESCAPED: (written) => (isAscii(written) ? written : `\\u${escaped(written).slice(2).toUpperCase()}`),
  'escaped slashes': (written) => (written === '/' ? '\\/' : isAscii(written) ? written : escaped(written)),
  'escaped <>&': (written) => (/[<>&\u2028\u2029]/.test(written) ? escaped(written) : written),
  unescaped(written) {
    if (written === '\\/') return '/'
    const code = written.length === 6 ? Number.parseInt(written.slice(2), 16) : 0
    // Control characters, quotes and backslashes must stay escaped.
    return code < 0x20 || code === 0x22 || code === 0x5c ? written : String.fromCharCode(code)
  },
}

function print(tokens: readonly string[], layout: Writing['layout']): string {
  if (layout === 'compact') return tokens.join('')
  if (layout === 'spaced') {
    // Python's json.dumps. One space after each comma and colon.
    return tokens.map((token) => (token === ',' || token === ':' ? `${token} ` : token)).join('')
  }
  const unit = { '2 spaces': '  ', '4 spaces': '    ', tabs: '\t' }[layout]
  let depth = 0
  let text = ''
  const lineBreak = () => `\n${unit.repeat(depth)}`
  for (const [index, token] of tokens.entries()) {
    const before = tokens[index - 1]
    const opened = before === '{' || before === '['
    if (token === '}' || token === ']') {
      depth -= 1
      text += opened ? token : lineBreak() + token
      continue
    }
    if (opened) text += lineBreak()
    if (token === '{' || token === '[') depth += 1
    text += token === ':' ? ': ' : token
    if (token === ',') text += lineBreak()
  }
  return text
}
