import { expect } from 'chai'
import { parseJson } from '../../../adapters/sources/json.ts'
import { catalogOf, S4_CATALOG } from '../../../adapters/sources/s4-catalog.ts'
import { catalogEntities } from '../../../adapters/sources/s4-entities.ts'
import { readS4Event } from '../../../adapters/sources/s4-event.ts'

const read = (event: string, data: object, catalog = S4_CATALOG) =>
  readS4Event(`sap.s4.beh.x.v1.${event}.v1`, parseJson(JSON.stringify(data)), catalog)

describe('the S/4 catalog', () => {
  it('has 43 rows, one for each object and its items, and says which are only inferred', () => {
    const names = S4_CATALOG.rows.map(({ object, of }) => `${object}/${of}`)
    expect(names).to.have.length(43)
    expect(new Set(names).size).to.equal(43)
    expect(new Set(S4_CATALOG.rows.map(({ type }) => type)).size).to.equal(43)
    expect(S4_CATALOG.rows.filter(({ evidence }) => evidence === 'inferred').length).to.be.above(10)
    for (const { apis } of S4_CATALOG.rows) {
      for (const api of apis) expect(api.evidence, api.entity).to.be.oneOf(['verified', 'inferred'])
    }
  })

  it('keys an entity by as many elements as its events have fields', () => {
    for (const { object, key, apis } of S4_CATALOG.rows) {
      for (const api of apis) if (api.key) expect(api.key.length, `${object} ${api.entity}`).to.equal(key.length)
    }
  })

  for (const [event, data, expected] of [
    [
      'SalesOrder.Changed',
      { SalesOrder: '1' },
      {
        type: 'sales.order.changed.v1',
        object: { type: 'SalesOrder', key: '1' },
        partitionkey: 'SalesOrder/1',
        nature: 'state',
      },
    ],
    [
      'SalesOrder.ItemChanged',
      { SalesOrder: '1', SalesOrderItem: '10' },
      {
        type: 'sales.orderitem.changed.v1',
        object: { type: 'SalesOrderItem', key: '1/10' },
        partitionkey: 'SalesOrder/1',
        nature: 'state',
      },
    ],
    [
      'PurchaseRequisition.ItemChanged',
      { PurchaseRequisition: '10000001', PurchaseRequisitionItem: '10' },
      {
        type: 'procurement.requisitionitem.changed.v1',
        object: { type: 'PurchaseRequisitionItem', key: '10000001/10' },
        partitionkey: 'PurchaseRequisition/10000001',
        nature: 'state',
      },
    ],
    [
      'SalesOrder.ItmDelivStsChgd',
      { SalesOrder: '1', SalesOrderItem: '10' },
      {
        type: 'sales.orderitem.delivstschgd.v1',
        object: { type: 'SalesOrderItem', key: '1/10' },
        partitionkey: 'SalesOrder/1',
        nature: 'fact',
      },
    ],
    [
      'OutboundDelivery.ItemChanged',
      { OutboundDelivery: '8', OutboundDeliveryItem: '10' },
      {
        type: 'logistics.outbounddelivery.itemchanged.v1',
        object: { type: 'OutboundDelivery', key: '8' },
        partitionkey: 'OutboundDelivery/8',
        nature: 'fact',
      },
    ],
    [
      'SupplierInvoice.Posted',
      { SupplierInvoice: '5', FiscalYear: '2026' },
      {
        type: 'procurement.invoice.posted.v1',
        object: { type: 'SupplierInvoice', key: '5/2026' },
        partitionkey: 'SupplierInvoice/5/2026',
        nature: 'fact',
      },
    ],
    [
      'MaterialDocument.Created',
      { MaterialDocumentYear: '2026', MaterialDocument: '7' },
      {
        type: 'logistics.materialdocument.created.v1',
        object: { type: 'MaterialDocument', key: '2026/7' },
        partitionkey: 'MaterialDocument/2026/7',
        nature: 'fact',
      },
    ],
    [
      'ReservationDocument.ItemChanged',
      { Reservation: '1', ReservationItem: '2', RecordType: '' },
      { type: 'logistics.reservationitem.changed.v1', nature: 'fact' },
    ],
    ['ProfitCenter.Changed', { ProfitCenter: 'P1' }, { type: 'finance.profitcenter.changed.v1', nature: 'fact' }],
    ['ZOrder.Changed', { ZOrder: '1' }, { nature: 'fact' }],
    ['toString.Changed', {}, { nature: 'fact' }],
  ] as const) {
    it(`${event}: ${'type' in expected ? expected.type : 'nothing'}`, () => {
      expect(read(event, data)).to.deep.equal(expected)
    })
  }

  it('is changed and added to by configuration', () => {
    const catalog = catalogOf({
      ZOrder: { type: 'custom.order', key: ['OrderId'] },
      SalesOrder: { type: 'commerce.order' },
      'ZOrder/items': { type: 'custom.orderitem', key: ['OrderId', 'Line'], nature: 'fact' },
    })
    expect(read('ZOrder.Changed', { OrderId: '1' }, catalog)).to.deep.include({
      type: 'custom.order.changed.v1',
      object: { type: 'ZOrder', key: '1' },
      nature: 'state',
    })
    expect(read('ZOrder.ItemChanged', { OrderId: '1', Line: '2' }, catalog)).to.deep.include({
      type: 'custom.orderitem.changed.v1',
      object: { type: 'ZOrderItem', key: '1/2' },
      partitionkey: 'ZOrder/1',
      nature: 'fact',
    })
    expect(read('SalesOrder.Changed', { SalesOrder: '1' }, catalog)).to.deep.include({
      type: 'commerce.order.changed.v1',
      object: { type: 'SalesOrder', key: '1' },
    })
    expect(read('SalesOrder.Changed', { SalesOrder: '1' }).type, 'SAP’s own stays').to.equal('sales.order.changed.v1')
  })

  for (const [what, overrides] of [
    ['a new object without a key', { ZOrder: { type: 'custom.order' } }],
    ['a name that is none', { 'Z Order': { type: 'x', key: ['a'] } }],
    ['parts that are no items', { 'ZOrder/lines': { type: 'x', key: ['a'] } }],
    [
      'an entity keyed by more than the events have',
      { ZOrder: { type: 'x', key: ['a'], apis: [{ version: 'v2', service: 's', entity: 'e', key: ['a', 'b'] }] } },
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(() => catalogOf(overrides))
        .to.throw(/sluice\.catalog\./)
        .with.property('code', 'configuration')
    })
  }

  it('finds the entities at a target’s address, readonly, in the version it speaks', () => {
    const root = 'https://my300000-api.s4hana.ondemand.com/sap/opu'
    expect(catalogEntities(S4_CATALOG, 'v2', `${root}/odata/sap/API_SALES_ORDER_SRV`)).to.deep.equal({
      A_SalesOrder: { key: ['SalesOrder'], object: 'SalesOrder', readonly: true, version: 'LastChangeDateTime' },
      A_SalesOrderItem: { key: ['SalesOrder', 'SalesOrderItem'], object: 'SalesOrderItem', readonly: true },
    })
    const v4 = `${root}/odata4/sap/api_salesorder/srvd_a2x/sap/salesorder/0001`
    expect(Object.keys(catalogEntities(S4_CATALOG, 'v4', v4))).to.deep.equal(['SalesOrder'])
    expect(catalogEntities(S4_CATALOG, 'v2', v4)).to.deep.equal({})
    const delivery = catalogEntities(S4_CATALOG, 'v2', '/sap/opu/odata/sap/API_OUTBOUND_DELIVERY_SRV;v=0002')
    expect(delivery.A_OutbDeliveryHeader).to.deep.include({ key: ['DeliveryDocument'], object: 'OutboundDelivery' })
    // An entity that no event's fields can address is none of ours.
    expect(catalogEntities(S4_CATALOG, 'v2', '/x/API_JOURNALENTRYITEMBASIC_SRV')).to.deep.equal({})
  })
})
