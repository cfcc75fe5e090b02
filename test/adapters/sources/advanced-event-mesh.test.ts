import { expect } from 'chai'
import type { AuthSpec } from '#domain/source'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { advancedEventMesh } from '../../../adapters/sources/index.ts'
import { draftOf } from '../../helpers/deliveries.ts'
import { frontDoor } from '../../helpers/front-door.ts'

const TOPIC = 'default/sap.s4/S4D/ce/sap/s4/beh/businesspartner/v1/BusinessPartner/Created/v1'
const event = (id: string) =>
  JSON.stringify({
    specversion: '1.0',
    id,
    source: '/default/sap.s4.beh/S4D',
    type: 'sap.s4.beh.businesspartner.v1.BusinessPartner.Created.v1',
    data: { BusinessPartner: '1' },
  })
const solace = {
  'solace-correlation-id': 'c-1',
  'solace-delivery-mode': 'Persistent',
  'solace-dmq-eligible': 'true',
  'solace-time-to-live-in-ms': '60000',
}
const make = (auth: AuthSpec = { kind: 'none' }, topicHeader?: string) =>
  advancedEventMesh({ queue: 'q', auth, ...(topicHeader ? { topicHeader } : {}) })

describe('advanced-event-mesh: messages', () => {
  it('reads CloudEvents whatever the content type of the message was', () => {
    for (const type of ['application/cloudevents+json', 'text/plain', 'application/octet-stream']) {
      const draft = draftOf(make(), { body: event('1'), headers: { 'content-type': type, ...solace } })
      expect(draft.object, type).to.deep.equal({ type: 'BusinessPartner', key: '1' })
    }
  })

  it('reads anything else by its topic, in the header that the queue binding fills', () => {
    for (const [header, value] of [
      ['x-address', `topic:${TOPIC}`],
      ['x-topic', TOPIC],
    ] as const) {
      const draft = draftOf(make({ kind: 'none' }, header), {
        body: '{"BusinessPartner":"7"}',
        headers: { [header]: value },
      })
      expect(draft.attributes.providertype).to.equal('sap.s4.beh.businesspartner.v1.BusinessPartner.Created.v1')
      expect(draft.object?.key).to.equal('7')
    }
  })

  it('is refused at start without a queue, or with a header that is none', () => {
    expect(() => advancedEventMesh({ queue: '', auth: { kind: 'none' } })).to.throw(/"queue"/)
    expect(() => make({ kind: 'none' }, 'x topic')).to.throw(/"topicHeader"/)
  })
})

describe('advanced-event-mesh over HTTP', () => {
  let door: Awaited<ReturnType<typeof frontDoor>>
  before(async () => {
    door = await frontDoor({
      sources: {
        open: make(),
        basic: make({ kind: 'basic', users: { broker: 'pass' } }),
        header: make({ kind: 'api-key', header: 'x-token', keys: { broker: 'k' } }),
      },
      authenticate: authenticator(),
    })
  })
  after(() => door?.close())
  const send = (path: string, body: string, headers = {}) =>
    door.send({ path: `/webhooks/${path}`, body, headers: { 'content-type': 'application/json', ...headers } })

  // Fails as soon as an answer is 202 or 204: the broker then repeats the message every 30 s, for ever.
  it('answers exactly 200 to all it stores: new, repeated, poison, empty', async () => {
    const bodies = [event('1'), event('1'), event('1').replace('"1"}', '"2"}'), '{', '', '[]']
    const answers = []
    for (const body of bodies) answers.push(await send('open', body, solace))
    expect(answers.map(({ status }) => status)).to.deep.equal(bodies.map(() => 200))
    expect(answers.map(({ text }) => JSON.parse(text).status)).to.deep.equal([
      'accepted',
      'duplicate',
      'conflict',
      'quarantined',
      'quarantined',
      'quarantined',
    ])
  })

  it('keeps with the delivery that a reply is expected', async () => {
    await send('open', event('2'), {
      ...solace,
      'solace-reply-wait-time-in-ms': 'FOREVER',
      'solace-user-property-x': 's',
    })
    const kept = JSON.parse(door.deliveries().at(-1)?.headers ?? '{}')
    expect(kept).to.include({ ...solace, 'solace-reply-wait-time-in-ms': 'FOREVER' })
    expect(kept, 'anything else may be a secret').to.not.have.property('solace-user-property-x')
  })

  it('lets the consumer prove itself in every way that a REST consumer can', async () => {
    const basic = { authorization: `Basic ${Buffer.from('broker:pass').toString('base64')}` }
    expect((await send('basic', event('3'), basic)).status).to.equal(200)
    expect((await send('basic', event('3'))).status).to.equal(401)
    expect((await send('header', event('3'), { 'x-token': 'k' })).status).to.equal(200)
    expect((await send('header', event('3'), { 'x-token': 'j' })).status).to.equal(401)
  })

  it('knows no handshake', async () => {
    expect((await door.send({ method: 'OPTIONS', path: '/webhooks/open' })).status).to.equal(405)
  })
})
