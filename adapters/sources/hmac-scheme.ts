import { type Delivery, onlyHeader } from '#domain/source'
import { type RefusalReason, refuse, type Verification } from '#domain/verification'
import { decodeText } from './body.ts'
import { compileField, type Field, type Locator } from './fields.ts'
import {
  type Algorithm,
  decodeSignature,
  findSigner,
  readSignatureList,
  type SecretEncoding,
  type SignatureEncoding,
  secretKeys,
} from './hmac-signature.ts'
import { parseJson } from './json.ts'
import { checkOneOf, misconfigured } from './options.ts'
import { checkTimestamp, checkTolerance, type TimestampUnit } from './timestamp.ts'

/** How a provider signs. */
export interface HmacScheme {
  readonly secrets: readonly string[]
  /** How a secret's text becomes the key's bytes; `utf8` takes it verbatim. */
  readonly secretEncoding?: SecretEncoding
  /** The header, or headers, that may hold the signature; one that matches is enough. */
  readonly header: string | readonly string[]
  /** The header may come several times with different signatures (a provider's own rotation). */
  readonly repeated?: boolean
  /** Text before each signature, e.g. `sha256=`. */
  readonly prefix?: string
  readonly algorithm?: Algorithm
  readonly encoding?: SignatureEncoding
  /** What is signed: text with `{body}` and any of `{timestamp}`, `{id}`, `{method}`, `{url}` (the public one). */
  readonly template?: string
  /** The header is a list like `t=…,v1=…`: its separator and the keys of signature and timestamp. */
  readonly list?: { readonly separator: string; readonly signature: string; readonly timestamp?: string }
  /** Where the signed timestamp stands, unless in the list. */
  readonly timestamp?: { readonly from?: Locator; readonly unit?: TimestampUnit; readonly toleranceMs?: number }
  /** For `{id}`: the header whose value is signed. */
  readonly signedId?: string
}

export const SCHEME_OPTIONS = [
  'secrets',
  'secretEncoding',
  'header',
  'repeated',
  'prefix',
  'algorithm',
  'encoding',
  'template',
  'list',
  'timestamp',
  'signedId',
] as const satisfies readonly (keyof HmacScheme)[]

type Proof = { readonly signatures: readonly string[]; readonly timestamp?: string | undefined }

/** A verifier for the scheme. @throws SluiceError `configuration` where the options contradict each other */
export function compileScheme(kind: string, scheme: HmacScheme): (delivery: Delivery, now: Date) => Verification {
  const { prefix = '', list, timestamp } = scheme
  const keys = secretKeys(kind, scheme.secrets, scheme.secretEncoding)
  const algorithm = checkOneOf(kind, 'algorithm', scheme.algorithm ?? 'sha256', ['sha1', 'sha256', 'sha384', 'sha512'])
  const encoding = checkOneOf(kind, 'encoding', scheme.encoding ?? 'hex', ['hex', 'base64', 'base64url'])
  const unit = checkOneOf(kind, 'timestamp.unit', timestamp?.unit ?? 's', ['s', 'ms', 'rfc3339'])
  const toleranceMs = checkTolerance(kind, 'timestamp.toleranceMs', timestamp?.toleranceMs)
  const headers = [scheme.header].flat().map((name) => compileField(kind, 'header', name).header)
  const from = timestamp?.from === undefined ? undefined : compileField(kind, 'timestamp.from', timestamp.from)
  const dated = from !== undefined || list?.timestamp !== undefined
  const signedId = scheme.signedId === undefined ? undefined : compileField(kind, 'signedId', scheme.signedId)
  const template = compileTemplate(kind, scheme.template ?? '{body}', { timestamp: dated, id: signedId !== undefined })
  if (headers.length === 0 || headers.includes(undefined)) {
    throw misconfigured(kind, 'header', 'names no header', 'Give the name of the header that holds the signature.')
  }
  if (timestamp && !dated) throw misconfigured(kind, 'timestamp', 'has no "from"', 'Say where it stands.')

  function readHeaders(delivery: Delivery): readonly string[] | RefusalReason {
    const values: string[] = []
    for (const name of headers as string[]) {
      const only = scheme.repeated ? undefined : onlyHeader(delivery.headers, name)
      if (only === null) return 'header-duplicated'
      values.push(...(scheme.repeated ? (delivery.headers[name] ?? []) : only === undefined ? [] : [only]))
    }
    return values.length === 0 ? 'signature-missing' : values
  }

  return (delivery, now) => {
    const values = readHeaders(delivery)
    if (typeof values === 'string') return refuse(values)
    const proof = list ? readProof(values, list) : { signatures: values }
    if (typeof proof === 'string') return refuse(proof)
    const signatures = proof.signatures.flatMap((text) =>
      text.startsWith(prefix) ? (decodeSignature(text.slice(prefix.length), encoding, algorithm) ?? []) : [],
    )
    if (signatures.length === 0) return refuse('signature-malformed')
    const at = proof.timestamp ?? readTimestamp(from, delivery)
    if (dated && !at) return refuse('timestamp-missing')
    const id = signedId?.read(delivery, undefined)
    if (signedId && !id) return refuse('id-missing')
    const secretId = findSigner(keys, algorithm, template(delivery, at ?? '', id ?? ''), signatures)
    if (!secretId) return refuse('signature-invalid')
    const problem = at === undefined || !dated ? undefined : checkTimestamp(at, unit, now, toleranceMs)
    return problem ? refuse(problem) : { ok: true, authlevel: 'body', secretId }
  }
}

function readProof(values: readonly string[], list: NonNullable<HmacScheme['list']>): Proof | RefusalReason {
  const signatures: string[] = []
  const timestamps = new Set<string>()
  for (const value of values) {
    const parts = readSignatureList(value, list.separator)
    signatures.push(...(parts.get(list.signature) ?? []))
    for (const timestamp of (list.timestamp && parts.get(list.timestamp)) || []) timestamps.add(timestamp)
  }
  if (timestamps.size > 1) return 'timestamp-malformed'
  if (signatures.length === 0) return 'signature-malformed'
  if (list.timestamp && timestamps.size === 0) return 'timestamp-missing'
  const [timestamp] = timestamps
  return { signatures, timestamp }
}

/** From a header, or from the body where the provider signs it there (Linear). */
function readTimestamp(from: Field | undefined, delivery: Delivery): string | undefined {
  if (!from || from.header !== undefined) return from?.read(delivery, undefined)
  const text = decodeText(delivery.body, undefined)
  return from.read(delivery, text === undefined ? undefined : parseJson(text))
}

const PLACEHOLDER = /\{(body|timestamp|id|method|url)\}/

/** Splits a template once, so that a delivery only fills it in; the body goes in as bytes. */
function compileTemplate(kind: string, template: string, has: { timestamp: boolean; id: boolean }) {
  const parts = template.split(PLACEHOLDER)
  const names = parts.filter((_, index) => index % 2 === 1)
  if (names.filter((name) => name === 'body').length !== 1) {
    throw misconfigured(kind, 'template', 'must hold {body} once', 'Otherwise the body would not be proved.')
  }
  for (const name of ['timestamp', 'id'] as const) {
    if (!names.includes(name) || has[name]) continue
    const missing = name === 'id' ? '"signedId"' : '"timestamp" or "list.timestamp"'
    throw misconfigured(kind, 'template', `uses {${name}}`, `Set ${missing} too.`)
  }
  return (delivery: Delivery, timestamp: string, id: string): (string | Uint8Array)[] =>
    parts.map((part, index) => {
      if (index % 2 === 0) return part
      if (part === 'body') return delivery.body
      if (part === 'timestamp') return timestamp
      if (part === 'id') return id
      return part === 'method' ? delivery.method.toUpperCase() : delivery.url
    })
}
