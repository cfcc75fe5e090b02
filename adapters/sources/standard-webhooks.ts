import { createPublicKey, type KeyObject, verify as verifySignature } from 'node:crypto'
import { type Delivery, type Item, onlyHeader, type Source } from '#domain/source'
import { type RefusalReason, refuse, type Verification } from '#domain/verification'
import { contentType, mediaType, readJson } from './body.ts'
import { byId, toItem } from './draft.ts'
import { compileFields, FIELD_OPTIONS, type FieldOptions } from './fields.ts'
import { decodeStrict, findSigner, type SecretEncoding, secretKeys } from './hmac-signature.ts'
import { checkOptions, misconfigured } from './options.ts'
import { checkTimestamp, checkTolerance } from './timestamp.ts'

/** Options of kind `standard-webhooks`; secrets, public keys, or both. */
export interface StandardWebhooksOptions extends FieldOptions {
  /** `whsec_…` or the bare base64; symmetric (`v1`). */
  readonly secrets?: readonly string[]
  /** `utf8` for providers whose secret is taken verbatim (BigCommerce). */
  readonly secretEncoding?: Extract<SecretEncoding, 'utf8' | 'base64'>
  /** `whpk_…`: Ed25519 public keys; asymmetric (`v1a`). */
  readonly publicKeys?: readonly string[]
  /** How far the timestamp may lie from our clock, either way. */
  readonly toleranceMs?: number
}

const KIND = 'standard-webhooks'
/** The payload shape that the specification recommends: `{ type, timestamp, data }`. */
const CONVENTION: FieldOptions = { type: '/type', time: '/timestamp', subject: '/data/id' }

/**
 * Standard Webhooks, also under Svix's header names: Svix, Resend, Clerk, OpenAI, GitLab's signing token, Polar, …
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 * Id and timestamp are signed with the body, so the identity is proved too.
 */
export function standardWebhooks(options: StandardWebhooksOptions): Source {
  checkOptions(KIND, options, ['secrets', 'secretEncoding', 'publicKeys', 'toleranceMs', ...FIELD_OPTIONS])
  const { provider = KIND, nature = 'fact', secretEncoding = 'base64' } = options
  const publicKeys = (options.publicKeys ?? []).map(publicKey)
  const secrets = (options.secrets ?? []).map((text) =>
    secretEncoding === 'base64' && typeof text === 'string' ? text.replace(/^whsec_/, '') : text,
  )
  const keys = publicKeys.length > 0 && secrets.length === 0 ? [] : secretKeys(KIND, secrets, secretEncoding)
  const toleranceMs = checkTolerance(KIND, 'toleranceMs', options.toleranceMs)
  const fields = compileFields(KIND, { ...CONVENTION, ...options })

  function verify(delivery: Delivery, now: Date): Verification {
    const proof = readProof(delivery)
    if (typeof proof === 'string') return refuse(proof)
    const { id, timestamp, v1, v1a } = proof
    const signed = [`${id}.${timestamp}.`, delivery.body]
    const secretId = findSigner(keys, 'sha256', signed, v1) ?? findPublicKey(publicKeys, keys.length, signed, v1a)
    if (!secretId) return refuse('signature-invalid')
    const problem = checkTimestamp(timestamp, 's', now, toleranceMs)
    return problem ? refuse(problem) : { ok: true, authlevel: 'body', secretId }
  }

  function normalize(delivery: Delivery): Item {
    const read = readJson(delivery)
    if (!read.ok) return read
    const id = onlyHeader(delivery.headers, `${family(delivery)}id`)
    const { object, ...attributes } = fields.read(delivery, read.json)
    const datacontenttype = mediaType(contentType(delivery)) ?? 'application/json'
    return toItem({
      identity: byId(id),
      attributes: { id: id ?? '', source: provider, datacontenttype, ...attributes },
      nature,
      object,
      data: read.json.text,
    })
  }

  return {
    kind: KIND,
    limits: { methods: ['POST'], ackMs: 15_000 },
    verify: (delivery, { now }) => verify(delivery, now),
    normalize: (delivery) => [normalize(delivery)],
  }
}

const family = (delivery: Delivery): 'webhook-' | 'svix-' =>
  delivery.headers['webhook-signature'] ? 'webhook-' : 'svix-'

/** A rotation needs two or three; a header could hold a hundred, each of which costs an Ed25519 check. */
const MAX_SIGNATURES = 10

interface Proof {
  readonly id: string
  readonly timestamp: string
  readonly v1: readonly Buffer[]
  readonly v1a: readonly Buffer[]
}

function readProof(delivery: Delivery): Proof | RefusalReason {
  const prefix = family(delivery)
  const read = (name: string) => onlyHeader(delivery.headers, prefix + name)
  const [signature, id, timestamp] = [read('signature'), read('id'), read('timestamp')]
  if (signature === null || id === null || timestamp === null) return 'header-duplicated'
  if (signature === undefined) return 'signature-missing'
  if (!id) return 'id-missing'
  if (!timestamp) return 'timestamp-missing'
  const proof = { id, timestamp, v1: [] as Buffer[], v1a: [] as Buffer[] }
  for (const part of signature.split(' ', MAX_SIGNATURES)) {
    const comma = part.indexOf(',')
    const version = part.slice(0, comma)
    const bytes = decodeStrict(part.slice(comma + 1), 'base64')
    if (bytes && (version === 'v1' || version === 'v1a')) proof[version].push(bytes)
  }
  return proof.v1.length + proof.v1a.length === 0 ? 'signature-malformed' : proof
}

/** An Ed25519 key's SPKI wrapping, RFC 8410 §4: `node:crypto` takes no bare key. */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')

function publicKey(text: string, index: number): KeyObject {
  const bytes = typeof text === 'string' ? decodeStrict(text.replace(/^whpk_/, ''), 'base64') : undefined
  if (bytes?.length !== 32) {
    const remedy = 'Copy the key that begins with whpk_; it stands for 32 bytes.'
    throw misconfigured(KIND, `publicKeys[${index}]`, 'is no Ed25519 public key', remedy)
  }
  return createPublicKey({ key: Buffer.concat([ED25519_SPKI, bytes]), format: 'der', type: 'spki' })
}

/** @param before how many secrets are numbered before the first public key */
function findPublicKey(
  keys: readonly KeyObject[],
  before: number,
  signed: readonly (string | Uint8Array)[],
  signatures: readonly Uint8Array[],
): string | undefined {
  if (keys.length === 0 || signatures.length === 0) return undefined
  const bytes = Buffer.concat(signed.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
  const index = keys.findIndex((key) => signatures.some((signature) => verifySignature(null, bytes, key, signature)))
  return index < 0 ? undefined : String(before + index + 1)
}
