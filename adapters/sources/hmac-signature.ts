import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import { type Delivery, onlyHeader } from '#domain/source'
import { refuse, type Verification } from '#domain/verification'
import { misconfigured } from './options.ts'

export type Algorithm = 'sha1' | 'sha256' | 'sha384' | 'sha512'
export type SignatureEncoding = 'hex' | 'base64' | 'base64url'
export type SecretEncoding = 'utf8' | 'hex' | 'base64'

const DIGEST_BYTES: Readonly<Record<Algorithm, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 }

/** The bytes of a text that is wholly and canonically encoded. Node's decoder stops at the first odd character. */
export function decodeStrict(text: string, encoding: SignatureEncoding): Buffer | undefined {
  const bytes = Buffer.from(text, encoding)
  if (bytes.length === 0) return undefined
  const canonical = bytes.toString(encoding)
  if (canonical === text) return bytes
  if (encoding === 'hex') return canonical === text.toLowerCase() ? bytes : undefined
  return encoding === 'base64url' && canonical.padEnd(Math.ceil(canonical.length / 4) * 4, '=') === text
    ? bytes
    : undefined
}

/**
 * Keys from configured secrets, in order: several make a rotation.
 * @throws SluiceError `configuration` for an empty list, an empty secret, or one that is not in its encoding
 */
export function secretKeys(
  kind: string,
  secrets: readonly string[],
  encoding: SecretEncoding = 'utf8',
): readonly KeyObject[] {
  if (!Array.isArray(secrets) || secrets.length === 0) {
    throw misconfigured(kind, 'secrets', 'is empty', 'List the signing secret the provider shows, e.g. ["env:NAME"].')
  }
  return secrets.map((secret: unknown, index) => {
    const option = `secrets[${index}]`
    if (typeof secret !== 'string' || secret.trim() === '') {
      throw misconfigured(kind, option, 'is empty', 'Set the variable or binding it is read from.')
    }
    if (secret.trim() !== secret) {
      throw misconfigured(kind, option, 'begins or ends with white space', 'Remove it; often it is a line break.')
    }
    const bytes = encoding === 'utf8' ? Buffer.from(secret) : decodeStrict(secret, encoding)
    if (!bytes) throw misconfigured(kind, option, `is not ${encoding}`, 'Copy the secret again from the provider.')
    return createSecretKey(bytes)
  })
}

/** A signature's bytes; undefined where the text is malformed, truncated or of another algorithm's length. */
export function decodeSignature(text: string, encoding: SignatureEncoding, algorithm: Algorithm): Buffer | undefined {
  const bytes = decodeStrict(text, encoding)
  return bytes?.length === DIGEST_BYTES[algorithm] ? bytes : undefined
}

/** Which key made one of the signatures over the parts, as `1`, `2`, …; undefined where none did. */
export function findSigner(
  keys: readonly KeyObject[],
  algorithm: Algorithm,
  parts: readonly (string | Uint8Array)[],
  signatures: readonly Uint8Array[],
): string | undefined {
  for (const [index, key] of keys.entries()) {
    const hmac = createHmac(algorithm, key)
    for (const part of parts) hmac.update(part)
    const digest = hmac.digest()
    for (const signature of signatures) {
      if (signature.length === digest.length && timingSafeEqual(signature, digest)) return String(index + 1)
    }
  }
  return undefined
}

/** The commonest scheme: one header holds `<prefix><HMAC-SHA256 of the body>`. */
export function verifyBody(
  delivery: Delivery,
  keys: readonly KeyObject[],
  scheme: { header: string; prefix?: string; encoding: SignatureEncoding },
): Verification {
  const header = onlyHeader(delivery.headers, scheme.header)
  if (header === null) return refuse('header-duplicated')
  if (header === undefined) return refuse('signature-missing')
  const prefix = scheme.prefix ?? ''
  if (!header.startsWith(prefix)) return refuse('signature-malformed')
  const signature = decodeSignature(header.slice(prefix.length), scheme.encoding, 'sha256')
  if (!signature) return refuse('signature-malformed')
  const secretId = findSigner(keys, 'sha256', [delivery.body], [signature])
  return secretId ? { ok: true, authlevel: 'body', secretId } : refuse('signature-invalid')
}

/**
 * Reads `t=…,v1=…,v1=…`: by key, in any order, each key any number of times.
 * @returns the values of each key; a part without `=` has no key and is left out
 */
export function readSignatureList(header: string, separator: string): Map<string, string[]> {
  const list = new Map<string, string[]>()
  for (const part of header.split(separator)) {
    const equals = part.indexOf('=')
    if (equals < 1) continue
    const key = part.slice(0, equals).trim()
    const value = part.slice(equals + 1).trim()
    const values = list.get(key)
    if (values) values.push(value)
    else list.set(key, [value])
  }
  return list
}
