import { expect } from 'chai'
import { type ErpSandbox, erpSandbox } from '../../testing/index.ts'
import { batch, batchHeaders, newOrder, type SapSession, salesOrders, sapSession, v2, v4 } from './support.ts'

const deepOrder = {
  ...newOrder,
  PurchaseOrderByCustomer: 'it-1',
  TransactionCurrency: 'EUR',
  TotalNetAmount: '1234.560',
  to_Item: [{ Material: 'TG11', NetAmount: '1000.000' }, { Material: 'TG12' }],
}

describe('ERP sandbox: OData V2 and V4', () => {
  let erp: ErpSandbox
  let session: SapSession

  before(async () => {
    erp = await erpSandbox()
    session = await sapSession(erp)
  })
  after(() => erp.stop())

  const created = async () => {
    const answer = await session.send('POST', `${v2}${salesOrders}`, deepOrder)
    expect(answer.status).to.equal(201)
    return { key: String(answer.value('d.SalesOrder')), etag: answer.headers.get('etag') ?? '', answer }
  }

  it('numbers orders itself, inserts deeply and speaks V2 JSON', async () => {
    const { key, answer } = await created()
    expect(key).to.match(/^\d+$/)
    expect(answer.headers.get('location')).to.match(new RegExp(`A_SalesOrder\\('${key}'\\)$`))
    expect(answer.value('d.TotalNetAmount')).to.equal('1234.560')
    expect(answer.value('d.LastChangeDateTime')).to.match(/^\/Date\(\d+\+0000\)\/$/)
    expect(answer.value('d.__metadata.etag')).to.equal(answer.headers.get('etag'))
    expect(answer.value('d.to_Item.results.1.SalesOrderItem')).to.equal('20')
    const items = await erp.rows('A_SalesOrderItem')
    expect(items.filter(({ SalesOrder }) => SalesOrder === key)).to.have.length(2)
  })

  it('numbers concurrent creates apart', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, created))
    expect(new Set(answers.map(({ key }) => key)).size).to.equal(20)
  })

  it('takes the same deep insert in V4', async () => {
    const order = { ...deepOrder, TotalNetAmount: 1234.56, to_Item: [{ Material: 'TG11', NetAmount: 1 }] }
    const answer = await session.send('POST', `${v4}${salesOrders}`, order)
    expect(answer.status).to.equal(201)
    expect(answer.value('to_Item.0.SalesOrder')).to.equal(answer.value('SalesOrder'))
    expect(answer.value('TotalNetAmount')).to.equal(1234.56)
  })

  for (const [base, version] of [
    [v2, 'V2'],
    [v4, 'V4'],
  ] as const) {
    it(`demands If-Match and refuses a stale one: ${version}`, async () => {
      const { key, etag } = await created()
      const path = `${base}${salesOrders}('${key}')`
      const change = (headers: Readonly<Record<string, string>>) =>
        session.send('PATCH', path, { SoldToParty: '17100002' }, headers)
      expect((await change({})).status).to.equal(428)
      expect((await session.send('DELETE', path)).status).to.equal(428)
      const first = await change({ 'if-match': etag })
      expect(first.status).to.equal(base === v2 ? 204 : 200)
      expect(first.headers.get('etag')).to.not.equal(etag)
      expect((await change({ 'if-match': etag })).status).to.equal(412)
      expect((await change({ 'if-match': '*' })).status).to.be.lessThan(300)
    })
  }

  it('takes MERGE, and MERGE tunneled through POST', async () => {
    const { key } = await created()
    const path = `${v2}${salesOrders}('${key}')`
    const any = { 'if-match': '*' }
    expect((await session.send('MERGE', path, { SoldToParty: '17100002' }, any)).status).to.equal(204)
    const tunneled = { ...any, 'x-http-method': 'MERGE' }
    expect((await session.send('POST', path, { SoldToParty: '17100003' }, tunneled)).status).to.equal(204)
    expect((await session.send('GET', path)).value('d.SoldToParty')).to.equal('17100003')
  })

  it('does not create what an update does not find', async () => {
    const change = await session.send('PATCH', `${v2}${salesOrders}('1')`, { SoldToParty: '1' }, { 'if-match': '*' })
    expect(change.status).to.equal(404)
    const put = await session.send('PUT', `${v4}${salesOrders}('1')`, { SoldToParty: '1' }, { 'if-match': '*' })
    expect(put.status).to.equal(404)
  })

  it('finds orders by reference and by change time, in pages', async () => {
    const { answer } = await created()
    const stamp = new Date(Number(/\d+/.exec(String(answer.value('d.LastChangeDateTime')))?.[0])).toISOString()
    const filter = `$filter=PurchaseOrderByCustomer eq 'it-1' and LastChangeDateTime ge datetimeoffset'${stamp}'`
    const found = await session.send(
      'GET',
      `${v2}${salesOrders}?${filter}&$orderby=LastChangeDateTime,SalesOrder&$top=1`,
    )
    expect(found.value('d.results.0.SalesOrder')).to.equal(answer.value('d.SalesOrder'))
    const counted = await session.send('GET', `${v2}${salesOrders}?$inlinecount=allpages&$top=0&sap-client=100`)
    expect(counted.value('d.__count')).to.equal(String((await erp.rows('A_SalesOrder')).length))
  })

  it('reports business errors in SAP’s V2 shape, with what an administrator looks up', async () => {
    const answer = await session.send('POST', `${v2}${salesOrders}`, {})
    expect(answer.status).to.equal(400)
    expect(answer.value('error.code')).to.equal('SLUICE/001')
    expect(answer.value('error.message')).to.deep.equal({ lang: 'en', value: 'Enter a value for SalesOrderType' })
    expect(answer.value('error.innererror.transactionid')).to.match(/^[0-9A-F]{32}$/)
    expect(answer.value('error.innererror.timestamp')).to.match(/^\d{14}\.\d{7}$/)
    expect(answer.value('error.innererror.errordetails.0.message')).to.equal('Enter a value for SalesOrderType')
    expect(answer.value('error.innererror.errordetails.0.target')).to.equal('SalesOrderType')
  })

  it('reports them in SAP’s V4 shape too', async () => {
    const answer = await session.send('POST', `${v4}${salesOrders}`, {})
    expect(answer.status).to.equal(400)
    expect(answer.value('error.message')).to.equal('Enter a value for SalesOrderType')
    expect(answer.value('error.target')).to.equal('SalesOrderType')
    expect(answer.value('error.innererror.ErrorDetails')).to.have.property('@SAP__common.TransactionId')
  })

  it('shows what a bad filter and an unknown entity are', async () => {
    expect((await session.send('GET', `${v2}${salesOrders}?$filter=Nope eq 1`)).status).to.equal(400)
    const unknown = await session.send('GET', `${v2}/API_SALES_ORDER_SRV/A_Nothing`)
    expect(unknown.status).to.equal(404)
    expect(unknown.value('error.code')).to.equal('/IWBEP/CM_MGW_RT/020')
    expect((await session.send('GET', '/sap/opu/elsewhere')).status).to.equal(404)
  })

  it('goes on with the other changesets of a batch after one has failed', async () => {
    const { key } = await created()
    const change = (order: string): [string, object][] => [
      [`PATCH A_SalesOrder('${order}')`, { SoldToParty: '17100009' }],
    ]
    const body = batch(change('1'), change(key))
    const answer = await session.send('POST', `${v2}/API_SALES_ORDER_SRV/$batch`, body, batchHeaders)
    expect(answer.status).to.equal(202)
    const inner = [...answer.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)
    expect(inner).to.deep.equal(['404', '204'])
    const [, length, json] = /content-length: (\d+)\r\n[^{]*(\{"error".*)\r\n/.exec(answer.text) ?? []
    expect(Number(length)).to.equal(Buffer.byteLength(json ?? ''))
    expect(json).to.contain('"transactionid"')
    expect((await session.send('GET', `${v2}${salesOrders}('${key}')`)).value('d.SoldToParty')).to.equal('17100009')
  })

  it('keeps business partners as they are: changed at a date and a time, not deletable', async () => {
    const partners = `${v2}/API_BUSINESS_PARTNER/A_BusinessPartner`
    const partner = { BusinessPartnerCategory: '2', OrganizationBPName1: 'Sluice Ltd' }
    const answer = await session.send('POST', partners, partner)
    expect(answer.status).to.equal(201)
    expect(answer.value('d.LastChangeDate')).to.match(/^\/Date\(\d+\)\/$/)
    expect(answer.value('d.LastChangeTime')).to.match(/^PT\d\dH\d\dM\d\dS$/)
    expect(answer.value('d.ETag')).to.have.length(26)
    const path = `${partners}('${answer.value('d.BusinessPartner')}')`
    expect((await session.send('PATCH', path, { SearchTerm1: 'X' })).status).to.equal(428)
    const etag = { 'if-match': answer.headers.get('etag') ?? '' }
    expect((await session.send('PATCH', path, { SearchTerm1: 'X' }, etag)).status).to.equal(204)
    expect((await session.send('PATCH', path, { SearchTerm1: 'Y' }, etag)).status).to.equal(412)
    expect((await session.send('DELETE', path, undefined, { 'if-match': '*' })).status).to.equal(405)
  })

  it('takes any event as a document and finds it again by its reference', async () => {
    const documents = `${v2}/API_SLUICE_DEMO_SRV/IncomingDocuments`
    const document = { ExternalReference: "it's 1", EventType: 'payment.succeeded.v1', Amount: '12.50', Payload: '{}' }
    expect((await session.send('POST', documents, document)).status).to.equal(201)
    const found = await session.send('GET', `${documents}?$filter=ExternalReference eq 'it''s 1'`)
    expect(found.value('d.results.0.Amount')).to.equal('12.500')
    expect(found.value('d.results.0.__metadata.etag')).to.match(/^W\//)
  })

  it('serves its metadata in both versions', async () => {
    const edmx2 = await session.send('GET', `${v2}/API_SALES_ORDER_SRV/$metadata`, undefined, { accept: '*/*' })
    expect(edmx2.text).to.contain('Type="Edm.DateTimeOffset"').and.contain('ConcurrencyMode="Fixed"')
    const edmx4 = await session.send('GET', `${v4}/API_SALES_ORDER_SRV/$metadata`, undefined, { accept: '*/*' })
    expect(edmx4.text).to.contain('Version="4.0"')
  })
})
