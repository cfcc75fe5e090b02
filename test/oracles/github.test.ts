import { sign, verify as vendorVerify } from '@octokit/webhooks-methods'
import { expect } from 'chai'
import fc from 'fast-check'
import { github } from '../../adapters/sources/github.ts'
import { verify } from '../helpers/deliveries.ts'

const secret = "It's a Secret to Everybody"
const source = github({ secrets: [secret] })
const weAccept = async (body: string, signature: string): Promise<boolean> =>
  (await verify(source, { body, headers: { 'x-hub-signature-256': signature } })).ok === true

describe('oracle: @octokit/webhooks-methods', () => {
  it('accepts what the library signs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1 }), async (body) => {
        expect(await weAccept(body, await sign(secret, body))).to.equal(true)
      }),
      { numRuns: 50 },
    )
  })

  it('decides as the library does about changed bodies and signatures', async () => {
    const body = '{"action":"opened"}'
    const good = await sign(secret, body)
    const letters = fc.constantFrom('0', 'f', 'g', '=', ' ')
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), letters, fc.boolean(), async (at, letter, changesBody) => {
        const sent = changesBody ? `${body} ` : body
        const signature = good.slice(0, at) + letter + good.slice(at + 1)
        expect(await weAccept(sent, signature), signature).to.equal(await vendorVerify(secret, sent, signature))
      }),
      { numRuns: 200 },
    )
    for (const signature of [good.slice(0, -1), `${good}0`, good.slice(7), good.replace('sha256', 'sha1'), 'x']) {
      expect(await weAccept(body, signature)).to.equal(await vendorVerify(secret, body, signature))
    }
    expect(await weAccept(body, await sign('another', body))).to.equal(false)
  })
})
