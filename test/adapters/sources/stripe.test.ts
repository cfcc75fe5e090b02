import { createHmac } from 'node:crypto'
import { expect } from 'chai'
import { stripe } from '../../../adapters/sources/stripe.ts'
import { bytes, draftOf, NOW, normalize, seconds, verify } from '../../helpers/deliveries.ts'
import { signedSourceSuite } from '../../suites/source.suite.ts'

const hex = (secret: string, t: string, body: Uint8Array) =>
  createHmac('sha256', secret).update(`${t}.`).update(body).digest('hex')

signedSourceSuite('stripe', {
  make: (secrets) => stripe({ secrets }),
  secrets: ['whsec_current', 'whsec_next', 'whsec_foreign'],
  sign: (body, secret, at) => ({ 'stripe-signature': `t=${seconds(at)},v1=${hex(secret, seconds(at), body)}` }),
  header: 'stripe-signature',
  body: '{"id":"evt_1","object":"event","type":"charge.succeeded","created":1772366400,"data":{"object":{"id":"ch_1","object":"charge"}}}',
  timestamped: true,
})

describe('stripe', () => {
  const source = stripe({ secrets: ['whsec_s'] })
  const body =
    '{"id":"evt_1","object":"event","account":"acct_1","created":1772366400,"pending_webhooks":2,' +
    '"type":"payment_intent.succeeded","data": {"object": {"id":"pi_1","object":"payment_intent","amount":9007199254740993}} }'

  it('reads a snapshot event: canonical type, object, lane, time; data is its data member, to the letter', () => {
    const draft = draftOf(source, { body })
    expect(draft).to.deep.equal({
      identity: { id: 'evt_1' },
      attributes: {
        id: 'evt_1',
        source: 'https://api.stripe.com/v1/accounts/acct_1',
        type: 'payment.succeeded.v1',
        providertype: 'payment_intent.succeeded',
        subject: 'pi_1',
        time: '2026-03-01T12:00:00.000Z',
        datacontenttype: 'application/json',
        partitionkey: 'PaymentIntent/pi_1',
      },
      nature: 'fact',
      object: { type: 'PaymentIntent', key: 'pi_1' },
      data: '{"object": {"id":"pi_1","object":"payment_intent","amount":9007199254740993}}',
    })
  })

  it('makes the same event of a retry whose envelope counts fewer pending webhooks', () => {
    const retry = body.replace('"pending_webhooks":2', '"pending_webhooks":1')
    expect(draftOf(source, { body: retry })).to.deep.equal(draftOf(source, { body }))
  })

  it('keeps two facts about one payment apart', () => {
    const charge = body.replace('evt_1', 'evt_2').replace('payment_intent.succeeded', 'charge.succeeded')
    const [intent, other] = [draftOf(source, { body }), draftOf(source, { body: charge })]
    expect(other.identity).to.not.deep.equal(intent.identity)
    expect(other.attributes.type).to.equal('stripe.charge.succeeded')
  })

  it('reads a thin event by its related object, whole', () => {
    const thin =
      '{"id":"evt_t","object":"v2.core.event","type":"v2.core.account.updated","created":"2026-03-01T12:00:00.000Z",' +
      '"related_object":{"id":"acct_9","type":"v2.core.account","url":"/v2/core/accounts/acct_9"},"data":{"changed":["a"]}}'
    const { attributes, data } = draftOf(source, { body: thin })
    expect(attributes).to.include({
      type: 'stripe.v2.core.account.updated',
      partitionkey: 'V2CoreAccount/acct_9',
      time: '2026-03-01T12:00:00.000Z',
    })
    expect(data).to.equal(thin)
  })

  it('takes an event whose object has no id', () => {
    const balance = '{"id":"evt_b","object":"event","type":"balance.available","data":{"object":{"object":"balance"}}}'
    expect(draftOf(source, { body: balance }).attributes).to.not.have.property('partitionkey')
  })

  it('quarantines an event without id', () => {
    expect(normalize(source, { body: '{"object":"event","type":"a"}' })).to.deep.equal([
      { ok: false, reason: 'attribute-missing', detail: 'id' },
    ])
  })

  it('has no time rather than a wrong one', () => {
    for (const created of ['1e300', '-1', 'null', '"soon"']) {
      const odd = body.replace('1772366400', created)
      expect(draftOf(source, { body: odd }).attributes, created).to.not.have.property('time')
    }
  })

  describe('signature header', () => {
    const t = seconds(NOW)
    const good = hex('whsec_s', t, bytes(body))
    const reasonOf = async (header: string) => {
      const result = await verify(source, { body, headers: { 'stripe-signature': header } })
      return result.ok === false ? result.reason : result.ok
    }

    it('reads by key, in any order, with unknown keys and several v1', async () => {
      expect(await reasonOf(`v1=${good},t=${t}`)).to.equal(true)
      expect(await reasonOf(`t=${t}, v1=${'0'.repeat(64)}, v1=${good}`)).to.equal(true)
      expect(await reasonOf(`x=1,t=${t},v1=nonsense,v1=${good},v0=ff`)).to.equal(true)
    })

    it('ignores v0 alone', async () => {
      expect(await reasonOf(`t=${t},v0=${good}`)).to.equal('signature-malformed')
    })

    it('wants exactly one timestamp, in digits', async () => {
      expect(await reasonOf(`v1=${good}`)).to.equal('timestamp-missing')
      expect(await reasonOf(`t=${t},t=1,v1=${good}`)).to.equal('timestamp-malformed')
      for (const odd of ['Infinity', `+${t}`, `${t}.0`, '0x10', '-1', '', `${t} 1`]) {
        const signed = hex('whsec_s', odd.trim(), bytes(body))
        expect(await reasonOf(`t=${odd},v1=${signed}`), odd).to.equal('timestamp-malformed')
      }
    })
  })

  it('refuses a tolerance that is none', () => {
    for (const toleranceMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => stripe({ secrets: ['s'], toleranceMs })).to.throw(/toleranceMs/)
    }
  })

  it('refuses an option it does not know', () => {
    expect(() => stripe({ secrets: ['s'], tolerancems: 1 } as never)).to.throw(/"tolerancems" is not known/)
  })
})
