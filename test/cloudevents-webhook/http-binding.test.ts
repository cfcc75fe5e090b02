import { expect } from 'chai'
import type { Item } from '#domain/source'
import { encodeHeader, toBatched, toBinary, toStructured } from '../../adapters/sources/cloudevents-encode.ts'
import { cloudevents } from '../../adapters/sources/index.ts'
import { draftOf, normalize, type Request } from '../helpers/deliveries.ts'
import { webhookSite } from '../helpers/webhook-site.ts'

const source = cloudevents({ auth: { kind: 'none' } })
const attributes = { specversion: '1.0', id: 'a-1', source: '/s', type: 'com.example.done' } as const
const binary = (headers: Request['headers'] = {}, body: string | Uint8Array = '{"a":1}'): Request => ({
  body,
  headers: {
    'content-type': 'application/json',
    ...Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value])),
    ...headers,
  },
})
const structured = (members: object = {}, type = 'application/cloudevents+json; charset=UTF-8'): Request => ({
  body: JSON.stringify({ ...attributes, ...members }),
  headers: { 'content-type': type },
})
const badOf = (request: Request): Item | undefined =>
  normalize(source, request).find((item) => 'ok' in item && !item.ok)
const bad = (reason: string, detail?: string) => ({ ok: false, reason, ...(detail ? { detail } : {}) })

// HTTP Protocol Binding for CloudEvents 1.0.2. Each test is named by the sentence it checks.
describe('CloudEvents HTTP binding', () => {
  describe('§1.3 Content Modes', () => {
    it('Every compliant implementation SHOULD support the structured and binary modes.', () => {
      for (const request of [binary(), structured({ data: { a: 1 } })]) {
        expect(draftOf(source, request)).to.deep.include({ data: '{"a":1}', identity: { id: '["/s","a-1"]' } })
      }
    })
  })

  describe('§1.4 Event Formats', () => {
    it('All implementations of this specification that support the structured content mode MUST support the non-batching JSON event format.', () => {
      expect(draftOf(source, structured()).attributes).to.include({ id: 'a-1', type: 'com.example.done' })
    })
  })

  describe('§3 HTTP Message Mapping', () => {
    it('If the value is prefixed with the CloudEvents media type `application/cloudevents`, the receiver uses structured mode.', () => {
      const both = { ...structured(), headers: { ...binary().headers, ...structured().headers, 'ce-id': 'header' } }
      expect(draftOf(source, both).attributes.id, 'also beside headers of binary mode').to.equal('a-1')
    })

    it('If the value is prefixed with `application/cloudevents-batch`, the receiver uses the batched mode.', () => {
      const body = JSON.stringify([attributes, { ...attributes, id: 'a-2' }])
      const items = normalize(source, { body, headers: { 'content-type': 'application/cloudevents-batch+json' } })
      expect(items.map((item) => 'ok' in item && item.ok)).to.deep.equal([true, true])
    })

    it('Otherwise it defaults to binary mode.', () => {
      const text = draftOf(source, binary({ 'content-type': 'text/plain' }, 'text'))
      expect(text)
        .to.deep.include({ data: 'text' })
        .and.have.nested.property('attributes.datacontenttype', 'text/plain')
    })

    it('The batched mode MUST NOT be used unless solicited, and the gesture SHOULD allow the receiver to choose the maximum size of a batch.', () => {
      const outcome = {
        delivery: 'd-1',
        outcome: 'accepted',
        items: [{ outcome: 'accepted' }, { outcome: 'duplicate' }],
      } as const
      const delivery = { ...structured(), url: 'https://gateway.example/webhooks/test' }
      const answer = (accept?: string) =>
        source.reply?.(outcome, {
          method: 'POST',
          path: '/webhooks/test',
          query: new URLSearchParams(),
          headers: accept ? { accept: [accept] } : {},
          body: new Uint8Array(),
          receivedAt: new Date(0),
          url: delivery.url,
        })
      expect(answer()?.headers?.['content-type']).to.equal('application/json')
      const solicited = answer('application/cloudevents-batch+json')
      expect(solicited?.headers?.['content-type']).to.match(/^application\/cloudevents-batch\+json/)
      expect(JSON.parse(solicited?.body ?? ''), 'as many as came').to.have.lengthOf(2)
    })

    it('However, as with all CloudEvent messages, if it does not adhere to all of the normative language of this specification then it is not a valid CloudEvent.', () => {
      for (const name of ['id', 'source', 'type']) {
        expect(badOf(binary({ [`ce-${name}`]: '' })), name).to.deep.equal(bad('attribute-missing', name))
      }
    })
  })

  describe('§3.1.1 HTTP Content-Type', () => {
    it('For the binary mode, the HTTP `Content-Type` header value corresponds to (MUST be populated from or written to) the CloudEvents `datacontenttype` attribute.', () => {
      const type = 'application/json; charset=utf-8'
      expect(draftOf(source, binary({ 'content-type': type })).attributes.datacontenttype).to.equal(type)
      const { headers } = toBinary({ attributes: { ...attributes, datacontenttype: 'text/xml' }, data: '<a/>' })
      expect(headers['content-type']).to.equal('text/xml')
    })

    it('Note that a `ce-datacontenttype` HTTP header MUST NOT also be present in the message.', () => {
      const both = binary({ 'ce-datacontenttype': 'text/plain' })
      expect(badOf(both)).to.deep.equal(bad('attribute-invalid', 'datacontenttype'))
      const { headers } = toBinary({ attributes: { ...attributes, datacontenttype: 'text/xml' } })
      expect(headers).to.not.have.property('ce-datacontenttype')
    })
  })

  describe('§3.1.2 Event Data Encoding', () => {
    it('The `data` byte-sequence is used as the HTTP message body.', () => {
      const body = '{ "a" :12345678901234567890 }\n'
      expect(draftOf(source, binary({}, body)).data).to.equal(body)
      expect(toBinary({ attributes, data: body }).body).to.equal(body)
    })
  })

  describe('§3.1.3 Metadata Headers', () => {
    it('All other CloudEvents attributes, including extensions, MUST be individually mapped to and from distinct HTTP message header.', () => {
      expect(draftOf(source, binary({ 'ce-subject': 's', 'ce-sequence': '7' })).attributes).to.include({
        subject: 's',
        sequence: '7',
      })
      expect(badOf(binary({ 'ce-subject': ['a', 'b'] }))).to.deep.equal(bad('attribute-invalid', 'subject'))
    })

    it('Except where noted, all CloudEvents context attributes, including extensions, MUST be mapped to HTTP headers with the same name as the attribute name but prefixed with `ce-`.', () => {
      expect(toBinary({ attributes: { ...attributes, myext: 'x' } }).headers).to.deep.equal({
        'content-type': 'application/json',
        'ce-specversion': '1.0',
        'ce-id': 'a-1',
        'ce-source': '/s',
        'ce-type': 'com.example.done',
        'ce-myext': 'x',
      })
    })
  })

  describe('§3.1.3.1 HTTP Header Names', () => {
    it('Note: per the HTTP specification, header names are case-insensitive.', async () => {
      const site = await webhookSite()
      try {
        const headers = Object.fromEntries(
          Object.entries(binary().headers ?? {}).map(([name, value]) => [name.toUpperCase(), value]),
        )
        expect((await site.send({ path: site.path, body: '{"a":1}', headers })).status).to.equal(202)
        expect(site.events()[0]?.attributes).to.include({ id: 'a-1', type: 'com.example.done' })
      } finally {
        await site.close()
      }
    })

    it('These attributes MUST also still appear in the HTTP message as HTTP headers with the `ce-` prefix.', () => {
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
      expect(toBinary({ attributes: { ...attributes, traceparent } }).headers).to.include({
        'ce-traceparent': traceparent,
      })
      const own = draftOf(source, binary({ 'ce-traceparent': traceparent, traceparent: traceparent.replace('4', '5') }))
      expect(own.attributes.traceparent).to.equal(traceparent)
    })
  })

  describe('§3.1.3.2 HTTP Header Values', () => {
    const subjectOf = (value: string) => draftOf(source, binary({ 'ce-subject': value })).attributes.subject
    const example = 'Euro € 😀'
    const encoded = 'Euro%20%E2%82%AC%20%F0%9F%98%80'

    it('When encoding a CloudEvent as an HTTP message, string values represented as HTTP header values MUST be percent-encoded.', () => {
      expect(encodeHeader(example)).to.equal(encoded)
      expect(encodeHeader('a"b%c~d!e#f&g')).to.equal('a%22b%25c~d!e#f&g')
    })

    it('It is RECOMMENDED that any HTTP header encoding implementation treats such characters as requiring percent-encoding.', () => {
      expect(encodeHeader('a\u0000\t\r\n\u007f\u0085b')).to.equal('a%00%09%0D%0A%7F%C2%85b')
    })

    it('The resulting string SHOULD NOT be further encoded.', () => {
      const subject = '"50 %" (net)'
      const { headers } = toBinary({ attributes: { ...attributes, subject } })
      expect(headers['ce-subject'], 'neither quoted nor encoded again').to.equal('%2250%20%25%22%20(net)')
      expect(subjectOf(headers['ce-subject'] ?? '')).to.equal(subject)
    })

    it('HTTP headers for CloudEvent attribute values do not support parenthetical comments.', () => {
      expect(subjectOf('a (no comment) "b"')).to.equal('a (no comment) "b"')
    })

    it('Any character represented in memory as a Unicode surrogate pair MUST be treated as a single Unicode character.', () => {
      expect(encodeHeader('😀')).to.equal('%F0%9F%98%80')
      expect(encodeHeader('\ud83d'), 'half of one').to.equal('%EF%BF%BD')
    })

    it('When decoding an HTTP message into a CloudEvent, any HTTP header value MUST first be unescaped with respect to double-quoted strings.', () => {
      expect(subjectOf('"a \\"b\\" \\\\ c"')).to.equal('a "b" \\ c')
      expect(subjectOf('"Euro%20%E2%82%AC"')).to.equal('Euro €')
    })

    it('A single round of percent-decoding MUST then be performed.', () => {
      expect(subjectOf(encoded)).to.equal(example)
      expect(subjectOf('100%2525')).to.equal('100%25')
    })

    it('Percent-encoding SHOULD be performed using upper-case for values A-F, but decoding MUST accept lower-case values.', () => {
      expect(subjectOf(encoded.toLowerCase())).to.equal('euro € 😀')
    })

    it('Values that have been unncessarily percent-encoded MUST be accepted.', () => {
      expect(subjectOf('%41%62c')).to.equal('Abc')
    })

    it('Encoded byte sequences which are invalid in UTF-8 MUST be rejected.', () => {
      for (const value of ['%C0%A0', '%FF', 'a%E2%82', '%ED%A0%80', '%80']) {
        expect(badOf(binary({ 'ce-subject': value })), value).to.deep.equal(bad('attribute-invalid', 'subject'))
      }
    })
  })

  describe('§3.2 Structured Content Mode', () => {
    it('The HTTP `Content-Type` header MUST be set to the media type of an event format.', () => {
      expect(toStructured({ attributes }).headers['content-type']).to.equal(
        'application/cloudevents+json; charset=utf-8',
      )
      expect(badOf(structured({}, 'application/cloudevents+json; charset=utf-8'))).to.equal(undefined)
    })

    it('All CloudEvents metadata attributes MUST be mapped into the payload, even if they are also mapped into HTTP headers.', () => {
      const { id: _, ...rest } = attributes
      const request = { body: JSON.stringify(rest), headers: { ...structured().headers, 'ce-id': 'a-1' } }
      expect(badOf(request)).to.deep.equal(bad('attribute-missing', 'id'))
      expect(JSON.parse(toStructured({ attributes, data: '1' }).body)).to.deep.equal({ ...attributes, data: 1 })
    })
  })

  describe('§3.3 Batched Content Mode', () => {
    const batch = (events: readonly object[]): Request => ({
      body: JSON.stringify(events),
      headers: { 'content-type': 'application/cloudevents-batch+json; charset=UTF-8' },
    })

    it('The HTTP `Content-Type` header MUST be set to the media type of an event format (batch).', () => {
      const { headers } = toBatched([{ attributes }])
      expect(headers['content-type']).to.equal('application/cloudevents-batch+json; charset=utf-8')
    })

    it('The batch MAY be empty.', () => {
      expect(normalize(source, batch([]))).to.deep.equal([])
      expect(toBatched([]).body).to.equal('[]')
    })

    it('All batched CloudEvents MUST have the same `specversion` attribute.', () => {
      const items = normalize(source, batch([attributes, { ...attributes, id: 'a-2', specversion: '0.3' }]))
      expect(items[1]).to.deep.equal(bad('attribute-invalid', 'specversion'))
      expect(items[0], 'the good one is not lost with it').to.include({ ok: true })
    })

    it('Other attributes MAY differ, including the `datacontenttype` attribute.', () => {
      const text = { ...attributes, id: 'a-2', datacontenttype: 'text/plain', data: 'x' }
      const items = normalize(source, batch([{ ...attributes, data: { a: 1 } }, text]))
      expect(items.map((item) => 'draft' in item && item.draft.data)).to.deep.equal(['{"a":1}', 'x'])
    })
  })
})
