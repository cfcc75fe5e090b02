import '@shopify/shopify-api/adapters/node'
import { createHmac } from 'node:crypto'
import { ApiVersion, LogSeverity, shopifyApi } from '@shopify/shopify-api'
import { expect } from 'chai'
import { shopify } from '../../adapters/sources/shopify.ts'
import { verify } from '../helpers/deliveries.ts'
import { serve } from '../helpers/http-server.ts'

const secret = 'shpss_oracle'
const vendor = shopifyApi({
  apiKey: 'key',
  apiSecretKey: secret,
  apiVersion: ApiVersion.April26,
  hostName: 'gateway.example',
  isEmbeddedApp: false,
  logger: { level: LogSeverity.Error },
})
const source = shopify({ secrets: [secret] })

describe('oracle: @shopify/shopify-api', () => {
  const body = '{"id":820982911946154508,"note":"żółć"}'
  const sign = (text: string, key = secret) => createHmac('sha256', key).update(text).digest('base64')
  const headers = (prefix: string, signature: string) => ({
    [`${prefix}topic`]: 'orders/create',
    [`${prefix}shop-domain`]: 'shop1.myshopify.io',
    [`${prefix}api-version`]: '2026-04',
    [`${prefix}webhook-id`]: 'b54557e4',
    [`${prefix}event-id`]: '98880550',
    [`${prefix}hmac-sha256`]: signature,
  })
  let server: Awaited<ReturnType<typeof serve>>
  let rawBody: string

  before(async () => {
    // The library reads a real request, so it gets one.
    server = await serve(async (rawRequest, rawResponse) => {
      const { valid } = await vendor.webhooks.validate({ rawBody, rawRequest, rawResponse })
      rawResponse.end(JSON.stringify(valid))
    })
  })
  after(() => server.close())

  const vendorAccepts = async (text: string, sent: Record<string, string>): Promise<boolean> => {
    rawBody = text
    return (await (await fetch(server.url, { method: 'POST', headers: sent, body: text })).json()) as boolean
  }

  for (const prefix of ['x-shopify-', 'shopify-']) {
    it(`decides as the library does (${prefix}*)`, async () => {
      const good = sign(body)
      const cases: readonly [string, string, boolean][] = [
        [body, good, true],
        [`${body} `, good, false],
        [body, sign(body, 'shpss_other'), false],
        [body, good.slice(0, -1), false],
        [body, good.replace('=', ''), false],
        [body, `${good}=`, false],
        [body, good.toLowerCase(), false],
        [body, Buffer.from(good, 'base64').toString('hex'), false],
        [body, 'fake', false],
      ]
      for (const [text, signature, expected] of cases) {
        const sent = headers(prefix, signature)
        expect(await vendorAccepts(text, sent), `vendor: ${signature}`).to.equal(expected)
        expect((await verify(source, { body: text, headers: sent })).ok, signature).to.equal(expected)
      }
    })
  }

  it('reads the same family where both are there', async () => {
    const both = { ...headers('x-shopify-', 'fake'), ...headers('shopify-', sign(body)) }
    expect(await vendorAccepts(body, both)).to.equal(true)
    expect((await verify(source, { body, headers: both })).ok).to.equal(true)
  })
})
