import { expect } from 'chai'
import { cloudevents } from '../../adapters/sources/index.ts'
import { draftOf, normalize } from '../helpers/deliveries.ts'

const source = cloudevents({ auth: { kind: 'none' } })
const BATCH = 'application/cloudevents-batch+json'
const post = (value: unknown, type = 'application/cloudevents+json') =>
  normalize(source, { body: JSON.stringify(value), headers: { 'content-type': type } })

/** The least an event has; `undefined` leaves an attribute out. */
const event = (members: Record<string, unknown> = {}) => ({
  specversion: '1.0',
  id: 'c-1',
  type: 'example.conformance',
  source: 'https://sender.example',
  ...members,
})

// The cases of cloudevents/conformance: features/http-protocol-binding.feature and format/json, in our own words.
describe('CloudEvents conformance', () => {
  const attributes = {
    id: '1234-1234-1234',
    type: 'com.example.someevent',
    source: '/mycontext/subcontext',
    time: '2018-04-05T03:56:24Z',
  }
  const data = '{\n    "message": "Hello World!"\n}'

  for (const type of ['application/json', 'application/json; charset=utf-8']) {
    it(`Binary content mode (${type})`, () => {
      const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]))
      const draft = draftOf(source, {
        body: data,
        headers: { ...headers, 'ce-specversion': '1.0', 'content-type': type },
      })
      expect(draft.attributes).to.include({ ...attributes, datacontenttype: type })
      expect(JSON.parse(draft.data ?? '')).to.deep.equal({ message: 'Hello World!' })
    })
  }

  for (const type of ['application/cloudevents+json', 'application/cloudevents+json; charset=utf-8']) {
    it(`Structured content mode (${type})`, () => {
      const datacontenttype = 'application/json'
      const body = JSON.stringify({ specversion: '1.0', ...attributes, datacontenttype, data: JSON.parse(data) })
      const draft = draftOf(source, { body, headers: { 'content-type': type } })
      expect(draft.attributes).to.include({ ...attributes, datacontenttype })
      expect(JSON.parse(draft.data ?? '')).to.deep.equal({ message: 'Hello World!' })
    })
  }

  describe('valid events', () => {
    const nothing = { datacontenttype: null, dataschema: null, subject: null, time: null }
    const core = {
      datacontenttype: 'text/plain',
      dataschema: 'https://sender.example/schema',
      subject: 'a subject',
      time: '2018-04-05T17:31:00Z',
    }
    const extensions = {
      extinteger: 10,
      extboolean: true,
      extstring: 'text',
      exturi: 'https://sender.example',
      exturiref: '//authority/path',
      exttimestamp: '2023-03-31T15:12:00Z',
      extbinary: 'TWE=',
    }
    for (const [what, members] of [
      ['minimal', {}],
      ['every optional attribute null', nothing],
      ['every core attribute', core],
      ['time in UTC', { time: '2018-04-05T17:31:00Z' }],
      ['time to nanoseconds', { time: '2018-04-05T17:31:00.000000000Z' }],
      ['time with a positive offset', { time: '2018-04-05T18:31:00+01:00' }],
      ['time with a negative offset', { time: '2018-04-05T16:31:00-01:00' }],
      ['relative source', { source: '#fragment' }],
      ['text', { datacontenttype: 'text/plain', data: 'Simple text' }],
      ['extensions of every type', extensions],
    ] as const) {
      it(what, () => {
        const draft = draftOf(source, {
          body: JSON.stringify(event(members)),
          headers: { 'content-type': 'application/cloudevents+json' },
        })
        const kept = Object.entries(members).filter(
          ([name, value]) => ['datacontenttype', 'dataschema', 'subject', 'time', 'source'].includes(name) && value,
        )
        expect(draft.attributes).to.include({ id: 'c-1', ...Object.fromEntries(kept) })
        expect(draft.data).to.equal('data' in members ? members.data : undefined)
      })
    }
  })

  describe('invalid events', () => {
    const at = (time: string) => ({ time })
    for (const [what, members] of [
      ['no specversion', { specversion: undefined }],
      ['no id', { id: undefined }],
      ['no type', { type: undefined }],
      ['no source', { source: undefined }],
      ['time: a word', at('lunchtime')],
      ['time: no seconds', at('2018-04-05T18:31Z')],
      ['time: no such offset', at('2018-04-05T18:31:00X')],
      ['time: offset out of range', at('2018-04-05T18:31:00+25:00')],
      ['time: offset no number', at('2018-04-05T18:31:00+xx:00')],
      ['time: offset without minutes', at('2018-04-05T18:31:00+05')],
      ['empty id', { id: '' }],
      ['empty type', { type: '' }],
      ['empty source', { source: '' }],
      ['empty specversion', { specversion: '' }],
      ['unknown specversion', { specversion: '0.9' }],
      ['datacontenttype: no media type', { datacontenttype: 'xyz' }],
      ['empty datacontenttype', { datacontenttype: '' }],
      ['empty dataschema', { dataschema: '' }],
      ['empty subject', { subject: '' }],
      ['id a number', { id: 25 }],
      ['id an object', { id: { xyz: 'abc' } }],
      ['extension in capitals', { MyExtension: 'bad' }],
      ['extension with punctuation', { 'my.extension': 'bad' }],
      ['extension no whole number', { myextension: 1.5 }],
      ['data twice', { data: 'text', data_base64: 'eyAieHl6IjogMTIzIH0=' }],
    ] as const) {
      it(what, () => {
        const [item, more] = post(event(members))
        expect(item, JSON.stringify(item)).to.include({ ok: false })
        expect(more).to.equal(undefined)
      })
    }
  })

  describe('batches', () => {
    const verdicts = (events: readonly unknown[]) => post(events, BATCH).map((item) => 'ok' in item && item.ok)
    it('valid: empty, one, two alike, different ones', () => {
      expect(verdicts([])).to.deep.equal([])
      expect(verdicts([event()])).to.deep.equal([true])
      expect(verdicts([event(), event()])).to.deep.equal([true, true])
      expect(verdicts([event(), event({ subject: 's', extboolean: true })])).to.deep.equal([true, true])
    })

    it('invalid: mixed versions, an event without id, something else than an event', () => {
      expect(verdicts([event(), event({ id: 'c-2', specversion: '0.9' })])).to.deep.equal([true, false])
      expect(verdicts([event({ id: undefined })])).to.deep.equal([false])
      expect(verdicts(['not an object', event()])).to.deep.equal([false, true])
      expect(post({ not: 'a batch' }, BATCH)[0]).to.include({ ok: false })
    })
  })
})
