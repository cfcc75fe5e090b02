import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { sources } from '../../adapters/sources/index.ts'
import { KINDS, makeDelivery } from '../../bin/signing/delivery.ts'
import { findTimestamp } from '../../bin/verify/clock.ts'
import { fromParts } from '../../bin/verify/request.ts'
import { GITHUB, hmac, type Recipe, shopify, standardWebhooks, stripe } from '../../testing/signing/recipe.ts'
import { secretBytes, signatureHeaders } from '../../testing/signing/sign.ts'
import { contextAt, deliver } from '../helpers/deliveries.ts'

interface Vector {
  readonly provider: string
  readonly scheme: string
  readonly secret: string
  readonly headers: Readonly<Record<string, string>>
  readonly method: string
  readonly url: string
  readonly bodyBase64: string
  readonly expect: 'valid' | 'invalid'
  readonly note: string
}
const vectors = JSON.parse(
  readFileSync(new URL('../fixtures/webhook-signatures.json', import.meta.url), 'utf8'),
) as readonly Vector[]

const listed = (header: string, separator: string, signature: string, template: string, timestamp?: string): Recipe =>
  hmac({ list: { separator, signature, ...(timestamp ? { timestamp } : {}) }, template }, header)
const timed = (prefix: string): Recipe =>
  hmac(
    { prefix: 'v0=', template: 'v0:{timestamp}:{body}', timestamp: { from: `${prefix}-request-timestamp` } },
    `${prefix}-signature`,
  )

/** How the vendors' vectors are signed, in our words. */
const RECIPES: Readonly<Record<string, Recipe>> = {
  'github hmac-hex-prefix': GITHUB,
  'stripe t-v1': stripe(),
  'shopify hmac-raw': shopify('x-shopify-'),
  'standard-webhooks standard': standardWebhooks('webhook-'),
  'svix standard': standardWebhooks('svix-'),
  'gitlab standard': standardWebhooks('webhook-'),
  'bigcommerce standard': standardWebhooks('webhook-', 'utf8'),
  'intercom hmac-hex-prefix': hmac({ prefix: 'sha1=', algorithm: 'sha1' }, 'x-hub-signature'),
  'vercel hmac-raw': hmac({ algorithm: 'sha1' }, 'x-vercel-signature'),
  'razorpay hmac-raw': hmac({}, 'x-razorpay-signature'),
  'woocommerce hmac-raw': hmac({ encoding: 'base64' }, 'x-wc-webhook-signature'),
  'typeform hmac-raw': hmac({ prefix: 'sha256=', encoding: 'base64' }, 'typeform-signature'),
  'adyen adyen-header': hmac({ encoding: 'base64', secretEncoding: 'hex' }, 'hmacsignature'),
  'square square': hmac({ encoding: 'base64', template: '{url}{body}' }, 'x-square-hmacsha256-signature'),
  'slack slack': timed('x-slack'),
  'zoom slack': timed('x-zm'),
  'calendly t-v1': listed('calendly-webhook-signature', ',', 'v1', '{timestamp}.{body}', 't'),
  'mux t-v1': listed('mux-signature', ',', 'v1', '{timestamp}.{body}', 't'),
  'paddle t-v1': listed('paddle-signature', ';', 'h1', '{timestamp}:{body}', 'ts'),
  'pagerduty pagerduty': listed('x-pagerduty-signature', ',', 'v1', '{body}'),
}

/** Signs what a vector's headers say, and finds our signature among the vendor's. */
function check({ provider, scheme, secret, headers, method, url, bodyBase64 }: Vector) {
  const recipe = RECIPES[`${provider} ${scheme}`]
  const key = recipe && secretBytes(secret, recipe.secret)
  if (!recipe || !key) throw new Error(`no recipe for ${provider} ${scheme}`)
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value]]))
  const recorded = fromParts(lower, Buffer.from(bodyBase64, 'base64'), url)
  const timestamp = findTimestamp(recipe, recorded) ?? ''
  const id = (recipe.id && lower.get(recipe.id)?.[0]) ?? ''
  const made = signatureHeaders(recipe, key, { body: recorded.body, method, url, timestamp, id })[recipe.header] ?? ''
  const ours = made.split(recipe.list?.separator ?? '\n').at(-1) ?? ''
  return { ours, theirs: lower.get(recipe.header)?.[0] ?? '' }
}

describe('the signatures of sluice send', () => {
  const valid = vectors.filter((each) => each.expect === 'valid' && RECIPES[`${each.provider} ${each.scheme}`])

  it('has a vector for each recipe', () => {
    expect(new Set(valid.map(({ provider, scheme }) => `${provider} ${scheme}`))).to.have.keys(Object.keys(RECIPES))
  })

  for (const vector of valid) {
    it(`is the one of ${vector.provider}'s vector${vector.note ? ` (${vector.note})` : ''}`, () => {
      const { ours, theirs } = check(vector)
      expect(ours).to.have.length.above(20)
      expect(theirs).to.include(ours)
    })
  }

  it('is of each kind what the code that verifies takes, at any moment and with any secret', async () => {
    const secrets = {
      github: 'ä secret',
      stripe: 'whsec_plain',
      shopify: 's',
      'standard-webhooks': 'whsec_c2VjcmV0IHNlY3JldA==',
      hmac: '00ff',
    }
    const hmacOptions = {
      header: ['X-One', 'X-Two'],
      secretEncoding: 'hex',
      template: '{id}.{timestamp}.{method}.{url}.{body}',
      signedId: 'X-Id',
      timestamp: { from: '/sent/at', unit: 'ms' },
      algorithm: 'sha512',
      encoding: 'base64url',
      id: 'X-Id',
    }
    const at = new Date('2026-03-01T12:00:00.123Z')
    for (const [kind, secret] of Object.entries(secrets)) {
      const options = kind === 'hmac' ? hmacOptions : {}
      const url = 'https://gateway.example/webhooks/x?y=z'
      const { headers, body } = makeDelivery({ kind, secret, url, id: 'evt_1', at, options })
      const factory = sources[kind as keyof typeof sources] as (options: object) => ReturnType<typeof sources.github>
      const source = factory({ ...options, secrets: [secret] })
      const verification = await source.verify(deliver({ headers, body, url, receivedAt: at }), contextAt(at))
      expect(verification, kind).to.include({ ok: true, authlevel: 'body' })
    }
  })

  it('makes an example of every kind that normalizes to one event', async () => {
    const least: Readonly<Record<string, object>> = {
      hmac: { header: 'x', id: '/id' },
      'event-mesh': { queue: 'q', auth: { kind: 'none' } },
      'advanced-event-mesh': { queue: 'q', auth: { kind: 'none' }, topicHeader: 'X-Topic' },
      http: { path: 'orders', auth: { kind: 'none' } },
    }
    for (const kind of KINDS) {
      const options = { ...(least[kind] ?? (kind.match(/event/) ? { auth: { kind: 'none' } } : {})) }
      const secret = kind === 'standard-webhooks' ? 'c2VjcmV0' : 'secret'
      const { headers, body } = makeDelivery({ kind, secret, url: 'https://x/y', id: 'id-1', at: new Date(), options })
      const factory = sources[kind as keyof typeof sources] as (options: object) => ReturnType<typeof sources.github>
      const signed = ['github', 'stripe', 'shopify', 'standard-webhooks', 'hmac'].includes(kind)
      const source = factory({ ...options, ...(signed ? { secrets: [secret] } : {}) })
      const items = await source.normalize(deliver({ headers, body }), { ok: true, authlevel: 'body' })
      expect(items, kind).to.have.length(1)
      expect(items[0], kind).to.have.property('ok', true)
    }
  })
})
