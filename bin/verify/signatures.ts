import type { Recipe } from '../../testing/signing/recipe.ts'

/** What stands in a header where a signature should, taken apart as leniently as possible. */
export interface Found {
  readonly text: string
  /** Does the whole header have the form the recipe asks for: its prefix, or its list? */
  readonly formed: boolean
}

const TOKEN = /[A-Za-z0-9+/_-]{16,}={0,2}/g

/** The signatures of a header: those in the right form first, then whatever looks like one. */
export function signaturesIn(value: string, { prefix, list }: Recipe): Found[] {
  const parts = list
    ? value.split(list.separator).flatMap((part) => {
        const at = part.indexOf(list.assign)
        return at > 0 && part.slice(0, at).trim() === list.signature ? [part.slice(at + list.assign.length).trim()] : []
      })
    : [value]
  const formed = parts.flatMap((part) => (part.startsWith(prefix) ? [part.slice(prefix.length)] : []))
  const loose = value.match(TOKEN) ?? []
  return [
    ...formed.map((text) => ({ text, formed: true })),
    ...loose.filter((text) => !formed.includes(text)).map((text) => ({ text, formed: false })),
  ]
}

export type Match = { readonly encoding: string; readonly truncated: boolean }

const ENCODINGS = ['hex', 'base64', 'base64url'] as const
/** Fewer equal characters may be chance. */
const MIN_CHARACTERS = 12

/** Whether a text is a digest, or its beginning, in any encoding. */
export function matches(text: string, digest: Buffer): Match | undefined {
  for (const encoding of ENCODINGS) {
    const full = digest.toString(encoding)
    const given = encoding === 'hex' ? text.toLowerCase() : text
    if (given === full || (encoding === 'base64url' && given.replace(/=+$/, '') === full))
      return { encoding, truncated: false }
    const bare = given.replace(/[.…=]+$/, '')
    if (bare.length >= MIN_CHARACTERS && full.startsWith(bare)) return { encoding, truncated: true }
  }
  return undefined
}
