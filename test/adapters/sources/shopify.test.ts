import { createHmac } from 'node:crypto'
import { expect } from 'chai'
import { shopify } from '../../../adapters/sources/shopify.ts'
import { draftOf, normalize, verify } from '../../helpers/deliveries.ts'
import { signedSourceSuite } from '../../suites/source.suite.ts'

const base64 = (secret: string, body: Uint8Array | string) => createHmac('sha256', secret).update(body).digest('base64')
const headers = {
  'x-shopify-topic': 'orders/create',
  'x-shopify-shop-domain': 'shop1.myshopify.io',
  'x-shopify-event-id': '98880550-7158-44d4-b7cd-2c97c8a091b5',
  'x-shopify-webhook-id': 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043',
  'x-shopify-triggered-at': '2026-03-01T11:59:58.123456789Z',
}
const body =
  '{"id":820982911946154508,"admin_graphql_api_id":"gid://shopify/Order/820982911946154508",' +
  '"updated_at":"2026-03-01T06:59:58-05:00","total_price":"10.00"}'

for (const prefix of ['x-shopify-', 'shopify-']) {
  signedSourceSuite(`shopify (${prefix}*)`, {
    make: (secrets) => shopify({ secrets }),
    secrets: ['shpss_current', 'shpss_next', 'shpss_foreign'],
    sign: (raw, secret) => ({ [`${prefix}hmac-sha256`]: base64(secret, raw) }),
    header: `${prefix}hmac-sha256`,
    body,
    extra: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.replace('x-shopify-', prefix), value]),
    ),
    timestamped: false,
  })
}

describe('shopify', () => {
  const source = shopify({ secrets: ['s'] })

  it('reads an order: identity of event id and topic, 18 digit key, lane, version, time', () => {
    expect(draftOf(source, { headers, body })).to.deep.equal({
      identity: { id: '98880550-7158-44d4-b7cd-2c97c8a091b5:orders/create' },
      attributes: {
        id: '98880550-7158-44d4-b7cd-2c97c8a091b5:orders/create',
        source: 'https://shop1.myshopify.io',
        type: 'commerce.order.created.v1',
        providertype: 'orders/create',
        subject: '820982911946154508',
        time: '2026-03-01T11:59:58.123456789Z',
        datacontenttype: 'application/json',
        partitionkey: 'Order/820982911946154508',
      },
      nature: 'fact',
      object: { type: 'Order', key: '820982911946154508', version: '2026-03-01T06:59:58-05:00' },
      data: body,
    })
  })

  it('keeps two topics of one merchant action apart', () => {
    const paid = draftOf(source, { headers: { ...headers, 'x-shopify-topic': 'orders/paid' }, body })
    expect(paid.identity).to.not.deep.equal(draftOf(source, { headers, body }).identity)
    expect(paid.object).to.deep.equal(draftOf(source, { headers, body }).object)
  })

  it('falls back to the webhook id, then to quarantine', () => {
    const { 'x-shopify-event-id': _, ...older } = headers
    expect(draftOf(source, { headers: older, body }).identity).to.deep.equal({
      id: 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043:orders/create',
    })
    const { 'x-shopify-webhook-id': __, ...none } = older
    expect(normalize(source, { headers: none, body })).to.have.nested.property('[0].reason', 'attribute-missing')
  })

  it('takes an id without a graphql id, exactly, and its type from the topic', () => {
    const deleted = draftOf(source, {
      headers: { ...headers, 'x-shopify-topic': 'draft_orders/delete' },
      body: '{"id":820982911946154509}',
    })
    expect(deleted.object).to.deep.equal({ type: 'DraftOrder', key: '820982911946154509' })
    expect(deleted.attributes.type).to.equal('shopify.draft_orders/delete')
  })

  it('takes only full copies of a changed record for states', () => {
    const natureOf = (topic: string) =>
      draftOf(source, { headers: { ...headers, 'x-shopify-topic': topic }, body }).nature
    expect(['orders/updated', 'products/update', 'inventory_levels/update'].map(natureOf)).to.deep.equal([
      'state',
      'state',
      'state',
    ])
    expect(['orders/create', 'orders/paid', 'orders/cancelled', 'refunds/create'].map(natureOf)).to.deep.equal([
      'fact',
      'fact',
      'fact',
      'fact',
    ])
  })

  it('reads the newer header family where both are there, as the vendor does', async () => {
    const both = { ...headers, 'x-shopify-hmac-sha256': base64('x', body), 'shopify-hmac-sha256': base64('s', body) }
    expect(await verify(source, { headers: both, body })).to.include({ ok: true })
  })
})
