import { expect } from 'chai'
import { CloudEvent, HTTP } from 'cloudevents'
import fc from 'fast-check'
import type { Reply, SourceContext } from '#domain/source'
import { refuse } from '#domain/verification'
import { type EventMeshOptions, eventMesh } from '../../../adapters/sources/event-mesh.ts'
import { bytes, contextAt, deliver, draftOf, normalize } from '../../helpers/deliveries.ts'

const auth = {
  kind: 'jwt',
  jwksUrl: 'https://uaa.example/token_keys',
  audience: 'app',
  scope: 'app.emcallback',
} as const
const make = (options: Partial<EventMeshOptions> = {}) => eventMesh({ queue: 'ns/queue', auth, ...options })
const source = make()

const s4 = (type: string, data: unknown, members: Record<string, unknown> = {}) =>
  JSON.stringify({
    type: `sap.s4.beh.${type}`,
    specversion: '1.0',
    source: '/default/sap.s4.beh/244572008',
    id: '194780e0-b5db-1ede-b58a-4550178dff9e',
    time: '2026-03-01T02:53:06Z',
    datacontenttype: 'application/json',
    data,
    ...members,
  })
const read = (body: string, headers: Record<string, string> = {}) =>
  draftOf(source, { body, headers: { 'content-type': 'application/cloudevents+json; charset=utf-8', ...headers } })

describe('event-mesh: S/4HANA events', () => {
  it('reads an order: object, lane, state; the identity holds source and id', () => {
    const body = s4('salesorder.v1.SalesOrder.Changed.v1', { SalesOrder: '4711', SalesOrderType: 'OR' })
    expect(read(body)).to.deep.equal({
      identity: { id: '["/default/sap.s4.beh/244572008","194780e0-b5db-1ede-b58a-4550178dff9e"]' },
      attributes: {
        id: '194780e0-b5db-1ede-b58a-4550178dff9e',
        source: '/default/sap.s4.beh/244572008',
        type: 'sales.order.changed.v1',
        providertype: 'sap.s4.beh.salesorder.v1.SalesOrder.Changed.v1',
        subject: '4711',
        time: '2026-03-01T02:53:06Z',
        datacontenttype: 'application/json',
        partitionkey: 'SalesOrder/4711',
      },
      nature: 'state',
      object: { type: 'SalesOrder', key: '4711' },
      data: '{"SalesOrder":"4711","SalesOrderType":"OR"}',
    })
  })

  it('puts items into the lane of their document', () => {
    const item = read(s4('salesorder.v1.SalesOrder.ItemChanged.v1', { SalesOrder: '4711', SalesOrderItem: '10' }))
    expect(item.object).to.deep.equal({ type: 'SalesOrderItem', key: '4711/10' })
    expect(item.attributes.partitionkey).to.equal('SalesOrder/4711')
    expect(item.nature).to.equal('state')
    const keyless = read(s4('salesorder.v1.SalesOrder.ItemChanged.v1', { SalesOrder: '4711' }))
    expect(keyless)
      .to.include({ nature: 'fact' })
      .and.have.nested.property('attributes.partitionkey', 'SalesOrder/4711')
  })

  it('reads composite keys in the order of the table, and numbers exactly', () => {
    const invoice = read(
      s4('supplierinvoice.v1.SupplierInvoice.Posted.v1', { FiscalYear: 2026, SupplierInvoice: '5105600101' }),
    )
    expect(invoice.object).to.deep.equal({ type: 'SupplierInvoice', key: '5105600101/2026' })
    const body = s4('product.v1.Product.Created.v1', { Product: 0 }).replace(
      '"Product":0',
      '"Product":9007199254740993',
    )
    expect(read(body).object).to.deep.equal({ type: 'Product', key: '9007199254740993' })
  })

  it('takes for facts what happened, and for states only plain changes', () => {
    const nature = (event: string, data: object = {}) =>
      read(s4(`x.v1.${event}.v1`, { SalesOrder: '1', PurchaseOrder: '2', BusinessPartner: '3', ...data })).nature
    for (const state of [
      'SalesOrder.Created',
      'SalesOrder.Changed',
      'BusinessPartner.Changed',
      'PurchaseOrder.Created',
    ]) {
      expect(nature(state), state).to.equal('state')
    }
    for (const fact of [
      'SalesOrder.Deleted',
      'SalesOrder.ApprovalStsChanged',
      'SalesOrder.OvrlDelivStsChgd',
      'SalesOrder.ItmRjcnStsChgd',
      'PurchaseOrder.Approved',
      'PurchaseOrder.ApprovalRejected',
      'UnknownThing.Changed',
    ]) {
      expect(nature(fact), fact).to.equal('fact')
    }
    expect(nature('SalesOrder.Changed', { PreviousOverallSDProcessStatus: 'A' })).to.equal('fact')
  })

  it('keeps two facts about one order two events in one lane', () => {
    const [paid, approved] = ['1', '2'].map((id) =>
      read(s4('salesorder.v1.SalesOrder.Deleted.v1', { SalesOrder: '1' }, { id })),
    )
    expect(paid?.identity).to.not.deep.equal(approved?.identity)
    expect(paid?.attributes.partitionkey).to.equal(approved?.attributes.partitionkey)
  })

  it('passes an unknown object as a fact, in the lane of its subject if it has one', () => {
    const custom = read(s4('zthing.v1.ZThing.Done.v1', { ZThing: '1' }, { subject: 'thing 1' }))
    expect(custom).to.include({ nature: 'fact' }).and.have.nested.property('attributes.partitionkey', 'thing 1')
    expect(read(s4('zthing.v1.ZThing.Done.v1', { ZThing: '1' })).attributes).to.not.have.property('partitionkey')
    const long = read(s4('zthing.v1.ZThing.Done.v1', {}, { subject: 's'.repeat(500) }))
    expect(long.attributes.partitionkey).to.match(/^sha256:/)
  })
})

describe('event-mesh: sloppy events', () => {
  it('strips blanks around attribute names', () => {
    const body = s4('salesorder.v1.SalesOrder.Created.v1', { SalesOrder: '1' })
      .replace('"datacontenttype"', '" datacontenttype"')
      .replace('"data":', '" data ":')
      .replace('"id"', '" id"')
    const draft = read(body)
    expect(draft.attributes).to.include({ datacontenttype: 'application/json', partitionkey: 'SalesOrder/1' })
    expect(draft.data).to.equal('{"SalesOrder":"1"}')
  })

  it('mends times in ABAP notations and leaves out what is none', () => {
    const timeOf = (time: unknown) => read(s4('x.v1.X.Done.v1', {}, { time })).attributes.time
    expect(timeOf('2018-04-08 08:31:00')).to.equal('2018-04-08T08:31:00Z')
    expect(timeOf('2018-04-08T08:31:00')).to.equal('2018-04-08T08:31:00Z')
    expect(timeOf('20180408083100.1234567')).to.equal('2018-04-08T08:31:00.1234567Z')
    expect(timeOf(20180408083100)).to.equal('2018-04-08T08:31:00Z')
    expect(timeOf('2018-04-08T08:31:00+0200')).to.equal('2018-04-08T08:31:00+02:00')
    expect(timeOf('/Date(1523176260000)/')).to.equal('2018-04-08T08:31:00.000Z')
    expect(timeOf(1523176260)).to.equal('2018-04-08T08:31:00.000Z')
    expect(timeOf('2018-04-08T08:31:00.1234567+02:00')).to.equal('2018-04-08T08:31:00.1234567+02:00')
    for (const none of ['yesterday', '', '2018-13-45 99:99:99', null, 12]) expect(timeOf(none)).to.equal(undefined)
  })

  it('takes types without an object segment, and events without subject, time or source', () => {
    const body = '{"specversion":"1.0","id":"1","type":"sap.s4.beh.FreightOrder.Created.v1","data":{}}'
    expect(read(body).attributes).to.deep.equal({
      id: '1',
      source: 'ns/queue',
      type: 'transport.freightorder.created.v1',
      providertype: 'sap.s4.beh.FreightOrder.Created.v1',
      datacontenttype: 'application/json',
    })
    const order = '{"specversion":"1.0","id":"1","type":"sap.s4.beh.SalesOrder.Created.v1","data":{"SalesOrder":"7"}}'
    expect(read(order).attributes.partitionkey).to.equal('SalesOrder/7')
  })

  it('reads events of any content type, binary ones, and batches', () => {
    const body = s4('salesorder.v1.SalesOrder.Created.v1', { SalesOrder: '1' })
    for (const type of [
      'application/json',
      'text/plain; charset=iso-8859-1',
      'application/cloudevents+json;charset=UTF-8',
      '',
    ]) {
      expect(read(body, { 'content-type': type }).object, type).to.deep.equal({ type: 'SalesOrder', key: '1' })
    }
    const binary = draftOf(source, {
      body: '{"BusinessPartner":"1000667"}',
      headers: {
        'content-type': 'application/json',
        'ce-specversion': '1.0',
        'ce-id': '1',
        'ce-source': '/a',
        'ce-type': 'sap.s4.beh.businesspartner.v1.BusinessPartner.Changed.v1',
        'ce-sapconsumertenant': 't',
      },
    })
    expect(binary.object).to.deep.equal({ type: 'BusinessPartner', key: '1000667' })
    const batch = `[${body},${body.replace('"1"', '"2"')}]`
    expect(normalize(source, { body: batch })).to.have.lengthOf(2)
  })

  it('reads what the CloudEvents SDK writes in both modes as the same event', () => {
    const event = new CloudEvent({
      id: 'sdk-1',
      source: '/sdk',
      type: 'sap.s4.beh.salesorder.v1.SalesOrder.Changed.v1',
      subject: 'żółć',
      time: '2026-03-01T02:53:06.000Z',
      data: { SalesOrder: '4711' },
    })
    const written = [HTTP.structured(event), HTTP.binary(event)]
    const [one, other] = written.map(({ headers, body }) =>
      draftOf(source, { headers: headers as Record<string, string>, body: String(body) }),
    )
    expect(one?.attributes).to.include({ id: 'sdk-1', source: '/sdk', subject: 'żółć', time: event.time })
    expect(one?.object).to.deep.equal({ type: 'SalesOrder', key: '4711' })
    expect(one?.data).to.equal('{"SalesOrder":"4711"}')
    const { datacontenttype, ...attributes } = other?.attributes ?? {}
    expect({ ...other, attributes: { ...attributes, datacontenttype: 'application/json' } }).to.deep.equal(one)
    expect(datacontenttype).to.match(/^application\/json/)
  })

  it('reads plain JSON by its topic, each delivery an event of its own', () => {
    const topic = 'topic:sap/S4HANAOD/c1/ce/sap/s4/beh/salesorder/v1/SalesOrder/Changed/v1'
    const plain = { body: '{"SalesOrder":"42"}', headers: { 'x-address': topic, 'content-type': 'application/json' } }
    const draft = draftOf(source, plain)
    expect(draft.identity).to.deep.equal({ none: true })
    expect(draft.attributes).to.include({
      type: 'sales.order.changed.v1',
      source: 'ns/queue',
      partitionkey: 'SalesOrder/42',
    })
    expect(draft.attributes.id).to.not.equal(draftOf(source, plain).attributes.id)
    const own = draftOf(source, { body: 'any text', headers: { 'x-address': 'topic:my/own/topic' } })
    expect(own).to.have.nested.property('attributes.type', 'my.own.topic')
    expect(own.data).to.equal('any text')
    const bytesOnly = draftOf(source, { body: Uint8Array.of(255, 0), headers: { 'x-address': 'topic:a/b' } })
    expect(bytesOnly.dataBase64).to.equal('/wA=')
  })

  // Else a handler would fail at it for sixteen hours, and what publishes it would send broken JSON.
  it('quarantines what calls itself JSON and is none, and takes text and bytes without a type for what they are', () => {
    const plain = (body: string | Uint8Array, type?: string) =>
      normalize(source, { body, headers: { 'x-address': 'topic:a/b', ...(type ? { 'content-type': type } : {}) } })
    for (const body of ['{"specversion":"1.0"', 'any text', ' ', Uint8Array.of(255, 0)]) {
      expect(plain(body, 'application/json'), String(body)).to.deep.equal([{ ok: false, reason: 'not-json' }])
    }
    const typeOf = (body: string | Uint8Array, headers: Record<string, string> = { 'x-address': 'topic:a/b' }) =>
      draftOf(source, { body, headers }).attributes.datacontenttype
    expect([typeOf('any text'), typeOf('{"a":1}'), typeOf(Uint8Array.of(255, 0)), typeOf('')]).to.deep.equal([
      'text/plain',
      'application/json',
      'application/octet-stream',
      'application/json',
    ])
    expect(plain('any text', 'text/csv')).to.have.nested.property('[0].draft.attributes.datacontenttype', 'text/csv')
    const binary = {
      'ce-specversion': '1.0',
      'ce-id': '1',
      'ce-source': '/a',
      'ce-type': 'sap.x.SalesOrder.Created.v1',
    }
    expect(typeOf('any text', binary)).to.equal('text/plain')
    const order = draftOf(source, { body: '{"SalesOrder":"1"}', headers: binary })
    expect(order.object, 'JSON without a type is read all the same').to.deep.equal({ type: 'SalesOrder', key: '1' })
  })

  it('quarantines what has neither envelope nor topic, and events without id or type', () => {
    const plain = (headers: Record<string, string>) => normalize(source, { body: '{"a":1}', headers })
    const unknown = [{ ok: false, reason: 'unknown-topic', detail: 'x-address' }]
    expect(plain({})).to.deep.equal(unknown)
    expect(plain({ 'x-address': 'queue:' })).to.deep.equal(unknown)
    expect(plain({ 'x-address': 'topic:' })).to.deep.equal(unknown)
    expect(plain({ 'x-address': 'topic:a', 'content-encoding': 'gzip' })).to.have.nested.property(
      '[0].reason',
      'unsupported-encoding',
    )
    const without = (name: string) => normalize(source, { body: s4('x.v1.X.Done.v1', {}, { [name]: undefined }) })
    for (const name of ['id', 'type']) {
      expect(without(name)).to.deep.equal([{ ok: false, reason: 'attribute-missing', detail: name }])
    }
  })

  it('takes the type that an event lacks from its topic', () => {
    const body = s4('x', { SalesOrder: '42' }, { type: undefined })
    const draft = read(body, { 'x-address': 'topic:sap/S4/c1/ce/sap/s4/beh/salesorder/v1/SalesOrder/Changed/v1' })
    expect(draft.attributes.providertype).to.equal('sap.s4.beh.salesorder.v1.SalesOrder.Changed.v1')
    expect(draft.object).to.deep.equal({ type: 'SalesOrder', key: '42' })
  })

  it('reads messages that were sent to the queue itself', () => {
    const draft = draftOf(source, { body: '{"a":1}', headers: { 'x-address': 'queue:ns/a/orders' } })
    expect(draft.attributes).to.include({ type: 'ns.a.orders', source: 'ns/queue' })
    expect(draft.identity).to.deep.equal({ none: true })
  })

  it('reads topics of any characters, as bytes that Node shows in Latin-1', () => {
    const typeOf = (topic: string) =>
      draftOf(source, { body: 'x', headers: { 'x-address': `topic:${Buffer.from(topic).toString('latin1')}` } })
        .attributes.type
    expect(typeOf('my/żółć/日本/🚰')).to.equal('my.żółć.日本.🚰')
    expect(typeOf('a b/c+d/%41/*/>/$share')).to.equal('a b.c+d.%41.*.>.$share')
    expect(typeOf('a//b/')).to.equal('a..b.')
    const long = normalize(source, { body: 'x', headers: { 'x-address': `topic:${'t'.repeat(300)}` } })
    expect(long[0], 'too long for its column: quarantine, by the check of drafts').to.have.property('ok', true)
  })

  it('reads bodies over 1 MB and batches of 10,000', () => {
    const big = s4('salesorder.v1.SalesOrder.Changed.v1', { SalesOrder: '1', text: 'ż'.repeat(800_000) })
    expect(read(big).data).to.have.lengthOf(800_000 + '{"SalesOrder":"1","text":""}'.length)
    const batch = `[${Array.from({ length: 10_000 }, (_, n) => s4('x.v1.X.Done.v1', { n })).join(',')}]`
    expect(normalize(source, { body: batch })).to.have.lengthOf(10_000)
    expect(source.limits?.maxBytes).to.be.greaterThan(Buffer.byteLength(batch))
  })

  it('normalizes any garbage without throwing', () => {
    const junk = fc.oneof(fc.json().map(bytes), fc.string({ unit: 'binary' }).map(bytes), fc.uint8Array())
    const value = fc.jsonValue({ depthSize: 'small' })
    fc.assert(
      fc.property(junk, fc.string(), (body, topic) => {
        expect(normalize(source, { body, headers: { 'x-address': `topic:${topic}` } })).to.be.an('array')
      }),
    )
    fc.assert(
      fc.property(
        fc.constantFrom('id', 'type', 'source', 'time', 'subject', 'data', 'datacontenttype'),
        value,
        (name, odd) => {
          const body = s4('salesorder.v1.SalesOrder.Changed.v1', { SalesOrder: '1' }, { [name]: odd })
          expect(normalize(source, { body })).to.be.an('array')
        },
      ),
    )
  })
})

describe('event-mesh: caller and handshake', () => {
  const known: SourceContext['authenticate'] = async () => ({
    ok: true,
    principal: { name: 'em', scopes: ['app.emcallback'] },
  })
  const greet = async (mesh: typeof source, authenticate?: SourceContext['authenticate'], origin = 'em.example.com') =>
    (await mesh.handshake?.(
      deliver({ method: 'OPTIONS', headers: { 'webhook-request-origin': origin } }),
      contextAt(undefined, authenticate),
    )) as Reply

  it('never refuses content', () => {
    expect(source.acknowledge).to.equal('always-ok')
  })

  it('asks for the token in the handshake too: anonymous 401, wrong scope 403, keys unreachable 503', async () => {
    for (const why of [
      refuse('token-missing'),
      refuse('scope-missing', 403),
      { ok: 'unknown', retryAfterMs: 4_500 },
    ] as const) {
      expect(await greet(source, async () => why)).to.deep.equal(why)
    }
    expect(await greet(source, known)).to.deep.include({ status: 200 })
  })

  it('grants a known caller its origin, or only those on the list', async () => {
    expect((await greet(source, known)).headers).to.include({ 'webhook-allowed-origin': 'em.example.com' })
    const listed = make({ allowedOrigins: ['em.example.com'] })
    expect((await greet(listed, known)).status).to.equal(200)
    expect(await greet(listed, known, 'evil.example.com')).to.deep.equal({ status: 403, headers: { allow: 'POST' } })
  })

  it('grants nobody where nobody is asked for a token and no origin is listed', async () => {
    expect((await greet(make({ auth: { kind: 'none' } }))).status).to.equal(403)
    const open = make({ auth: { kind: 'none' }, allowedOrigins: ['*'] })
    expect((await greet(open)).status).to.equal(200)
  })

  it('verifies the caller, not the body', async () => {
    const context = contextAt(undefined, known)
    expect(await source.verify(deliver({ body: 'anything' }), context)).to.deep.equal({
      ok: true,
      authlevel: 'token',
      principal: { name: 'em', scopes: ['app.emcallback'] },
    })
    const anonymous = contextAt(undefined, async () => refuse('token-missing'))
    expect(await source.verify(deliver(), anonymous)).to.include({ ok: false, reason: 'token-missing' })
  })

  it('is refused at start without queue or auth', () => {
    expect(() => make({ queue: '' })).to.throw(/"queue" is empty/)
    expect(() => eventMesh({ queue: 'q' } as never)).to.throw(/"auth" is missing/)
  })
})
