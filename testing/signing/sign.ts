import { createHmac } from 'node:crypto'
import type { Recipe, SecretForm } from './recipe.ts'

/** What goes into a signature. */
export interface Signed {
  readonly body: Uint8Array
  readonly timestamp: string
  readonly id: string
  readonly method: string
  readonly url: string
}

/** A secret's bytes; undefined where the text is not in that form. */
export function secretBytes(secret: string, form: SecretForm): Buffer | undefined {
  if (form === 'utf8') return Buffer.from(secret)
  if (form === 'hex') return /^([0-9a-f]{2})+$/i.test(secret) ? Buffer.from(secret, 'hex') : undefined
  const text = form === 'whsec' ? secret.replace(/^whsec_/, '') : secret
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0 ? Buffer.from(text, 'base64') : undefined
}

export function digest(algorithm: string, key: Uint8Array, template: string, signed: Signed): Buffer {
  const hmac = createHmac(algorithm, key)
  for (const part of template.split(/(\{(?:body|timestamp|id|method|url)\})/)) {
    const name = /^\{(\w+)\}$/.exec(part)?.[1]
    hmac.update(name === undefined ? part : signed[name as keyof Signed])
  }
  return hmac.digest()
}

export function timestampAt(at: Date, unit: 's' | 'ms' | 'rfc3339'): string {
  if (unit === 'rfc3339') return at.toISOString()
  return String(unit === 's' ? Math.floor(at.getTime() / 1_000) : at.getTime())
}

/** The headers that prove a delivery. */
export function signatureHeaders(recipe: Recipe, key: Uint8Array, signed: Signed): Record<string, string> {
  const { header, prefix, algorithm, encoding, template, list, timestamp, id } = recipe
  const signature = prefix + digest(algorithm, key, template, signed).toString(encoding)
  const parts = list && [
    ...(list.timestamp ? [`${list.timestamp}${list.assign}${signed.timestamp}`] : []),
    `${list.signature}${list.assign}${signature}`,
  ]
  return {
    [header]: parts ? parts.join(list?.separator ?? ',') : signature,
    ...(timestamp?.from && !timestamp.from.startsWith('/') ? { [timestamp.from]: signed.timestamp } : {}),
    ...(id ? { [id]: signed.id } : {}),
  }
}
