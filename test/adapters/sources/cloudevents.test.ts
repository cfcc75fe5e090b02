import { expect } from 'chai'
import { CloudEvent, HTTP } from 'cloudevents'
import fc from 'fast-check'
import type { Reply } from '#domain/source'
import { type CloudeventsOptions, cloudevents } from '../../../adapters/sources/cloudevents.ts'
import { eventMesh } from '../../../adapters/sources/event-mesh.ts'
import { bytes, contextAt, deliver, draftOf, normalize, type Request } from '../../helpers/deliveries.ts'

const make = (options: Partial<CloudeventsOptions> = {}) => cloudevents({ auth: { kind: 'none' }, ...options })
const source = make()

const STRUCTURED = 'application/cloudevents+json'
const envelope = (members: Record<string, unknown> = {}) =>
  JSON.stringify({ specversion: '1.0', id: 'a-1', source: '/s', type: 'com.example.done', ...members })
const structured = (body: string, type: string | undefined = STRUCTURED): Request => ({
  body,
  headers: type === undefined ? {} : { 'content-type': type },
})
const binary = (headers: Record<string, string> = {}, body: string | Uint8Array = '{"a":1}'): Request => ({
  body,
  headers: {
    'content-type': 'application/json',
    'ce-specversion': '1.0',
    'ce-id': 'a-1',
    'ce-source': '/s',
    'ce-type': 'com.example.done',
    ...headers,
  },
})

describe('cloudevents: HTTP binding', () => {
  it('reads structured mode; data is its source text', () => {
    const body =
      '{ "specversion":"1.0","id":"a-1","source":"/s","type":"com.example.done","subject":"4711",' +
      '"time":"2026-03-01T12:00:00.123456789Z","dataschema":"https://example.com/schema","sequence":7,' +
      '"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","partitionkey":"k","comexampleext":true,' +
      '"data": {"b":1, "a":12345678901234567890} }'
    expect(draftOf(source, structured(body))).to.deep.equal({
      identity: { id: '["/s","a-1"]' },
      attributes: {
        id: 'a-1',
        source: '/s',
        type: 'com.example.done',
        providertype: 'com.example.done',
        subject: '4711',
        time: '2026-03-01T12:00:00.123456789Z',
        datacontenttype: 'application/json',
        dataschema: 'https://example.com/schema',
        partitionkey: 'k',
        sequence: '7',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      },
      nature: 'fact',
      data: '{"b":1, "a":12345678901234567890}',
    })
  })

  it('reads an event with a hundred thousand odd extensions as fast as any other', () => {
    // Minutes, and the time-out of this test, where each of them costs a look at the whole document.
    const odd = Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`a${n}`, 1.5]))
    const event = eventMesh({ queue: 'q', auth: { kind: 'none' } })
    expect(normalize(event, structured(envelope(odd)))).to.have.length(1)
  })

  it('keeps whatever data there is, to the letter', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom('', ' ', '\n\t'), (data, space) => {
        const body = `{"data"${space}:${space}${data}${space},"specversion":"1.0","id":"1","source":"/s","type":"t"}`
        expect(draftOf(source, structured(body)).data).to.equal(data)
      }),
    )
  })

  it('reads any charset and spelling of the content type', () => {
    const event = envelope({ data: 'żółć' })
    for (const type of [
      'application/cloudevents+json; charset=utf-8',
      'application/cloudevents+json;charset="UTF-8"',
      'Application/CloudEvents+JSON; Charset=US-ASCII',
      'application/cloudevents+json; charset=no-such-charset',
    ]) {
      expect(draftOf(source, structured(event, type)).data, type).to.equal('"żółć"')
    }
    const latin = Buffer.from(envelope({ data: 'é' }), 'latin1')
    const utf16 = Buffer.from(envelope({ data: 'é' }), 'utf16le')
    const read = (body: Uint8Array, charset: string) =>
      draftOf(source, { body, headers: { 'content-type': `${STRUCTURED}; charset=${charset}` } }).data
    expect(read(latin, 'iso-8859-1')).to.equal('"é"')
    expect(read(utf16, 'utf-16le')).to.equal('"é"')
    expect(normalize(source, { body: latin, headers: { 'content-type': STRUCTURED } })).to.deep.equal([
      { ok: false, reason: 'not-utf8' },
    ])
  })

  it('recognizes an event by its content, whatever the content type says', () => {
    for (const type of ['application/json', 'text/plain', 'application/octet-stream', undefined]) {
      expect(draftOf(source, structured(envelope(), type)).attributes.id, String(type)).to.equal('a-1')
    }
  })

  it('reads binary mode, with the body as it came', () => {
    const draft = draftOf(source, binary({ 'ce-subject': 'Euro %E2%82%AC 100%25', 'ce-sequence': '"x \\"y\\""' }))
    expect(draft.attributes).to.include({
      id: 'a-1',
      subject: 'Euro € 100%',
      sequence: 'x "y"',
      datacontenttype: 'application/json',
    })
    expect(draft.data).to.equal('{"a":1}')
  })

  it('reads binary payloads that are no JSON: text as text, anything else as base64', () => {
    const text = draftOf(source, binary({ 'content-type': 'text/xml' }, '<a>ż</a>'))
    expect(text).to.include({ data: '<a>ż</a>' })
    const image = draftOf(source, binary({ 'content-type': 'image/png' }, Uint8Array.of(0x89, 0x50, 0xff)))
    expect(image).to.include({ dataBase64: 'iVD/' }).and.not.have.property('data')
    expect(draftOf(source, binary({}, ''))).to.not.have.property('data')
  })

  it('reads batches, one item each; a bad one does not spoil the others', () => {
    const body = `[${envelope({ data: { n: 1 } })}, {"specversion":"1.0","id":"x"},${envelope({ id: 'a-2', data: 2 })} ]`
    const items = normalize(source, structured(body, 'application/cloudevents-batch+json; charset=utf-8'))
    expect(items.map((item) => 'ok' in item && item.ok)).to.deep.equal([true, false, true])
    expect(items).to.have.nested.property('[1].detail', 'source')
    expect(items).to.have.nested.property('[0].draft.data', '{"n":1}')
    expect(normalize(source, structured('[]', 'application/cloudevents-batch+json'))).to.deep.equal([])
    expect(normalize(source, structured(`[${envelope()}]`, 'application/json'))).to.have.lengthOf(1)
  })

  it('reads data_base64 as what it stands for', () => {
    const base64 = (text: string | Uint8Array) => Buffer.from(text).toString('base64')
    const read = (members: Record<string, unknown>) => draftOf(source, structured(envelope(members)))
    expect(read({ data_base64: base64('{"a":1}'), datacontenttype: 'application/json' }).data).to.equal('{"a":1}')
    expect(read({ data_base64: base64('<a/>'), datacontenttype: 'text/xml' }).data).to.equal('<a/>')
    const bytesOf = Uint8Array.of(0, 255)
    expect(read({ data_base64: base64(bytesOf), datacontenttype: 'image/png' }).dataBase64).to.equal(base64(bytesOf))
    const wrong = structured(envelope({ data_base64: 'not base64!' }))
    expect(normalize(source, wrong)).to.have.nested.property('[0].detail', 'data_base64')
    const both = structured(envelope({ data_base64: 'AAAA', data: 1 }))
    expect(normalize(source, both)).to.have.nested.property('[0].detail', 'data_base64')
  })

  it('takes a string for the payload itself only where the type says it is no JSON', () => {
    const read = (members: Record<string, unknown>) => draftOf(source, structured(envelope(members))).data
    expect(read({ data: '<a/>', datacontenttype: 'text/xml' })).to.equal('<a/>')
    expect(read({ data: 'text' })).to.equal('"text"')
    expect(read({ data: null })).to.equal('null')
  })

  it('tells events of two sources with one id apart, however the two are cut', () => {
    const idOf = (members: Record<string, unknown>) => draftOf(source, structured(envelope(members))).identity
    expect(idOf({ source: '/a' })).to.not.deep.equal(idOf({ source: '/b' }))
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), fc.nat({ max: 9 }), (a, b, cut) => {
        const joined = `${a}"${b}`
        const at = Math.min(cut + 1, joined.length - 1)
        const one = normalize(source, structured(envelope({ source: 'x', id: joined })))
        const other = normalize(
          source,
          structured(envelope({ source: `x${joined.slice(0, at)}`, id: joined.slice(at) })),
        )
        expect(one).to.not.deep.equal(other)
      }),
    )
    const long = draftOf(source, structured(envelope({ source: `/${'s'.repeat(500)}`, id: 'i'.repeat(500) })))
    expect(long.identity)
      .to.have.property('id')
      .that.matches(/^sha256:/)
  })

  it('quarantines what breaks the specification, and names the attribute', () => {
    const reasonOf = (request: Request) => normalize(source, request)[0]
    const cases: readonly [Request, string, string?][] = [
      [structured(envelope({ specversion: '0.3' })), 'attribute-invalid', 'specversion'],
      [structured(envelope({ id: '' })), 'attribute-missing', 'id'],
      [structured(envelope({ id: null })), 'attribute-missing', 'id'],
      [structured(envelope({ source: undefined })), 'attribute-missing', 'source'],
      [structured(envelope({ time: '2018-13-08T08:31:00Z' })), 'attribute-invalid', 'time'],
      [structured(envelope({ id: 25 })), 'attribute-invalid', 'id'],
      [structured(envelope({ ext: 1.5 })), 'attribute-invalid', 'ext'],
      [structured(envelope({ datacontenttype: 'xyz' })), 'attribute-invalid', 'datacontenttype'],
      [structured(envelope({ ' subject': 's' })), 'attribute-invalid', 'name'],
      [binary({ 'ce-subject': '%C0%A0' }), 'attribute-invalid', 'subject'],
      [binary({ 'ce-datacontenttype': 'text/plain' }), 'attribute-invalid', 'datacontenttype'],
      [structured(envelope({ source: 'not a uri' })), 'attribute-invalid', 'source'],
      [structured(envelope({ dataschema: 'relative' })), 'attribute-invalid', 'dataschema'],
      [structured(envelope({ Upper: 'x' })), 'attribute-invalid', 'name'],
      [structured(envelope({ ext: { nested: 1 } })), 'attribute-invalid', 'ext'],
      [structured(envelope({ subject: 's'.repeat(3_000) })), 'attribute-invalid', 'subject'],
      [structured('{'), 'not-json'],
      [structured('"text"'), 'not-json', 'event'],
      [binary({ 'ce-type': '' }), 'attribute-missing', 'type'],
      [binary({}, '{"a":'), 'not-json', 'data'],
      [binary({}, Uint8Array.of(0x22, 0xff, 0x22)), 'not-utf8', 'data'],
      [binary({ 'content-encoding': 'gzip' }), 'unsupported-encoding', 'content-encoding'],
      [{ body: '{"no":"event"}' }, 'attribute-missing', 'specversion'],
    ]
    for (const [request, reason, detail] of cases) {
      const expected = { ok: false, reason, ...(detail === undefined ? {} : { detail }) }
      expect(reasonOf(request), JSON.stringify(request).slice(0, 200)).to.deep.equal(expected)
    }
    const twice = { ...binary(), headers: { ...binary().headers, 'ce-id': ['a', 'b'] } }
    expect(reasonOf(twice)).to.deep.equal({ ok: false, reason: 'attribute-invalid', detail: 'id' })
  })

  it('reads what the CloudEvents SDK sends, in both modes', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.string(), fc.dictionary(fc.string(), fc.jsonValue()), (id, subject, data) => {
        const subjects = subject ? { subject } : {}
        const event = new CloudEvent({ id, source: '/sdk', type: 'sdk.sent', data, ...subjects }, false)
        for (const message of [HTTP.structured(event), HTTP.binary(event)]) {
          const binaryMode = 'ce-id' in message.headers
          // The SDK does not encode header values, which HTTP would not carry.
          if (binaryMode && !/^[\x21-\x24\x26-\x7e]*$/.test(subject)) continue
          if (binaryMode && subject.startsWith('"')) continue
          const [item] = normalize(source, {
            headers: message.headers as Record<string, string>,
            body: String(message.body),
          })
          expect(item).to.have.nested.property('draft.attributes.id', id)
          expect(item).to.have.nested.property('draft.data', JSON.stringify(data))
        }
      }),
    )
  })

  it('normalizes any garbage without throwing', () => {
    const types = fc.constantFrom(
      STRUCTURED,
      'application/cloudevents-batch+json',
      'application/json',
      'text/plain',
      '',
    )
    const junk = fc.oneof(fc.json().map(bytes), fc.string({ unit: 'binary' }).map(bytes), fc.uint8Array())
    fc.assert(
      fc.property(types, junk, fc.boolean(), (type, body, isBinary) => {
        const headers = { 'content-type': type, ...(isBinary ? { 'ce-specversion': '1.0' } : {}) }
        expect(normalize(source, { headers, body })).to.be.an('array')
      }),
    )
  })
})

describe('cloudevents: callers and handshake', () => {
  const options = (headers: Record<string, string | string[]>) => deliver({ method: 'OPTIONS', headers })
  const greet = async (source: ReturnType<typeof make>, headers: Record<string, string | string[]>) =>
    (await source.handshake?.(options(headers), contextAt())) as Reply

  const guarded = make({ allowedOrigins: ['Broker.example.com'], allowedRate: 120 })
  const origin = (value: string | string[]) => ({ 'webhook-request-origin': value })

  it('grants a listed origin, with the rate, and names POST', async () => {
    const asked = { ...origin('broker.EXAMPLE.com'), 'webhook-request-rate': '1000' }
    expect(await greet(guarded, asked)).to.deep.equal({
      status: 200,
      headers: { allow: 'POST', 'webhook-allowed-origin': 'broker.EXAMPLE.com', 'webhook-allowed-rate': '120' },
    })
  })

  it('refuses a foreign origin without any granting header', async () => {
    for (const foreign of ['evil.example.com', 'broker.example.com.evil.com', 'xbroker.example.com', '*']) {
      expect(await greet(guarded, origin(foreign)), foreign).to.deep.equal({ status: 403, headers: { allow: 'POST' } })
    }
    expect(make().handshake, 'and knows no handshake without origins').to.equal(undefined)
  })

  it('grants any origin only where * is configured', async () => {
    const open = make({ allowedOrigins: ['*'] })
    expect(await greet(open, origin('anybody.example.com'))).to.deep.equal({
      status: 200,
      headers: { allow: 'POST', 'webhook-allowed-origin': 'anybody.example.com', 'webhook-allowed-rate': '*' },
    })
  })

  it('refuses a request without an origin, with two, or with one that must not be echoed', async () => {
    const open = make({ allowedOrigins: ['*'] })
    for (const value of [[], ['a.com', 'b.com'], 'x\r\nset-cookie: a=b', 'a'.repeat(8_192), '<script>', '']) {
      expect((await greet(open, origin(value))).status, String(value).slice(0, 40)).to.equal(400)
    }
  })

  it('answers only OPTIONS', () => {
    expect(guarded.handshake?.(deliver({ headers: origin('evil.com') }), contextAt())).to.equal(undefined)
  })

  it('refuses deliveries of an origin that was granted nothing', async () => {
    const verify = (source: ReturnType<typeof make>, headers: Record<string, string | string[]>) =>
      source.verify(deliver({ headers }), contextAt())
    expect(await verify(guarded, origin('evil.com'))).to.deep.equal({
      ok: false,
      reason: 'origin-not-allowed',
      status: 403,
    })
    expect(await verify(guarded, origin(['broker.example.com', 'evil.com']))).to.include({ ok: false })
    expect(await verify(guarded, origin('broker.example.com'))).to.deep.equal({ ok: true, authlevel: 'none' })
    expect(await verify(guarded, { origin: 'broker.example.com' }), 'version 1.0').to.include({ ok: true })
    expect(await verify(guarded, { origin: 'evil.com' })).to.include({ ok: false })
    expect(await verify(guarded, {}), 'nameless').to.include({ ok: false, reason: 'origin-not-allowed' })
    expect(await verify(make({ allowedOrigins: ['*'] }), {})).to.include({ ok: true })
    expect(await verify(make(), {})).to.deep.equal({ ok: true, authlevel: 'none' })
  })

  it('leaves callers to the authentication port and marks the event with what was proved', async () => {
    const auth = { kind: 'basic', users: { broker: 'pass' } } as const
    const secured = make({ auth })
    const principal = { name: 'broker', scopes: [] }
    const seen: unknown[] = []
    const context = contextAt(undefined, async (_delivery, spec) => {
      seen.push(spec)
      return { ok: true, principal }
    })
    expect(await secured.verify(deliver(), context)).to.deep.equal({ ok: true, authlevel: 'token', principal })
    expect(seen).to.deep.equal([auth])
    const undecided = contextAt(undefined, async () => ({ ok: 'unknown', retryAfterMs: 5 }))
    expect(await secured.verify(deliver(), undecided)).to.deep.equal({ ok: 'unknown', retryAfterMs: 5 })
  })

  it('is refused at start with wrong auth, origins or rate', () => {
    const cases: readonly [object, RegExp][] = [
      [{ auth: undefined }, /"auth" is missing/],
      [{ auth: { kind: 'magic' } }, /"auth" is missing or of unknown kind/],
      [{ auth: { kind: 'basic', users: {} } }, /"auth.users"/],
      [{ auth: { kind: 'basic', users: { a: '' } } }, /"auth.users"/],
      [{ auth: { kind: 'jwt', jwksUrl: 'https://idp/keys', audience: '' } }, /"auth.audience"/],
      [{ auth: { kind: 'jwt', jwksUrl: 'keys', audience: 'a' } }, /"auth.jwksUrl"/],
      [{ auth: { kind: 'jwt', jwksUrl: 'http://idp.example/keys', audience: 'a' } }, /"auth.jwksUrl" is no https/],
      [{ auth: { kind: 'jwt', jwksUrl: 'https://idp/keys', audience: [] } }, /"auth.audience"/],
      [{ auth: { kind: 'oidc', issuer: 'idp', audience: 'a' } }, /"auth.issuer"/],
      [{ auth: { kind: 'ias', issuer: 'https://t.accounts.example', audience: 'a' } }, /"auth.clientId"/],
      [
        { auth: { kind: 'ias', issuer: 'https://t', audience: 'a', clientId: 'c', confirmedBy: { from: 'header' } } },
        /"auth.confirmedBy.from"/,
      ],
      [{ auth: { kind: 'api-key', keys: {} } }, /"auth.keys"/],
      [{ auth: { kind: 'api-key', keys: { a: 'k' }, header: 'x y' } }, /"auth.header"/],
      [{ auth: { kind: 'certificate', subject: 'CN=a', issuer: 'CN=b' } }, /"auth.from"/],
      [{ auth: { kind: 'certificate', from: 'connection', subject: 'CN=a' } }, /"auth.subject" and "auth.issuer"/],
      [{ auth: { kind: 'certificate', from: 'connection', subject: 'em', issuer: 'CN=b' } }, /"auth.subject" is no/],
      [{ auth: { kind: 'certificate', from: 'connection', fingerprints: ['ab'] } }, /"auth.fingerprints"/],
      [
        { auth: { kind: 'certificate', from: 'cloud-foundry', proxies: ['10.0.0.0/64'], fingerprints: ['ab'] } },
        /"auth.proxies"/,
      ],
      [{ strict: 'yes' }, /"strict"/],
      [{ replyAs: 'letter' }, /"replyAs"/],
      [{ callback: { hosts: [] } }, /"callback.hosts"/],
      [{ callback: { hosts: ['https://broker.example/x'] } }, /"callback.hosts"/],
      [{ callback: { hosts: ['broker.example'], method: 'PUT' } }, /"callback.method"/],
      [{ allowedOrigins: ['ok.com', 'a b'] }, /"allowedOrigins\[1\]"/],
      [{ allowedRate: 0 }, /"allowedRate"/],
    ]
    for (const [wrong, message] of cases) expect(() => make(wrong as never)).to.throw(message)
  })
})
