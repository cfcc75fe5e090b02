import { createHmac } from 'node:crypto'
import { expect } from 'chai'
import { type HmacOptions, hmac } from '../../../adapters/sources/hmac.ts'
import { bytes, draftOf, NOW, normalize, seconds, verify } from '../../helpers/deliveries.ts'
import { signedSourceSuite } from '../../suites/source.suite.ts'

const mac = (secret: string, ...parts: (string | Uint8Array)[]) => {
  const hash = createHmac('sha256', secret)
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const secrets = ['current', 'next one', 'foreign'] as const
const body = '{"id":"e1","kind":"order.paid","at":1772366400123,"order":{"no":9007199254740993,"rev":3}}'
const fields = { id: '/id', type: '/kind', time: '/at' } as const

signedSourceSuite('hmac (hex of the body)', {
  make: (list) => hmac({ secrets: list, header: 'X-Signature', ...fields }),
  secrets,
  sign: (raw, secret) => ({ 'x-signature': mac(secret, raw).toString('hex') }),
  header: 'x-signature',
  body,
  timestamped: false,
})

signedSourceSuite('hmac (base64url, timestamp, id and URL signed)', {
  make: (list) =>
    hmac({
      secrets: list,
      header: 'x-sig',
      prefix: 'sig:',
      encoding: 'base64url',
      template: '{method} {url}\n{id}.{timestamp}.{body}',
      signedId: 'x-event-id',
      timestamp: { from: 'x-time', unit: 'ms' },
      ...fields,
    }),
  secrets,
  sign: (raw, secret, at) => {
    const prefix = `POST https://gateway.example/webhooks/test\nev-1.${at.getTime()}.`
    const signature = mac(secret, prefix, raw).toString('base64url')
    return { 'x-sig': `sig:${signature}`, 'x-time': String(at.getTime()), 'x-event-id': 'ev-1' }
  },
  header: 'x-sig',
  body,
  timestamped: true,
})

signedSourceSuite('hmac (list of timestamp and signatures)', {
  make: (list) =>
    hmac({
      secrets: list,
      header: 'x-sig',
      list: { separator: ';', signature: 'h1', timestamp: 'ts' },
      template: '{timestamp}:{body}',
      ...fields,
    }),
  secrets,
  sign: (raw, secret, at) => ({
    'x-sig': `ts=${seconds(at)};h1=${mac(secret, `${seconds(at)}:`, raw).toString('hex')}`,
  }),
  header: 'x-sig',
  body,
  timestamped: true,
})

describe('hmac', () => {
  const base = { secrets: ['s'], header: 'x-signature' } as const
  const make = (options: Omit<HmacOptions, 'secrets' | 'header'>) => hmac({ ...base, ...options })

  it('reads every attribute from where the options say, exactly', () => {
    const source = make({
      ...fields,
      provider: 'acme',
      types: { 'order.paid': 'commerce.order.paid.v1' },
      subject: 'X-Subject',
      sequence: '/order/rev',
      object: { type: 'Order', key: '/order/no', version: '/order/rev' },
      nature: 'state',
    })
    expect(draftOf(source, { body, headers: { 'x-subject': 'about it' } })).to.deep.equal({
      identity: { id: 'e1' },
      attributes: {
        id: 'e1',
        source: 'acme',
        datacontenttype: 'application/json',
        type: 'commerce.order.paid.v1',
        providertype: 'order.paid',
        time: '2026-03-01T12:00:00.123Z',
        subject: 'about it',
        partitionkey: 'Order/9007199254740993',
        sequence: '3',
      },
      nature: 'state',
      object: { type: 'Order', key: '9007199254740993', version: '3' },
      data: body,
    })
  })

  it('understands JSON pointers with escapes, array indexes and odd names', () => {
    const source = make({ id: '/a~1b/1/~0c', type: '/constructor' })
    const odd = '{"a/b":[0,{"~c":"deep"}]}'
    expect(normalize(source, { body: odd })).to.have.nested.property('[0].draft.identity.id', 'deep')
    expect(normalize(source, { body: odd })).to.have.nested.property('[0].draft.attributes.type', '')
  })

  it('names a type by itself that is no own member of the table', () => {
    const source = make({ id: '/id', type: '/kind', types: {} })
    expect(draftOf(source, { body: '{"id":"1","kind":"constructor"}' }).attributes.type).to.equal('hmac.constructor')
  })

  it('joins several ids so that no two lists are one', () => {
    const source = make({ id: ['/a', '/b'], provider: 'acme' })
    const idOf = (text: string) => draftOf(source, { body: text }).identity
    expect(idOf('{"a":"1,2","b":"3"}')).to.not.deep.equal(idOf('{"a":"1","b":"2,3"}'))
    expect(normalize(source, { body: '{"a":"1"}' })).to.deep.equal([
      { ok: false, reason: 'attribute-missing', detail: 'id' },
    ])
  })

  it('has no id where told so: each delivery its own event, or equal content within a window', () => {
    const none = make({ identity: 'none' })
    const [first, second] = [draftOf(none, { body }), draftOf(none, { body })]
    expect(first.identity).to.deep.equal({ none: true })
    expect(first.attributes.id).to.not.equal(second.attributes.id)
    expect(first.attributes.type).to.equal('hmac.received')
    const hashed = draftOf(make({ identity: { hashWindowMs: 60_000 } }), { body })
    expect(hashed.identity).to.deep.equal({ hash: true, windowMs: 60_000 })
  })

  it('keeps a body that is no JSON as it is, where no field is read from it', () => {
    const source = make({ id: 'x-id', type: 'x-type' })
    const headers = { 'x-id': '1', 'x-type': 'command', 'content-type': 'application/x-www-form-urlencoded' }
    expect(draftOf(source, { headers, body: 'a=b&c=%20d' })).to.include({ data: 'a=b&c=%20d' })
    const binary = { headers: { ...headers, 'content-type': 'image/png' }, body: Uint8Array.of(0x89, 0x50, 0) }
    expect(draftOf(source, binary)).to.include({ dataBase64: 'iVAA' }).and.not.have.property('data')
    const withNul = { headers: { ...headers, 'content-type': 'text/plain' }, body: 'a\u0000b' }
    expect(draftOf(source, withNul), 'no database stores NUL as text').to.include({ dataBase64: 'YQBi' })
  })

  it('verifies a repeated header by any of its lines, only where configured', async () => {
    const signature = mac('s', body).toString('hex')
    const headers = { 'x-signature': ['0'.repeat(64), signature] }
    expect(await verify(make({ ...fields, repeated: true }), { body, headers })).to.include({ ok: true })
    expect(await verify(make(fields), { body, headers })).to.include({ reason: 'header-duplicated' })
  })

  it('checks a timestamp that stands in the signed body', async () => {
    const source = make({ ...fields, timestamp: { from: '/at', unit: 'ms', toleranceMs: 60_000 } })
    const request = (text: string) => ({
      body: text,
      headers: { 'x-signature': mac('s', text).toString('hex') },
    })
    expect(await verify(source, request(body))).to.include({ ok: true })
    expect(await verify(source, request(body), new Date(NOW.getTime() + 61_000))).to.include({
      reason: 'timestamp-out-of-tolerance',
    })
    expect(await verify(source, request('{"id":"e1"}'))).to.include({ reason: 'timestamp-missing' })
    expect(await verify(source, request('no json'))).to.include({ reason: 'timestamp-missing' })
  })

  it('refuses without the signed id or with two timestamps', async () => {
    const list = { separator: ',', signature: 'v1', timestamp: 't' }
    const dated = make({ ...fields, list, template: '{timestamp}.{body}' })
    const twice = `t=1,t=${seconds(NOW)},v1=${mac('s', body).toString('hex')}`
    expect(await verify(dated, { body, headers: { 'x-signature': twice } })).to.include({
      reason: 'timestamp-malformed',
    })
    const withId = make({ ...fields, template: '{id}.{body}', signedId: 'x-id' })
    const headers = { 'x-signature': mac('s', '.', body).toString('hex') }
    expect(await verify(withId, { body: bytes(body), headers })).to.include({ reason: 'id-missing' })
  })

  describe('is refused at start', () => {
    const cases: readonly [string, object, RegExp][] = [
      ['without identity', {}, /option "id" is missing/],
      ['with two identities', { id: '/id', identity: 'none' }, /option "identity" stands beside "id"/],
      ['with a window that is none', { identity: { hashWindowMs: 0 } }, /option "id" is missing/],
      [
        'with a template that does not hold the body',
        { id: '/id', template: '{timestamp}' },
        /must hold \{body\} once/,
      ],
      ['with the body twice', { id: '/id', template: '{body}{body}' }, /must hold \{body\} once/],
      ['with a timestamp from nowhere', { id: '/id', template: '{timestamp}.{body}' }, /uses \{timestamp\}/],
      ['with an id from nowhere', { id: '/id', template: '{id}.{body}' }, /uses \{id\}/],
      ['with a timestamp without a place', { id: '/id', timestamp: { unit: 'ms' } }, /"timestamp" has no "from"/],
      ['with an unknown algorithm', { id: '/id', algorithm: 'md5' }, /"algorithm" has an unknown value/],
      ['with an unknown encoding', { id: '/id', encoding: 'utf8' }, /"encoding" has an unknown value/],
      ['with an unknown option', { id: '/id', tempalte: '{body}' }, /"tempalte" is not known/],
      ['with a header that is none', { id: '/id', header: 'x signature' }, /"header" is no header name/],
      ['with a pointer for a header', { id: '/id', header: '/sig' }, /"header" names no header/],
      ['with a secret that is not hex', { id: '/id', secretEncoding: 'hex' }, /secrets\[0\]" is not hex/],
      ['with an empty locator', { id: '' }, /"id" is empty/],
    ]
    for (const [name, options, message] of cases) {
      it(name, () => {
        expect(() => hmac({ ...base, ...options } as never))
          .to.throw(message)
          .with.property('code', 'configuration')
      })
    }
  })
})
