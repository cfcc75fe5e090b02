import { expect } from 'chai'
import fc from 'fast-check'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'
import { standardWebhooks } from '../../adapters/sources/standard-webhooks.ts'
import { seconds, verify } from '../helpers/deliveries.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const vendor = new Webhook(secret)
const source = standardWebhooks({ secrets: [secret] })

const headersOf = (id: string, at: Date, signature: string) => ({
  'webhook-id': id,
  'webhook-timestamp': seconds(at),
  'webhook-signature': signature,
})
const vendorAccepts = (body: string, headers: Record<string, string>): boolean => {
  try {
    vendor.verify(body, headers)
    return true
  } catch (thrown) {
    if (thrown instanceof WebhookVerificationError) return false
    throw thrown
  }
}
/** The library knows no clock but the machine's, so ours is the same here. */
const weAccept = async (body: string, headers: Record<string, string>, now: Date): Promise<boolean> =>
  (await verify(source, { body, headers }, now)).ok === true

describe('oracle: standardwebhooks', () => {
  it('accepts what the library signs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uuid(), fc.jsonValue(), async (id, value) => {
        const [now, body] = [new Date(), JSON.stringify(value)]
        const headers = headersOf(id, now, vendor.sign(id, now, body))
        expect(vendorAccepts(body, headers)).to.equal(true)
        expect(await weAccept(body, headers, now)).to.equal(true)
      }),
      { numRuns: 50 },
    )
  })

  it('decides as the library does', async () => {
    const [now, body] = [new Date(), '{"type":"a"}']
    const at = (ms: number) => new Date(now.getTime() + ms)
    const good = vendor.sign('msg_1', now, body)
    const foreign = new Webhook('whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA').sign('msg_1', now, body)
    const cases: readonly Record<string, string>[] = [
      headersOf('msg_1', now, good),
      headersOf('msg_2', now, good),
      headersOf('msg_1', at(-5_000), good),
      headersOf('msg_1', now, foreign),
      headersOf('msg_1', now, `${foreign} ${good}`),
      headersOf('msg_1', now, `v2,abc v1a,AAAA ${good}`),
      headersOf('msg_1', now, good.replace('v1,', 'v2,')),
      headersOf('msg_1', now, good.slice(0, -1)),
      headersOf('msg_1', now, 'v1,'),
      headersOf('msg_1', now, ''),
      headersOf('', now, good),
      ...[-290_000, 290_000, -310_000, 310_000].map((ms) => headersOf('m', at(ms), vendor.sign('m', at(ms), body))),
      { ...headersOf('msg_1', now, good), 'webhook-timestamp': 'hello' },
    ]
    for (const headers of cases) {
      expect(await weAccept(body, headers, now), JSON.stringify(headers)).to.equal(vendorAccepts(body, headers))
      expect(await weAccept(`${body} `, headers, now), 'changed body').to.equal(false)
    }
  })
})
