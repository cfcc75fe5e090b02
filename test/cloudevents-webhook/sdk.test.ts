import { expect } from 'chai'
import { CloudEvent, emitterFor, HTTP, httpTransport, type Message, Mode } from 'cloudevents'
import fc from 'fast-check'
import { encodeHeader, toBatched, toBinary, toStructured } from '../../adapters/sources/cloudevents-encode.ts'
import { STRUCTURED, structured, type WebhookSite, webhookSite } from '../helpers/webhook-site.ts'

// The official SDK as a foreign peer: it sends and we read, we write and it reads.
describe('CloudEvents SDK', () => {
  let site: WebhookSite
  afterEach(() => site?.close())

  it('delivers in binary and in structured mode over its own transport', async () => {
    site = await webhookSite()
    const transport = httpTransport(`http://127.0.0.1:${site.port}${site.path}`)
    for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
      const emit = emitterFor(transport, { mode })
      const event = new CloudEvent({
        id: mode,
        source: '/sdk',
        type: 'sdk.sent',
        subject: 's',
        data: { text: 'żółć', mode },
      })
      const answer = (await emit(event)) as { body: string }
      expect(JSON.parse(answer.body)).to.include({ status: 'accepted' })
    }
    expect(site.events().map(({ attributes, data }) => [attributes.id, attributes.subject, data])).to.deep.equal([
      ['binary', 's', '{"text":"żółć","mode":"binary"}'],
      ['structured', 's', '{"text":"żółć","mode":"structured"}'],
    ])
  })

  const outgoing = fc.record({
    id: fc.string({ minLength: 1 }).filter((text) => text.trim() !== ''),
    subject: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 }),
    // The SDK reads a lone null or text otherwise than it is written.
    data: fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify(value)),
  })
  const toEvent = ({ id, subject, data }: { id: string; subject: string; data: string }) => ({
    attributes: {
      specversion: '1.0',
      id,
      subject,
      source: '/sluice',
      type: 'sluice.sent',
      datacontenttype: 'application/json',
    } as const,
    data,
  })
  const read = (message: { headers: Readonly<Record<string, string>>; body: string }) =>
    HTTP.toEvent({ ...message, headers: { ...message.headers } } as Message)

  it('reads what we write in structured and in batched mode', () => {
    fc.assert(
      fc.property(fc.array(outgoing, { minLength: 1, maxLength: 3 }), (events) => {
        const batch = read(toBatched(events.map(toEvent))) as CloudEvent<unknown>[]
        const singles = events.map((event) => read(toStructured(toEvent(event))) as CloudEvent<unknown>)
        for (const [index, { id, subject, data }] of events.entries()) {
          for (const found of [batch[index], singles[index]]) {
            expect([found?.id, found?.subject]).to.deep.equal([id, subject])
            expect(found?.data).to.deep.equal(JSON.parse(data))
          }
        }
      }),
    )
  })

  // The SDK does not decode header values, so that only what needs no encoding comes back as it was.
  it('reads what we write in binary mode', () => {
    fc.assert(
      fc.property(outgoing, ({ id, subject, data }) => {
        const found = read(toBinary(toEvent({ id, subject, data }))) as CloudEvent<unknown>
        expect([found.id, found.subject]).to.deep.equal([encodeHeader(id), encodeHeader(subject)])
        expect(found.data).to.deep.equal(JSON.parse(data))
      }),
    )
  })

  it('reads our answers as events, in the mode that the sender accepts', async () => {
    site = await webhookSite({ replyAs: 'event' })
    const body = `[${structured('1')},${structured('2')},{}]`
    const ask = async (accept?: string) => {
      const headers = { 'content-type': 'application/cloudevents-batch+json', ...(accept ? { accept } : {}) }
      const answer = await site.deliver({ body, headers })
      expect(answer.status).to.equal(202)
      return HTTP.toEvent({ headers: answer.headers as Record<string, string>, body: answer.text })
    }
    const batched = (await ask('application/cloudevents-batch+json')) as CloudEvent<unknown>[]
    expect(batched.map(({ type }) => type)).to.deep.equal([
      'sluice.delivery.accepted.v1',
      'sluice.delivery.accepted.v1',
      'sluice.delivery.quarantined.v1',
    ])
    expect(new Set(batched.map(({ id }) => id)).size).to.equal(3)
    for (const accept of ['application/cloudevents+json', undefined]) {
      const whole = (await ask(accept)) as CloudEvent<{ status: string; delivery: string }>
      expect([whole.source, whole.data?.delivery]).to.deep.equal([site.path, whole.id])
    }
  })

  it('finds no event in our answers where nobody asked for one', async () => {
    site = await webhookSite()
    const answer = await site.deliver({ headers: { 'content-type': STRUCTURED, accept: '*/*' } })
    expect(HTTP.isEvent({ headers: answer.headers as Record<string, string>, body: answer.text })).to.equal(false)
  })
})
