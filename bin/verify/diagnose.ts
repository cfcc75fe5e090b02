import { type Recipe, recipeOf } from '../../testing/signing/recipe.ts'
import { digest, type Signed, secretBytes } from '../../testing/signing/sign.ts'
import { type Cause, type Change, cause } from './causes.ts'
import { findTimestamp, judgeTimestamp } from './clock.ts'
import type { Recorded } from './request.ts'
import { type Found, matches, signaturesIn } from './signatures.ts'
import { algorithmVariants, bodyVariants, secretVariants, templateVariants, urlVariants } from './variants.ts'

export interface Case {
  readonly kind: string
  readonly recipe: Recipe
  readonly recorded: Recorded
  readonly secrets: readonly string[]
  /** Secrets of other sources, by name. */
  readonly others: ReadonlyMap<string, string>
  readonly now: Date
}

/** The likely causes, the likeliest first. Pure: decides over what it is given. */
export function diagnose(given: Case): Cause[] {
  const { recipe, recorded } = given
  const values = recorded.headers.get(recipe.header) ?? []
  if (values.length === 0) return [...missing(given), ...lengthMismatch(recorded)].map(cause)
  const changes: Change[] = []
  if (values.some((value) => value !== values[0])) {
    changes.push({
      code: 'header-duplicated',
      detail: `${recipe.header} was sent ${values.length} times, with different values`,
    })
  }
  const timestamp = findTimestamp(recipe, recorded)
  const found = values.flatMap((value) => signaturesIn(value, recipe))
  const explained = explain(given, found, timestamp ?? '')
  if (explained) changes.push(...explained)
  const clock = judgeTimestamp(recipe, timestamp, given.now)
  if (clock) changes.push(clock)
  // A signature that cannot be explained may have been cut from another body: its length is the only hint left.
  if (!explained) changes.push(...lengthMismatch(recorded), ...unexplained(found, recipe, recorded.body))
  return changes.map(cause)
}

/** No header of this name: is the signature somewhere else? */
function missing({ kind, recipe, recorded, secrets }: Case): Change[] {
  const signed = toSigned(recorded, recipe, findTimestamp(recipe, recorded) ?? '')
  const digests = secrets.flatMap((secret) => {
    const key = secretBytes(secret, recipe.secret)
    return key ? [digest(recipe.algorithm, key, recipe.template, signed)] : []
  })
  for (const [name, values] of recorded.headers) {
    const found = values.flatMap((value) => signaturesIn(value, recipe))
    if (found.some(({ text }) => digests.some((each) => matches(text, each)))) {
      return [
        { code: 'header-wrong', detail: `the signature is right, but stands in ${name}, not in ${recipe.header}` },
      ]
    }
  }
  const present = new Set(recorded.headers.keys())
  for (const other of ['github', 'shopify', 'stripe', 'standard-webhooks']) {
    const header = recipeOf(other, {}, present)?.header
    if (other !== kind && header && present.has(header)) {
      return [{ code: 'kind-wrong', detail: `it has ${header}, as kind ${other} does` }]
    }
  }
  const similar = [...present].find((name) => /signature|hmac/.test(name))
  const hint = similar ? `; there is ${similar}` : ''
  return [{ code: 'header-missing', detail: `it has no header ${recipe.header}${hint}` }]
}

/** Finds what was changed, one change first, then secret and body together. Undefined: nothing explains it. */
function explain(given: Case, found: readonly Found[], timestamp: string): Change[] | undefined {
  const { recipe, recorded, secrets, others } = given
  const signed = toSigned(recorded, recipe, timestamp)
  const tried = (
    key: Uint8Array,
    change: Partial<Signed> = {},
    algorithm = recipe.algorithm,
    template = recipe.template,
  ) => match(found, digest(algorithm, key, template, { ...signed, ...change }), recipe)
  const keys = secrets.flatMap((secret) => secretBytes(secret, recipe.secret) ?? [])
  const wrongForm = keys.length < secrets.length
  for (const key of keys) {
    const same = tried(key)
    if (same) return same
  }
  const secretChanges = secrets.flatMap((secret) => [...secretVariants(secret, recipe)])
  for (const { value, change } of secretChanges) {
    const same = tried(value)
    if (same) return [secretSaid(change), ...same]
  }
  for (const [name, secret] of others) {
    const key = secretBytes(secret, recipe.secret) ?? Buffer.from(secret)
    const same = tried(key)
    if (same) return [{ code: 'secret-other', detail: `it was signed with the secret of ${name}` }, ...same]
  }
  for (const key of keys) {
    for (const { value, change } of bodyVariants(recorded.body)) {
      const same = tried(key, { body: value })
      if (same) return [change, ...same]
    }
    for (const { value, change } of algorithmVariants(recipe)) {
      const same = tried(key, {}, value)
      if (same) return [change, ...same]
    }
    for (const { value, change } of templateVariants(recipe)) {
      const same = tried(key, {}, recipe.algorithm, value)
      if (same) return [change, ...same]
    }
    for (const { value, change } of recipe.template.includes('{url}') ? urlVariants(recorded) : []) {
      const same = tried(key, { url: value })
      if (same) return [change, ...same]
    }
  }
  for (const body of bodyVariants(recorded.body)) {
    for (const { value, change } of secretChanges) {
      const same = tried(value, { body: body.value })
      if (same) return [secretSaid(change), body.change, ...same]
    }
  }
  return wrongForm ? [{ code: 'secret-invalid', detail: `the secret is not ${FORMS[recipe.secret]}` }] : undefined
}

const FORMS = { utf8: 'text', hex: 'hexadecimal', base64: 'base64', whsec: 'base64 (with or without whsec_)' } as const

const secretSaid = ({ code, detail }: Change): Change =>
  code === 'secret-encoding' || code === 'secret-prefix'
    ? { code, detail: `it was signed with the secret taken ${detail}` }
    : { code, detail: `the secret is right but for this: ${detail}` }

/** The digest is among the signatures: what else is wrong with how it is written? Empty: nothing. */
function match(found: readonly Found[], wanted: Buffer, recipe: Recipe): Change[] | undefined {
  const hits = found.flatMap(({ text, formed }) => {
    const hit = matches(text, wanted)
    return hit ? [{ ...hit, formed }] : []
  })
  const hit = hits.find(({ truncated, formed }) => !truncated && formed) ?? hits[0]
  if (!hit) return undefined
  if (hit.truncated)
    return [{ code: 'signature-truncated', detail: 'the signature is right as far as it goes, but cut off' }]
  const written: Change[] = []
  if (hit.encoding !== recipe.encoding) {
    written.push({
      code: 'signature-encoding',
      detail: `the signature is right, but in ${hit.encoding}, not in ${recipe.encoding}`,
    })
  }
  if (!hit.formed && recipe.prefix) {
    written.push({
      code: 'signature-prefix',
      detail: `the signature is right, but does not stand behind "${recipe.prefix}"`,
    })
  } else if (!hit.formed) {
    written.push({ code: 'signature-malformed', detail: 'the signature is right, but not in the form this kind has' })
  }
  return written
}

const DIGEST_LENGTHS: Readonly<Record<string, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 }

function unexplained(found: readonly Found[], { algorithm, encoding, header }: Recipe, body: Uint8Array): Change[] {
  const wanted = DIGEST_LENGTHS[algorithm] ?? 0
  const lengths = found.map(({ text }) => Buffer.from(text, encoding).length)
  if (!lengths.includes(wanted)) {
    return [
      {
        code: 'signature-malformed',
        detail: `${header} holds no ${algorithm} signature in ${encoding} (${wanted} bytes)`,
      },
    ]
  }
  const hint = isStringified(body) ? '; the body is exactly as JSON.stringify writes it: did a parser have it?' : ''
  return [{ code: 'unknown', detail: `nothing usual explains it${hint}` }]
}

/** What a JavaScript program makes of a body that it parsed; some senders write so themselves. */
function isStringified(body: Uint8Array): boolean {
  const text = Buffer.from(body).toString('utf8')
  try {
    return JSON.stringify(JSON.parse(text)) === text
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return false
    throw thrown
  }
}

function lengthMismatch({ headers, body }: Recorded): Change[] {
  const said = headers.get('content-length')?.[0]
  if (said === undefined || Number(said) === body.length) return []
  return [{ code: 'body-length', detail: `the body has ${body.length} bytes, its header says ${said}` }]
}

const toSigned = ({ body, method, url, headers }: Recorded, recipe: Recipe, timestamp: string): Signed => ({
  body,
  method,
  url,
  timestamp,
  id: (recipe.id && headers.get(recipe.id)?.[0]) ?? '',
})
