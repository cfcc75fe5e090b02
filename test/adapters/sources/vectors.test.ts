import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import type { Source } from '#domain/source'
import { type HmacOptions, hmac } from '../../../adapters/sources/hmac.ts'
import { github, shopify, standardWebhooks, stripe } from '../../../adapters/sources/index.ts'
import { contextAt, deliver } from '../../helpers/deliveries.ts'

/**
 * Signature vectors: vendors' documentation and tests, other projects' tests, vendors' libraries; `source` and `kind` of
 * each say where it is from. `now` is in seconds.
 */
interface Vector {
  readonly provider: string
  readonly scheme: string
  readonly secret: string
  readonly headers: Readonly<Record<string, string>>
  readonly method: string
  readonly url: string
  readonly bodyBase64: string
  readonly now: number | null
  readonly expect: 'valid' | 'invalid'
  readonly note: string
}
const vectors = JSON.parse(
  readFileSync(new URL('../../fixtures/webhook-signatures.json', import.meta.url), 'utf8'),
) as readonly Vector[]

const generic =
  (options: Omit<HmacOptions, 'secrets' | 'identity'>) =>
  (secret: string): Source =>
    hmac({ ...options, secrets: [secret], identity: 'none' })
const slackLike = (prefix: string) =>
  generic({
    header: `${prefix}-signature`,
    prefix: 'v0=',
    template: 'v0:{timestamp}:{body}',
    timestamp: { from: `${prefix}-request-timestamp` },
  })
const listed = (header: string, toleranceMs = 300_000) =>
  generic({
    header,
    list: { separator: ',', signature: 'v1', timestamp: 't' },
    template: '{timestamp}.{body}',
    timestamp: { toleranceMs },
  })

/** How each provider's vectors are verified: by its own kind, or by `hmac` as a user would configure it. */
const CONFIGURED: Readonly<Record<string, (secret: string) => Source>> = {
  'github hmac-hex-prefix': (secret) => github({ secrets: [secret] }),
  'stripe t-v1': (secret) => stripe({ secrets: [secret] }),
  'shopify hmac-raw': (secret) => shopify({ secrets: [secret] }),
  'standard-webhooks standard': (secret) => standardWebhooks({ secrets: [secret] }),
  'svix standard': (secret) => standardWebhooks({ secrets: [secret] }),
  'gitlab standard': (secret) => standardWebhooks({ secrets: [secret] }),
  'bigcommerce standard': (secret) => standardWebhooks({ secrets: [secret], secretEncoding: 'utf8' }),
  'bitbucket hmac-hex-prefix': generic({ header: 'X-Hub-Signature', prefix: 'sha256=' }),
  'jira hmac-hex-prefix': generic({ header: 'X-Hub-Signature', prefix: 'sha256=' }),
  'meta hmac-hex-prefix': generic({ header: 'X-Hub-Signature-256', prefix: 'sha256=' }),
  'mollie hmac-hex-prefix': generic({ header: 'X-Mollie-Signature', prefix: 'sha256=', repeated: true }),
  'intercom hmac-hex-prefix': generic({ header: 'X-Hub-Signature', prefix: 'sha1=', algorithm: 'sha1' }),
  'vercel hmac-raw': generic({ header: 'X-Vercel-Signature', algorithm: 'sha1' }),
  'razorpay hmac-raw': generic({ header: 'X-Razorpay-Signature' }),
  'linear hmac-raw': generic({
    header: 'Linear-Signature',
    timestamp: { from: '/webhookTimestamp', unit: 'ms', toleranceMs: 60_000 },
  }),
  'klarna klarna': generic({ header: 'Klarna-Signature' }),
  'woocommerce hmac-raw': generic({ header: 'X-WC-Webhook-Signature', encoding: 'base64' }),
  'docusign hmac-raw': generic({
    header: ['X-DocuSign-Signature-1', 'X-DocuSign-Signature-2'],
    encoding: 'base64',
  }),
  'typeform hmac-raw': generic({ header: 'Typeform-Signature', prefix: 'sha256=', encoding: 'base64' }),
  'adyen adyen-header': generic({ header: 'HmacSignature', encoding: 'base64', secretEncoding: 'hex' }),
  'square square': generic({
    header: 'x-square-hmacsha256-signature',
    encoding: 'base64',
    template: '{url}{body}',
  }),
  'zendesk zendesk': generic({
    header: 'X-Zendesk-Webhook-Signature',
    encoding: 'base64',
    template: '{timestamp}{body}',
    timestamp: { from: 'X-Zendesk-Webhook-Signature-Timestamp', unit: 'rfc3339' },
  }),
  'slack slack': slackLike('x-slack'),
  'zoom slack': slackLike('x-zm'),
  'calendly t-v1': listed('Calendly-Webhook-Signature', 180_000),
  'mux t-v1': listed('Mux-Signature'),
  'paddle t-v1': generic({
    header: 'Paddle-Signature',
    list: { separator: ';', signature: 'h1', timestamp: 'ts' },
    template: '{timestamp}:{body}',
    timestamp: {},
  }),
  'pagerduty pagerduty': generic({
    header: 'X-PagerDuty-Signature',
    list: { separator: ',', signature: 'v1' },
  }),
}

/** Not expressible by a configured HMAC over the body; each needs a kind of its own. */
const NOT_COVERED: Readonly<Record<string, { vectors: number; why: string }>> = {
  'twilio twilio': { vectors: 17, why: 'signs the URL with sorted form parameters, in four spellings of the URL' },
  'sendgrid sendgrid': { vectors: 7, why: 'ECDSA, not HMAC' },
  'adyen adyen-item': { vectors: 5, why: 'a signature inside each item, over eight of its fields' },
  'hubspot hubspot': { vectors: 6, why: 'v1 and v2 are plain hashes, v3 decodes parts of the URL first' },
  'paypal paypal': { vectors: 5, why: 'RSA over the CRC-32 of the body, with a certificate to fetch' },
  'braintree braintree': { vectors: 3, why: 'a signature among the form fields, key hashed first' },
  'contentful contentful': { vectors: 3, why: 'signs a canonical request with chosen headers' },
  'mailgun mailgun': { vectors: 2, why: 'a signature inside the body, over a token' },
  'gitlab token': { vectors: 1, why: 'a shared token, no signature' },
  'aws-sns sns': { vectors: 7, why: 'RSA over sorted fields, with a certificate to fetch' },
}

describe('signature vectors', () => {
  const schemeOf = ({ provider, scheme }: Vector) => `${provider} ${scheme}`
  const covered = vectors.filter((vector) => CONFIGURED[schemeOf(vector)])

  for (const [index, vector] of vectors.entries()) {
    const make = CONFIGURED[schemeOf(vector)]
    if (!make) continue
    it(`#${index} ${vector.provider}: ${vector.expect}${vector.note ? ` (${vector.note})` : ''}`, async () => {
      const { method, url, headers } = vector
      const delivery = deliver({ method, url, headers, body: Buffer.from(vector.bodyBase64, 'base64') })
      const now = new Date((vector.now ?? 1_700_000_000) * 1_000)
      const result = await make(vector.secret).verify(delivery, contextAt(now))
      expect(result.ok, JSON.stringify(result)).to.equal(vector.expect === 'valid')
    })
  }

  it('covers 71 of 127, and says of every other one why not', () => {
    const counts = new Map<string, number>()
    for (const vector of vectors) {
      if (!CONFIGURED[schemeOf(vector)]) counts.set(schemeOf(vector), (counts.get(schemeOf(vector)) ?? 0) + 1)
    }
    expect(Object.fromEntries(counts)).to.deep.equal(
      Object.fromEntries(Object.entries(NOT_COVERED).map(([name, { vectors: count }]) => [name, count])),
    )
    expect([covered.length, vectors.length]).to.deep.equal([71, 127])
  })
})
