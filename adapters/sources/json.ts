/**
 * JSON with its source text. `value` is for reading fields; whatever is kept comes from `text`, because `JSON.parse`
 * rounds integers beyond 2^53 and a re-serialization changes bytes.
 */
export interface Json {
  readonly text: string
  readonly value: unknown
}

/** @returns undefined where the text is no JSON */
export function parseJson(text: string): Json | undefined {
  try {
    return { text, value: JSON.parse(text) as unknown }
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

/** The value at a path of member names and array indexes. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let at = value
  for (const name of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Readonly<Record<string, unknown>>)[name]
  }
  return at
}

export function stringAt(json: Json, ...path: string[]): string | undefined {
  const value = valueAt(json.value, path)
  return typeof value === 'string' ? value : undefined
}

/** A scalar as text, exact even where it is a number beyond 2^53 (a Shopify order id has 18 digits). */
export function textAt(json: Json, ...path: string[]): string | undefined {
  const value = valueAt(json.value, path)
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  if (typeof value !== 'number') return undefined
  return Number.isSafeInteger(value) ? String(value) : sourceAt(json.text, path)
}

/** A member with its source text. */
export function memberOf(json: Json, name: string): Json | undefined {
  const text = memberSource(json.text, name)
  return text === undefined ? undefined : { text, value: valueAt(json.value, [name]) }
}

export function elementsOf(json: Json): readonly Json[] {
  if (!Array.isArray(json.value)) return []
  const { value } = json
  return elementSources(json.text).map((text, index) => ({ text, value: value[index] as unknown }))
}

function sourceAt(text: string, path: readonly string[]): string | undefined {
  let at: string | undefined = text
  for (const name of path) {
    if (at === undefined) return undefined
    at = at.charCodeAt(skipSpace(at, 0)) === OPEN_ARRAY ? elementSources(at)[Number(name)] : memberSource(at, name)
  }
  return at
}

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/**
 * The exact source of a member of an object, the last one where a key repeats (as `JSON.parse` has it).
 * @param text valid JSON: the scanner below relies on it
 */
export function memberSource(text: string, name: string): string | undefined {
  let at = skipSpace(text, 0)
  if (text.charCodeAt(at) !== OPEN_OBJECT) return undefined
  let found: string | undefined
  at = skipSpace(text, at + 1)
  while (text.charCodeAt(at) !== CLOSE_OBJECT) {
    const keyEnd = skipString(text, at)
    const from = skipSpace(text, skipSpace(text, keyEnd) + 1)
    const to = skipValue(text, from)
    if (isKey(text, at, keyEnd, name)) found = text.slice(from, to)
    at = skipComma(text, to)
  }
  return found
}

/** The exact sources of an array's elements. `text` must be valid JSON. */
export function elementSources(text: string): readonly string[] {
  let at = skipSpace(text, 0)
  if (text.charCodeAt(at) !== OPEN_ARRAY) return []
  const elements: string[] = []
  at = skipSpace(text, at + 1)
  while (text.charCodeAt(at) !== CLOSE_ARRAY) {
    const to = skipValue(text, at)
    elements.push(text.slice(at, to))
    at = skipComma(text, to)
  }
  return elements
}

function isKey(text: string, from: number, to: number, name: string): boolean {
  const raw = text.slice(from + 1, to - 1)
  return raw === name || (raw.includes('\\') && JSON.parse(text.slice(from, to)) === name)
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (text.charCodeAt(at) <= 0x20) at++
  return at
}

function skipComma(text: string, from: number): number {
  const at = skipSpace(text, from)
  return text.charCodeAt(at) === COMMA ? skipSpace(text, at + 1) : at
}

/** @returns the position behind the string's closing quote */
function skipString(text: string, from: number): number {
  let at = from
  for (;;) {
    at = text.indexOf('"', at + 1)
    let slashes = at - 1
    while (text.charCodeAt(slashes) === BACKSLASH) slashes--
    if ((at - slashes) % 2 === 1) return at + 1
  }
}

/** Iterative, because a sender may nest a million arrays. */
function skipValue(text: string, from: number): number {
  let at = from
  let depth = 0
  for (;;) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = skipString(text, at)
    else {
      if (code === OPEN_OBJECT || code === OPEN_ARRAY) depth++
      else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) depth--
      at++
    }
    if (depth === 0) return code === QUOTE || code === CLOSE_OBJECT || code === CLOSE_ARRAY ? at : skipScalar(text, at)
  }
}

/** Behind a number, `true`, `false` or `null`. */
function skipScalar(text: string, from: number): number {
  let at = from
  for (;;) {
    const code = text.charCodeAt(at)
    if (!(code > 0x20) || code === COMMA || code === CLOSE_OBJECT || code === CLOSE_ARRAY) return at
    at++
  }
}
