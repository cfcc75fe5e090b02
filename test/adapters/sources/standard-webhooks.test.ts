import { createHmac, sign as ed25519, generateKeyPairSync } from 'node:crypto'
import { expect } from 'chai'
import { standardWebhooks } from '../../../adapters/sources/standard-webhooks.ts'
import { bytes, draftOf, NOW, seconds, verify } from '../../helpers/deliveries.ts'
import { signedSourceSuite } from '../../suites/source.suite.ts'

const key = (text: string) => `whsec_${Buffer.from(text.padEnd(24, '.')).toString('base64')}`
const v1 = (secret: string, content: Buffer) =>
  `v1,${createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
    .update(content)
    .digest('base64')}`
const content = (id: string, at: Date, body: Uint8Array) => Buffer.concat([bytes(`${id}.${seconds(at)}.`), body])
const body = '{"type":"invoice.paid","timestamp":"2026-03-01T11:59:00Z","data":{"id":"inv_1"}}'

for (const prefix of ['webhook-', 'svix-']) {
  signedSourceSuite(`standard-webhooks (${prefix}*)`, {
    make: (secrets) => standardWebhooks({ secrets }),
    secrets: [key('current'), key('next'), key('foreign')],
    sign: (raw, secret, at) => ({
      [`${prefix}id`]: 'msg_1',
      [`${prefix}timestamp`]: seconds(at),
      [`${prefix}signature`]: v1(secret, content('msg_1', at, raw)),
    }),
    header: `${prefix}signature`,
    body,
    timestamped: true,
  })
}

describe('standard-webhooks', () => {
  const secret = key('s')
  const source = standardWebhooks({ secrets: [secret] })
  const headers = (signature: string) => ({
    'webhook-id': 'msg_1',
    'webhook-timestamp': seconds(NOW),
    'webhook-signature': signature,
  })
  const signed = content('msg_1', NOW, bytes(body))

  it('reads the recommended payload; the identity is the signed id', () => {
    expect(draftOf(source, { headers: headers(''), body })).to.deep.equal({
      identity: { id: 'msg_1' },
      attributes: {
        id: 'msg_1',
        source: 'standard-webhooks',
        type: 'standard-webhooks.invoice.paid',
        providertype: 'invoice.paid',
        subject: 'inv_1',
        time: '2026-03-01T11:59:00Z',
        datacontenttype: 'application/json',
        partitionkey: 'inv_1',
      },
      nature: 'fact',
      data: body,
    })
  })

  it('takes provider, canonical types and places of fields from its options', () => {
    const resend = standardWebhooks({
      secrets: [secret],
      provider: 'bigcommerce',
      types: { 'store/order/created': 'commerce.order.created.v1' },
      type: '/scope',
      time: '/created_at',
      object: { type: 'Order', key: '/data/id' },
    })
    const order = '{"scope":"store/order/created","created_at":1772366400,"data":{"id":250}}'
    const { attributes, object } = draftOf(resend, { headers: headers(''), body: order })
    expect(attributes).to.include({
      type: 'commerce.order.created.v1',
      source: 'bigcommerce',
      time: '2026-03-01T12:00:00.000Z',
      partitionkey: 'Order/250',
    })
    expect(object).to.deep.equal({ type: 'Order', key: '250' })
  })

  it('refuses a delivery without id or timestamp, and an id or timestamp sent twice', async () => {
    const good = headers(v1(secret, signed))
    const reasonWith = async (changed: Record<string, string | string[] | undefined>) => {
      const all = Object.entries({ ...good, ...changed }).filter((entry) => entry[1] !== undefined)
      const result = await verify(source, { body, headers: Object.fromEntries(all) as Record<string, string> })
      return result.ok === false ? result.reason : result.ok
    }
    expect(await reasonWith({})).to.equal(true)
    expect(await reasonWith({ 'webhook-id': undefined })).to.equal('id-missing')
    expect(await reasonWith({ 'webhook-timestamp': undefined })).to.equal('timestamp-missing')
    expect(await reasonWith({ 'webhook-id': ['msg_1', 'msg_2'] })).to.equal('header-duplicated')
    expect(await reasonWith({ 'webhook-timestamp': [seconds(NOW), '1'] })).to.equal('header-duplicated')
    expect(await reasonWith({ 'webhook-id': 'msg_2' })).to.equal('signature-invalid')
  })

  it('takes one valid signature of several, whatever else the list holds', async () => {
    const list = `v2,abc v1, v1a,AAAA ${v1(key('other'), signed)} ${v1(secret, signed)}`
    expect(await verify(source, { body, headers: headers(list) })).to.include({ ok: true })
  })

  it('looks at ten signatures and no more: each may cost as much as an Ed25519 check', async () => {
    const others = (count: number) => Array.from({ length: count }, () => v1(key('other'), signed))
    const verified = async (list: readonly string[]) =>
      (await verify(source, { body, headers: headers(list.join(' ')) })).ok
    expect(await verified([...others(9), v1(secret, signed)])).to.equal(true)
    expect(await verified([...others(10), v1(secret, signed)])).to.equal(false)
  })

  it('refuses a signature of another length without throwing', async () => {
    for (const short of ['v1,AAAA', 'v1a,AAAA', `v1,${'A'.repeat(88)}`]) {
      expect(await verify(source, { body, headers: headers(short) }), short).to.include({
        ok: false,
        reason: 'signature-invalid',
      })
    }
  })

  describe('asymmetric', () => {
    const pair = generateKeyPairSync('ed25519')
    const raw = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
    const publicKeys = [`whpk_${raw.toString('base64')}`]
    const v1a = `v1a,${ed25519(null, signed, pair.privateKey).toString('base64')}`

    it('accepts v1a by the public key and numbers it behind the secrets', async () => {
      expect(await verify(standardWebhooks({ publicKeys }), { body, headers: headers(v1a) })).to.deep.equal({
        ok: true,
        authlevel: 'body',
        secretId: '1',
      })
      const both = standardWebhooks({ publicKeys, secrets: [secret] })
      expect(await verify(both, { body, headers: headers(v1a) })).to.include({ secretId: '2' })
      expect(await verify(both, { body, headers: headers(v1(secret, signed)) })).to.include({ secretId: '1' })
    })

    it('refuses another body, another key, and v1 made with the public key as secret', async () => {
      const asymmetric = standardWebhooks({ publicKeys })
      const other = generateKeyPairSync('ed25519').privateKey
      const forged = `v1,${createHmac('sha256', raw).update(signed).digest('base64')}`
      for (const request of [
        { body: `${body} `, headers: headers(v1a) },
        { body, headers: headers(`v1a,${ed25519(null, signed, other).toString('base64')}`) },
        { body, headers: headers(forged) },
      ]) {
        expect(await verify(asymmetric, request)).to.include({ ok: false, reason: 'signature-invalid' })
      }
    })

    it('is refused at start with a key that is none', () => {
      for (const wrong of ['', 'whpk_', 'whpk_AAAA', 'whpk_!', raw.toString('hex')]) {
        expect(() => standardWebhooks({ publicKeys: [wrong] })).to.throw(/publicKeys\[0\]/)
      }
    })
  })

  it('is refused at start with a secret that is not base64, or with none at all', () => {
    expect(() => standardWebhooks({ secrets: ['whsec_not base64'] })).to.throw(/secrets\[0\].*is not base64/)
    expect(() => standardWebhooks({ secrets: ['whsec_'] })).to.throw(/secrets\[0\].*is empty/)
    expect(() => standardWebhooks({})).to.throw(/secrets/)
  })
})
