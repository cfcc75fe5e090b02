import { expect } from 'chai'
import type { AuthSpec } from '#domain/source'
import { authenticator } from '../../../adapters/auth/authenticate.ts'
import { type HttpOptions, http } from '../../../adapters/sources/http.ts'
import { contextAt, deliver, draftOf, normalize, type Request } from '../../helpers/deliveries.ts'

const OPEN: AuthSpec = { kind: 'none' }
const BASIC: AuthSpec = { kind: 'basic', users: { sender: 'not a real password' } }
const make = (options: Partial<HttpOptions> = {}) => http({ path: 'erp/orders', auth: OPEN, ...options })
const url = (path: string) => `https://gateway.example${path}`
const draft = (options: Partial<HttpOptions>, request: Request) =>
  draftOf(make(options), { url: url('/http/erp/orders'), ...request })
const items = (options: Partial<HttpOptions>, request: Request) =>
  normalize(make(options), { url: url('/http/erp/orders'), ...request })
const json = { 'content-type': 'application/json' }
const events = (found: ReturnType<typeof items>) => found.flatMap((item) => ('draft' in item ? [item.draft] : []))

describe('http: what becomes of a body', () => {
  for (const [what, contentType, body] of [
    ['XML', 'application/xml', '<?xml version="1.0"?>\r\n<Order id="1"> a &amp; b\r\n</Order>'],
    ['a SOAP envelope', 'text/xml; charset=utf-8', '<s:Envelope xmlns:s="u"><s:Body/></s:Envelope>'],
    ['an IDoc', 'application/xml', '<ORDERS05><IDOC BEGIN="1"><EDI_DC40 SEGMENT="1"/></IDOC></ORDERS05>'],
    ['CSV', 'text/csv', 'a;b\r\n1;2\r\n'],
    ['text without a type', undefined, 'anything'],
    ['JSON with a number beyond 2^53', 'application/json', '{ "id": 12345678901234567890 }'],
  ] as const) {
    it(`passes ${what} byte for byte`, () => {
      const found = draft({}, { body, headers: contentType ? { 'content-type': contentType } : {} })
      expect(found.data).to.equal(body)
      expect(found.attributes.datacontenttype).to.equal(contentType?.split(';')[0] ?? 'application/octet-stream')
    })
  }

  it('passes binary as base64', () => {
    const body = Uint8Array.of(0, 255, 1, 254)
    const found = draft({}, { body, headers: { 'content-type': 'application/pdf' } })
    expect(found.dataBase64).to.equal(Buffer.from(body).toString('base64'))
  })

  it('makes the query the data of a request without a body, but no token', () => {
    const address = url('/http/erp/orders?id=4711&tag=a&tag=b&access_token=secret')
    const found = draft({ id: 'query:id' }, { method: 'GET', url: address })
    expect(JSON.parse(found.data ?? '')).to.deep.equal({ id: '4711', tag: ['a', 'b'] })
    expect(found.identity).to.deep.equal({ id: '4711' })
    expect(JSON.stringify(found)).not.to.include('secret')
  })

  it('leaves JSON that is none, and compressed bodies, to an operator', () => {
    expect(items({}, { body: '{', headers: json })).to.deep.equal([{ ok: false, reason: 'not-json' }])
    const zipped = items({}, { body: 'x', headers: { 'content-encoding': 'gzip', 'content-type': 'application/xml' } })
    expect(zipped).to.deep.equal([{ ok: false, reason: 'unsupported-encoding', detail: 'content-encoding' }])
  })
})

describe('http: what an event says', () => {
  it('is named after path and method unless configured, and each is an event of its own', () => {
    const found = draft({}, { body: 'x' })
    expect(found.identity).to.deep.equal({ none: true })
    expect(found.attributes).to.include({ type: 'http.erp.orders.post', source: '/http/erp/orders' })
    expect(draft({}, { body: 'x' }).attributes.id).not.to.equal(found.attributes.id)
    expect(draft({ types: { put: 'sales.order.replaced.v1' } }, { body: 'x', method: 'PUT' }).attributes.type).to.equal(
      'sales.order.replaced.v1',
    )
  })

  it('takes id, type and object from headers and body', () => {
    const found = draft(
      {
        id: 'SAP_ApplicationID',
        type: 'SAP_MessageType',
        types: { ORDERS: 'sales.order.created.v1' },
        object: { type: 'SalesOrder', key: '/order/number' },
      },
      {
        body: '{"order":{"number":"4711"}}',
        headers: { ...json, SAP_ApplicationID: 'app-1', SAP_MessageType: 'ORDERS' },
      },
    )
    expect(found.identity).to.deep.equal({ id: 'app-1' })
    expect(found.object).to.deep.equal({ type: 'SalesOrder', key: '4711' })
    expect(found.attributes).to.include({
      type: 'sales.order.created.v1',
      partitionkey: 'SalesOrder/4711',
      subject: '4711',
    })
  })

  for (const [what, body, contentType] of [
    ['of its type', '<?xml version="1.0"?>\n<n:Order xmlns:n="u" id="7"><No>4711</No></n:Order>', 'application/xml'],
    ['of a type of SOAP', '<Order id="7"><No>4711</No></Order>', 'application/soap+xml; charset=utf-8'],
    ['under no type', '\ufeff  <Order id="7"><No>4711</No></Order>', undefined],
    ['under another type', '<Order id="7"><No>4711</No></Order>', 'text/plain'],
  ] as const) {
    it(`takes them from XML ${what}, and passes it as it came`, () => {
      const options = { id: '/Order/@id', object: { type: 'SalesOrder', key: '/Order/No' } }
      const found = draft(options, { body, headers: contentType ? { 'content-type': contentType } : {} })
      expect([found.identity, found.object?.key]).to.deep.equal([{ id: '7' }, '4711'])
      expect(found.data).to.equal(body.replace('\ufeff', ''))
      expect(found.attributes.datacontenttype).to.equal(contentType?.split(';')[0] ?? 'application/xml')
    })
  }

  it('takes them from XML in another charset, whose bytes it passes', () => {
    const body = Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><a><id>ü</id></a>', 'latin1')
    const found = draft({ id: '/a/id' }, { body, headers: { 'content-type': 'text/xml' } })
    expect(found.identity).to.deep.equal({ id: 'ü' })
    expect(found.dataBase64).to.equal(body.toString('base64'))
  })

  it('says what stood for the wildcard', () => {
    const found = draftOf(make({ path: 'erp/orders/*' }), { url: url('/http/ERP/Orders/AB-1'), body: 'x' })
    expect(found.attributes).to.include({ subject: 'AB-1', partitionkey: 'AB-1', source: '/http/erp/orders/*' })
  })

  it('without its configured id it is for an operator', () => {
    expect(items({ id: 'SAP_ApplicationID' }, { body: 'x' })).to.deep.equal([
      { ok: false, reason: 'attribute-missing', detail: 'id' },
    ])
  })
})

describe('http: a batch becomes events', () => {
  it('of a JSON list, each with its own source text', () => {
    const body = '{"orders":[ {"id":1 , "n":12345678901234567890},{"id":2}]}'
    const found = events(items({ split: { json: '/orders' }, id: '/id' }, { body, headers: json }))
    expect(found.map(({ data }) => data)).to.deep.equal(['{"id":1 , "n":12345678901234567890}', '{"id":2}'])
    expect(found.map(({ identity }) => identity)).to.deep.equal([{ id: '1' }, { id: '2' }])
    expect(events(items({ split: { json: '' } }, { body: '[1,2,3]', headers: json }))).to.have.length(3)
  })

  it('keeps the good parts where one is bad', () => {
    const body = '[{"id":1},{"no":2},{"id":3}]'
    const found = items({ split: { json: '' }, id: '/id' }, { body, headers: json })
    expect(found.map((item) => 'draft' in item)).to.deep.equal([true, false, true])
  })

  it('tells parts apart where their id stands in a header', () => {
    const request = { body: '[1,2]', headers: { ...json, 'x-batch': 'b7' } }
    const found = events(items({ split: { json: '' }, id: 'x-batch' }, request))
    expect(found.map(({ identity }) => identity)).to.deep.equal([{ id: '["b7","0"]' }, { id: '["b7","1"]' }])
  })

  it('of XML elements, each a document of its own with the namespaces it needs', () => {
    const body =
      '<n:Orders xmlns:n="urn:o" xmlns:x="urn:x"><n:Order id="1"><x:a>1 &lt; 2</x:a></n:Order>\n<n:Order id="2"/></n:Orders>'
    const found = events(items({ split: { xml: 'Orders/Order' } }, { body, headers: { 'content-type': 'text/xml' } }))
    expect(found.map(({ data }) => data)).to.deep.equal([
      '<n:Order xmlns:n="urn:o" xmlns:x="urn:x" id="1"><x:a>1 &lt; 2</x:a></n:Order>',
      '<n:Order xmlns:n="urn:o" xmlns:x="urn:x" id="2"/>',
    ])
    expect(found[0]?.attributes.datacontenttype).to.equal('text/xml')
  })

  it('of IDocs in one file, each known by its number', () => {
    const segment = (n: number) =>
      `<IDOC><EDI_DC40><DOCNUM>000${n}</DOCNUM></EDI_DC40><E1EDP01><A>1</A></E1EDP01></IDOC>`
    const body = `<ORDERS05>${segment(1)}${segment(2)}</ORDERS05>`
    const options: Partial<HttpOptions> = { split: { xml: '/ORDERS05/IDOC' }, id: '/IDOC/EDI_DC40/DOCNUM' }
    const found = events(items(options, { body, headers: { 'content-type': 'application/xml' } }))
    expect(found.map(({ identity }) => identity)).to.deep.equal([{ id: '0001' }, { id: '0002' }])
    expect(found.map(({ data }) => data)).to.deep.equal([segment(1), segment(2)])
  })

  it('of CSV lines, by their header', () => {
    const body = 'order;text\r\n1;"a;b ""c""\r\nd"\r\n\r\n2;\r\n'
    const request = { body, headers: { 'content-type': 'text/csv' } }
    const found = events(items({ split: { csv: { separator: ';' } }, id: '/order' }, request))
    expect(found.map(({ data }) => JSON.parse(data ?? ''))).to.deep.equal([
      { order: '1', text: 'a;b "c"\r\nd' },
      { order: '2', text: '' },
    ])
    const bare = events(items({ split: { csv: { header: false } } }, { body: '1,2\n3,' }))
    expect(bare.map(({ data }) => data)).to.deep.equal(['["1","2"]', '["3",""]'])
  })

  for (const [what, split, body, expected] of [
    ['a list that is not there', { json: '/orders' }, '{"order":[]}', 'attribute-missing'],
    ['an empty list', { json: '/orders' }, '{"orders":[]}', 'attribute-missing'],
    ['no such element', { xml: 'Orders/Order' }, '<Other/>', 'attribute-missing'],
    ['10,001 parts', { json: '' }, JSON.stringify(Array(10_001).fill(0)), 'too-large'],
    ['a quote that does not close', { csv: {} }, 'a,b\n"1,2\n', 'not-csv'],
    ['text behind a quote', { csv: {} }, 'a,b\n"1"x,2\n', 'not-csv'],
    ['lines of another length', { csv: {} }, 'a,b\n1,2,3\n', 'not-csv'],
    ['a header with two equal names', { csv: {} }, 'a,a\n1,2\n', 'not-csv'],
  ] as const) {
    it(`leaves ${what} to an operator`, () => {
      const [item, ...more] = items({ split }, { body, headers: {} })
      expect(item).to.include({ ok: false, reason: expected })
      expect(more).to.deep.equal([])
    })
  }

  it('takes a batch of 10,000', () => {
    const body = JSON.stringify(Array.from({ length: 10_000 }, (_, id) => ({ id })))
    expect(events(items({ split: { json: '' }, id: '/id' }, { body, headers: json }))).to.have.length(10_000)
  })
})

describe('http: who may deliver', () => {
  const context = contextAt(undefined, authenticator())
  const basic = (user: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  })
  const both = make({ csrf: false, auth: [{ kind: 'api-key', header: 'x-key', keys: { one: 'k'.repeat(32) } }, BASIC] })
  const verify = (headers: Record<string, string>) => both.verify(deliver({ headers }), context)

  it('any of the ways that are configured', async () => {
    expect(await verify(basic('sender', 'not a real password'))).to.deep.include({ ok: true, authlevel: 'token' })
    expect(await verify({ 'x-key': 'k'.repeat(32) })).to.include({ ok: true })
  })

  it('says of the way that was used why it failed', async () => {
    expect(await verify(basic('sender', 'wrong'))).to.include({ ok: false, reason: 'token-invalid' })
    expect(await verify({ 'x-key': 'wrong' })).to.include({ ok: false, reason: 'token-invalid' })
    expect(await verify({})).to.include({ ok: false, reason: 'token-missing' })
  })

  it('asks for what it takes, because some clients send no password before', async () => {
    expect(await verify({})).to.deep.include({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="Sluice", charset="UTF-8"' },
    })
  })
})

describe('http: what is refused at start', () => {
  for (const [option, options] of [
    ['path', { path: 'a b' }],
    ['path', { path: '' }],
    ['auth', { auth: [] }],
    ['methods', { methods: ['TRACE'] }],
    ['accepted', { accepted: 201 as 202 }],
    ['replyTimeoutMs', { replyWhen: 'handled', replyTimeoutMs: 0 }],
    ['replyTimeoutMs', { replyTimeoutMs: 10 }],
    ['replyType', { replyWhen: 'handled', replyType: 'text/plain\r\nx: y' }],
    ['replyWhen', { replyWhen: 'handled', split: { json: '' } }],
    ['split', { split: { json: '', xml: 'a' } as never }],
    ['split.json', { split: { json: 'orders' } }],
    ['split.xml', { split: { xml: '/' } }],
    ['split.csv.separator', { split: { csv: { separator: '"' } } }],
    ['identity', { id: '/id', identity: 'none' }],
    ['errors', { errors: 'html' as 'text' }],
    ['keep[0]', { keep: ['/order'] }],
    ['keep[1]', { keep: ['x-shop', 'Authorization'] }],
    ['keep[0]', { keep: ['query:access_token'] }],
    ['keep[0]', { keep: ['Cookie'] }],
    ['keep[0]', { keep: ['a b'] }],
    ['keep[0]', { keep: ['X-Shop-Id'], auth: [BASIC, { kind: 'api-key', header: 'x-shop-id', keys: { a: 'k' } }] }],
    ['keep', { keep: 'x-shop' as never }],
  ] as const satisfies readonly (readonly [string, Partial<HttpOptions>])[]) {
    it(`${option}: ${JSON.stringify(options)}`, () => {
      expect(() => make(options))
        .to.throw(`option "${option}"`)
        .with.property('code', 'configuration')
    })
  }
})
