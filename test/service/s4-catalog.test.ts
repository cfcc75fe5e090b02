import { expect } from 'chai'
import { type ErpSandbox, erpSandbox } from '../../testing/index.ts'
import { type TestApp, testApp } from './app.ts'

/** Events that are only hints, targets without `entities`: the catalog says the rest. */
describe('the S/4 catalog in a CAP app', () => {
  let erp: ErpSandbox
  let app: TestApp | undefined
  before(async () => {
    erp = await erpSandbox()
    const { url, user, password } = erp
    const target = (service: string) => ({
      kind: 'odata-v2',
      url,
      path: `/sap/opu/odata/sap/${service}`,
      auth: { kind: 'basic', user, password: 'env:TEST_ERP_PASSWORD' },
    })
    const handler = 'test/service/handlers'
    app = await testApp(
      {
        sources: {
          s4: { kind: 'event-mesh', queue: 'q', auth: { kind: 'basic', users: { em: 'env:TEST_ERP_PASSWORD' } } },
        },
        targets: { orders: target('API_SALES_ORDER_SRV'), partners: target('API_BUSINESS_PARTNER') },
        subscriptions: {
          orders: { on: 'sales.order.*', handler, fetch: 'orders' },
          partners: { on: 'custom.partner.*', handler, fetch: 'partners' },
        },
        catalog: {
          ZPartner: {
            type: 'custom.partner',
            key: ['Partner'],
            apis: [{ version: 'v2', service: 'API_BUSINESS_PARTNER', entity: 'A_Partners', key: ['Partner'] }],
          },
        },
      },
      {},
      { TEST_ERP_PASSWORD: password },
    )
  })
  after(async () => {
    await app?.cleanUp()
    await erp.stop()
  })

  async function raise(id: string, object: string, data: object): Promise<Record<string, unknown>> {
    const type = `sap.s4.beh.${object.toLowerCase()}.v1.${object}.Changed.v1`
    const body = JSON.stringify({ specversion: '1.0', id, source: '/default/sap.s4.beh/1', type, data })
    const authorization = `Basic ${Buffer.from(`em:${erp.password}`).toString('base64')}`
    await app?.request('/webhooks/s4', { method: 'POST', body, headers: { authorization } })
    for (;;) {
      const query = `/odata/v4/cockpit/Events?$filter=id eq '${id}'&$expand=dispatches`
      const [event] = (await app?.request(query, { user: 'operator' }))?.json().value ?? []
      const [dispatch] = (event?.dispatches ?? []) as Record<string, unknown>[]
      if (dispatch && dispatch.status !== 'waiting') return { ...event, ...dispatch }
    }
  }

  it('types, keys and fetches an order', async () => {
    const [changed] = await erp.change({ entity: 'A_SalesOrder', action: 'create' })
    await erp.clearLog()
    const found = await raise('1', 'SalesOrder', { SalesOrder: changed?.key })
    expect(found).to.include({ type: 'sales.order.changed.v1', objectKey: changed?.key, status: 'done' })
  })

  it('says which entity is wrong, at the start and where it is fetched', async () => {
    const found = await raise('2', 'ZPartner', { Partner: '1000' })
    expect(found).to.include({ type: 'custom.partner.changed.v1', status: 'dead', reason: 'entity-mismatch' })
    expect(app?.output()).to.include('events of these entities cannot be fetched')
    expect(app?.output()).to.include('the service has no entity set A_Partners')
  })
})
