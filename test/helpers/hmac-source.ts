import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { type Delivery, onlyHeader, type Source } from '#domain/source'
import { refuse } from '#domain/verification'

export const SECRET = 'whsec_ein-sehr-geheimes-Wort'

export const sign = (body: string | Uint8Array, secret = SECRET): string =>
  createHmac('sha256', secret).update(body).digest('hex')

/** Signs a body as `hmacSource` wants it. */
export const signed = (body: string | Uint8Array, more: Readonly<Record<string, string>> = {}) => ({
  'x-signature': sign(body),
  'content-type': 'application/json',
  ...more,
})

/** A source of the test's own: HMAC over the raw bytes, one event per delivery, its id in `x-id` or the body's hash. */
export const hmacSource = (more: Partial<Source> = {}): Source => ({
  kind: 'test',
  verify({ headers, body }) {
    const given = onlyHeader(headers, 'x-signature')
    if (given === undefined) return refuse('signature-missing')
    if (given === null) return refuse('header-duplicated')
    const expected = Buffer.from(sign(body))
    const matches = expected.length === given.length && timingSafeEqual(expected, Buffer.from(given))
    return matches ? { ok: true, authlevel: 'body', secretId: '1' } : refuse('signature-invalid')
  },
  normalize: (delivery) => [{ ok: true, draft: draftOf(delivery) }],
  ...more,
})

function draftOf({ headers, body }: Delivery) {
  const id = headers['x-id']?.[0] ?? hash('sha256', body, 'hex')
  return {
    identity: { id },
    attributes: { id, source: '/shop', type: 'order.created', datacontenttype: 'application/octet-stream' },
    nature: 'fact' as const,
    dataBase64: Buffer.from(body).toString('base64'),
  }
}
