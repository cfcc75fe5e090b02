import type { Recipe } from '../../testing/signing/recipe.ts'
import { secretBytes } from '../../testing/signing/sign.ts'
import type { Change } from './causes.ts'
import { rewritings } from './json-text.ts'
import type { Recorded } from './request.ts'

/** What somebody may have signed with instead. */
export interface Variant<Value> {
  readonly change: Change
  readonly value: Value
}

/** Other bytes that the same secret may stand for. */
export function* secretVariants(secret: string, recipe: Recipe): Generator<Variant<Uint8Array>> {
  const right = secretBytes(secret, recipe.secret)
  const seen = new Set(right ? [right.toString('hex')] : [])
  const fresh = (code: Change['code'], bytes: Buffer | undefined, detail: string): Variant<Uint8Array>[] => {
    const key = bytes?.toString('hex')
    if (!bytes || key === undefined || bytes.length === 0 || seen.has(key)) return []
    seen.add(key)
    return [{ change: { code, detail }, value: bytes }]
  }
  const trimmed = secret.trim()
  yield* fresh('secret-white-space', secretBytes(trimmed, recipe.secret), 'it begins or ends with white space')
  yield* fresh('secret-white-space', Buffer.from(`${trimmed}\n`), 'the sender signs with a line break at its end')
  const unquoted = trimmed.replace(/^(["'])(.*)\1$/s, '$2')
  yield* fresh('secret-quoted', secretBytes(unquoted, recipe.secret), 'it stands in quotation marks')
  const bare = trimmed.replace(/^whsec_/, '')
  yield* fresh('secret-encoding', Buffer.from(trimmed), 'as text, verbatim')
  yield* fresh('secret-encoding', secretBytes(bare, 'base64'), 'decoded from base64')
  yield* fresh('secret-encoding', secretBytes(trimmed, 'hex'), 'decoded from hexadecimal')
  yield* fresh('secret-prefix', Buffer.from(bare), 'as text without its prefix whsec_')
  yield* fresh('secret-prefix', Buffer.from(`whsec_${trimmed}`), 'as text with the prefix whsec_')
  yield* fresh('secret-encoding', Buffer.from(Buffer.from(trimmed).toString('base64')), 'encoded in base64 once more')
  yield* fresh('secret-encoding', Buffer.from(Buffer.from(trimmed).toString('hex')), 'encoded in hexadecimal once more')
}

/** JSON beyond this is not rewritten. */
const MAX_JSON_BYTES = 4 * 1024 * 1024
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

/** Other bodies that became this one on the way. */
export function* bodyVariants(body: Uint8Array): Generator<Variant<Uint8Array>> {
  const bytes = Buffer.from(body)
  const text = bytes.toString('utf8')
  const latin = bytes.toString('latin1')
  const of = (code: Change['code'], value: Buffer, detail: string): Variant<Uint8Array>[] =>
    value.equals(bytes) ? [] : [{ change: { code, detail }, value }]
  const ended = latin.replace(/[\r\n]+$/, '')
  yield* of('body-line-end', Buffer.from(ended, 'latin1'), 'a line break was added at its end')
  yield* of('body-line-end', Buffer.from(`${ended}\n`, 'latin1'), 'the line break at its end was lost')
  yield* of(
    'body-line-end',
    Buffer.from(`${ended}\r\n`, 'latin1'),
    'the line break (CRLF) at its end was lost or changed',
  )
  yield* of('body-white-space', Buffer.from(latin.trim(), 'latin1'), 'white space was added around it')
  const lf = latin.replaceAll('\r\n', '\n')
  yield* of('body-line-breaks', Buffer.from(lf, 'latin1'), 'LF became CRLF')
  yield* of('body-line-breaks', Buffer.from(lf.replaceAll('\n', '\r\n'), 'latin1'), 'CRLF became LF')
  if (bytes.subarray(0, 3).equals(BOM)) yield* of('body-mark', bytes.subarray(3), 'a byte order mark was added')
  else yield* of('body-mark', Buffer.concat([BOM, bytes]), 'its byte order mark was lost')
  yield* of('body-charset', Buffer.from(text, 'latin1'), 'ISO-8859-1 became UTF-8')
  yield* of(
    'body-charset',
    Buffer.from(latin, 'utf8'),
    'it was decoded as ISO-8859-1 and encoded as UTF-8, or the reverse',
  )
  yield* of('body-form', Buffer.from(decodeForm(text)), 'it was form-encoded')
  yield* of('body-empty', Buffer.alloc(0), 'it was signed while it was empty')
  if (bytes.length > MAX_JSON_BYTES) return
  const plain = text.replace(/^\ufeff/, '')
  for (const { writing, text: rewritten } of rewritings(plain)) {
    const detail = `it was written as JSON with ${describe(writing.layout, writing.strings)}`
    yield* of('body-rewritten', Buffer.from(rewritten), detail)
    yield* of('body-rewritten', Buffer.from(`${rewritten}\n`), `${detail} and a line break at its end`)
  }
}

function describe(layout: string, strings: string): string {
  const laidOut = layout === 'compact' ? 'no white space' : layout === 'spaced' ? 'a blank after , and :' : layout
  return strings === 'as they are' ? laidOut : `${laidOut}, characters ${strings.toLowerCase()}`
}

function decodeForm(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (thrown) {
    if (thrown instanceof URIError) return text
    throw thrown
  }
}

const ALGORITHMS = ['sha256', 'sha1', 'sha512', 'sha384', 'md5'] as const

export const algorithmVariants = (recipe: Recipe): Variant<string>[] =>
  ALGORITHMS.filter((name) => name !== recipe.algorithm).map((name) => ({
    change: { code: 'algorithm', detail: `it was made with ${name}, not ${recipe.algorithm}` },
    value: name,
  }))

const TEMPLATES = [
  '{body}',
  '{timestamp}.{body}',
  '{timestamp}:{body}',
  '{timestamp}{body}',
  'v0:{timestamp}:{body}',
  '{id}.{timestamp}.{body}',
  '{url}{body}',
  '{method}{url}{body}',
] as const

export const templateVariants = (recipe: Recipe): Variant<string>[] =>
  TEMPLATES.filter((template) => template !== recipe.template).map((template) => ({
    change: { code: 'template', detail: `what was signed is ${template}, not ${recipe.template}` },
    value: template,
  }))

/** Spellings of the public address, for schemes that sign it. */
export function urlVariants(recorded: Recorded): Variant<string>[] {
  const url = new URL(recorded.url)
  const { href, origin, pathname, search } = url
  const other = origin.replace(/^http(s?):/, (_all, s: string) => (s ? 'http:' : 'https:'))
  const path = pathname.endsWith('/') ? pathname.slice(0, -1) : `${pathname}/`
  const spellings = [
    other + pathname + search,
    origin + path + search,
    origin + pathname,
    other + path + search,
    pathname,
  ]
  return [...new Set(spellings)]
    .filter((each) => each !== href)
    .map((value) => ({ change: { code: 'url', detail: `the address was signed as ${value}` }, value }))
}
