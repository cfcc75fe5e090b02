import { expect } from 'chai'
import type { Target } from '#domain/target'
import { odataTarget } from '../../../adapters/odata/index.ts'
import { parseMetadata } from '../../../adapters/odata/metadata.ts'
import { S4_CATALOG } from '../../../adapters/sources/s4-catalog.ts'
import { catalogEntities } from '../../../adapters/sources/s4-entities.ts'
import { type ErpSandbox, erpSandbox } from '../../../testing/index.ts'
import { faultOf } from '../../helpers/faults.ts'
import { reply } from '../../helpers/scripted-server.ts'
import { openings, v4Error } from './support.ts'

const edmx = (inner: string) =>
  `<?xml version="1.0"?><edmx:Edmx Version="4.0" xmlns:edmx="urn:e"><edmx:DataServices>${inner}</edmx:DataServices></edmx:Edmx>`
const ORDERS = edmx(
  `<Schema Namespace="S"><EntityType Name="Base"><Key><PropertyRef Name="ID"/></Key><Property Name="ID" Type="Edm.String"/></EntityType>
   <EntityType Name="Order" BaseType="S.Base"><Property Name="ChangedAt" Type="Edm.DateTimeOffset"/></EntityType>
   <EntityContainer Name="C"><EntitySet Name="Orders" EntityType="S.Order"/></EntityContainer></Schema>`,
)
const signal = () => AbortSignal.timeout(10_000)
const check = async (target: Target, ...names: string[]) => target.check?.(names, signal())

describe('$metadata', () => {
  const open = openings()

  it('says which entity sets there are, with keys and elements of base types too', () => {
    expect(parseMetadata(ORDERS).get('Orders')).to.deep.equal({
      key: ['ID'],
      elements: new Set(['ID', 'ChangedAt']),
    })
  })

  it('is refused with a document type, or where it is none', () => {
    for (const text of ['', '{}', '<html/>', edmx(''), `<!DOCTYPE a [<!ENTITY x "y">]>${ORDERS}`]) {
      expect(() => parseMetadata(text), text.slice(0, 20))
        .to.throw()
        .with.property('code', 'target-answer-unreadable')
    }
  })

  it('names every difference from the configuration, and what to do', async () => {
    const { target } = await open((_, response) => {
      response.setHeader('content-type', 'application/xml')
      response.end(ORDERS)
    })
    const fault = await faultOf(check(target, 'Orders', 'Notes'))
    expect(fault).to.include({ code: 'entity-mismatch', retry: 'never' })
    expect(fault.message).to.include('Orders has no Ref; Orders has no SourceAt; the service has no entity set Notes')
    expect(fault.message).to.include('sluice.catalog')
  })

  it('names another key, in whichever order it is written', async () => {
    const keyed = (key: readonly string[]) => ({ entities: { Orders: { key, readonly: true } } })
    const metadata = (inner: string) =>
      open((_, response) => void response.end(ORDERS.replace('<PropertyRef Name="ID"/>', inner)), keyed(['A', 'B']))
    const { target: other } = await metadata('<PropertyRef Name="A"/>')
    expect((await faultOf(check(other, 'Orders'))).message).to.include('Orders is keyed by A, and not by A, B')
    const { target: same } = await metadata('<PropertyRef Name="B"/><PropertyRef Name="A"/>')
    await check(same, 'Orders')
  })

  it('explains a fetch that finds nothing, and is read once', async () => {
    const { server, target } = await open(
      (request, response) => {
        if (request.url.endsWith('$metadata')) return void response.end(ORDERS)
        reply(response, 404, v4Error('404', 'Resource not found'))
      },
      { entities: { Orders: { key: ['ID'], readonly: true }, Oders: { key: ['ID'], readonly: true } } },
    )
    expect((await faultOf(target.fetch('Oders', { ID: '1' }, signal()))).code).to.equal('entity-mismatch')
    expect(await target.fetch('Orders', { ID: '1' }, signal()), 'a record that is missing').to.equal(undefined)
    expect(await target.fetch('Orders', { ID: '2' }, signal())).to.equal(undefined)
    expect(server.log.filter((line) => line.endsWith('$metadata'))).to.have.length(1)
  })

  it('hides no other fault: a target that is down is down', async () => {
    const { target } = await open((_, response) => reply(response, 503, v4Error('503')))
    expect((await faultOf(target.fetch('Orders', { ID: '1' }, signal()))).httpStatus).to.equal(503)
    expect(await faultOf(check(target, 'Orders'))).to.include({ httpStatus: 503, retry: 'backoff' })
    const { target: silent } = await open((request, response) =>
      reply(response, request.url.endsWith('$metadata') ? 503 : 404, v4Error('x')),
    )
    expect(await silent.fetch('Orders', { ID: '1' }, signal())).to.equal(undefined)
  })
})

describe('the S/4 catalog against the ERP sandbox', () => {
  let erp: ErpSandbox
  before(async () => {
    erp = await erpSandbox()
  })
  after(() => erp.stop())
  const opened: Target[] = []
  afterEach(async () => {
    for (const target of opened.splice(0)) await target.close?.()
  })

  const targetAt = (service: string, catalog = S4_CATALOG) => {
    const url = `${erp.url}/sap/opu/odata/sap/${service}`
    const { user, password } = erp
    const entities = catalogEntities(catalog, 'v2', url)
    const target = odataTarget({ version: 'v2', url, auth: { kind: 'basic', user, password }, entities })
    opened.push(target)
    return target
  }

  it('fetches by it without any configuration of entities', async () => {
    const [changed] = await erp.change({ entity: 'A_SalesOrder', action: 'create' })
    const target = targetAt('API_SALES_ORDER_SRV')
    const key = String(changed?.key)
    const record = await target.fetch('A_SalesOrder', { SalesOrder: key }, signal())
    expect(record?.data.SalesOrder).to.equal(key)
    expect(record?.version).to.match(/^\d{4}-/)
  })

  it('knows its entities as the service has them', async () => {
    for (const [service, entity] of [
      ['API_SALES_ORDER_SRV', 'A_SalesOrder'],
      ['API_BUSINESS_PARTNER', 'A_BusinessPartner'],
    ] as const) {
      const target = targetAt(service)
      await target.check?.([entity], signal())
    }
  })
})
