import { expect } from 'chai'
import fc from 'fast-check'
import Stripe from 'stripe'
import { stripe } from '../../adapters/sources/stripe.ts'
import { draftOf, NOW, verify } from '../helpers/deliveries.ts'

const secret = 'whsec_oracle'
const vendor = new Stripe('sk_test_none')
const source = stripe({ secrets: [secret] })
const t = Math.floor(NOW.getTime() / 1_000)

/** Whatever the library throws is a refusal: on some malformed headers it is a plain `Error`. */
const vendorAccepts = (payload: string, header: string, now = NOW): boolean => {
  try {
    vendor.webhooks.constructEvent(payload, header, secret, 300, undefined, now.getTime())
    return true
  } catch {
    return false
  }
}
const weAccept = async (body: string, header: string, now = NOW): Promise<boolean> =>
  (await verify(source, { body, headers: { 'stripe-signature': header } }, now)).ok === true

const event = fc.record({
  id: fc.uuid().map((id) => `evt_${id}`),
  object: fc.constant('event'),
  type: fc.constantFrom('payment_intent.succeeded', 'charge.refunded', 'novel.thing'),
  created: fc.nat(),
  data: fc.record({ object: fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()) }),
})

describe('oracle: stripe', () => {
  it("accepts what Stripe's own library signs, and makes an event of it", async () => {
    await fc.assert(
      fc.asyncProperty(event, async (payload) => {
        const body = JSON.stringify(payload)
        const header = vendor.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: t })
        expect(await weAccept(body, header)).to.equal(true)
        expect(draftOf(source, { body }).identity).to.deep.equal({ id: payload.id })
      }),
      { numRuns: 50 },
    )
  })

  it('refuses whatever the library refuses, and what it accepts we accept, except timestamps from the future', async () => {
    const body = '{"id":"evt_1","object":"event","type":"a"}'
    const sign = (timestamp: number, key = secret) =>
      vendor.webhooks.generateTestHeaderString({ payload: body, secret: key, timestamp })
    const good = sign(t)
    const cases: readonly [string, string][] = [
      ['good', good],
      ['another secret', sign(t, 'whsec_other')],
      ['299 s old', sign(t - 299)],
      ['300 s old', sign(t - 300)],
      ['301 s old', sign(t - 301)],
      ['300 s ahead', sign(t + 300)],
      ['empty', ''],
      ['no v1', good.replace('v1=', 'v2=')],
      ['v0', good.replace('v1=', 'v0=')],
      ['no t', good.replace(/t=\d+,/, '')],
      ['empty t', good.replace(/t=\d+/, 't=')],
      ['cut', good.slice(0, -1)],
      ['longer', `${good}0`],
      ['two v1, the second good', good.replace('v1=', `v1=${'0'.repeat(64)},v1=`)],
      ['other order', good.split(',').reverse().join(',')],
    ]
    for (const [name, header] of cases) {
      expect(await weAccept(body, header), name).to.equal(vendorAccepts(body, header))
    }
    const ahead = sign(t + 301)
    expect([vendorAccepts(body, ahead), await weAccept(body, ahead)]).to.deep.equal([true, false])
  })

  it('refuses any change of body or header that the library refuses', async () => {
    const body = '{"id":"evt_1","object":"event","type":"a"}'
    const header = vendor.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: t })
    await fc.assert(
      fc.asyncProperty(fc.nat(header.length - 1), fc.constantFrom('0', 'f', 'z', ',', '=', ' '), async (at, letter) => {
        const changed = header.slice(0, at) + letter + header.slice(at + 1)
        if (!vendorAccepts(body, changed)) expect(await weAccept(body, changed), changed).to.equal(false)
      }),
      { numRuns: 300 },
    )
  })
})
