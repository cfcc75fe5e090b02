import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { type ErpSandbox, type EventMeshBroker, erpSandbox, eventMeshBroker } from '../../testing/index.ts'
import {
  batch,
  batchHeaders,
  newOrder,
  type Receiver,
  receiver,
  salesOrders,
  sapSession,
  until,
  v2,
} from './support.ts'

const topicPrefix = 'sap/S4HANAOD/hq01'
const source = '/default/sap.s4.beh/HQ01CLNT100'

describe('ERP sandbox: a headquarters that raises business events', () => {
  let broker: EventMeshBroker
  let hook: Receiver
  let erp: ErpSandbox

  before(async () => {
    broker = await eventMeshBroker()
    hook = await receiver(() => 200)
    const { url, tokenUrl, client } = broker
    const { clientId, clientSecret } = client
    erp = await erpSandbox({ raises: { topicPrefix, source, broker: { url, tokenUrl, clientId, clientSecret } } })
    await broker.queue('hq/events', ['+/+/+/ce/*'])
    await broker.subscribe('hq/events', hook.url)
  })
  after(() => Promise.all([erp.stop(), broker.stop(), hook.stop()]))

  const raised = async () => (await erp.sent()).filter(({ event }) => event === 'raised')
  const arrived = () => hook.deliveries().map(({ body }) => JSON.parse(body) as Record<string, unknown>)

  it('raises what S/4HANA raises: the type, the key, and nothing else', async () => {
    const [change] = await erp.change({ entity: 'A_SalesOrder', action: 'create' })
    await until(() => hook.deliveries().length === 1)
    const [delivery] = hook.deliveries()
    const type = 'sap.s4.beh.salesorder.v1.SalesOrder.Created.v1'
    expect(delivery?.headers['x-address']).to.equal(`topic:${topicPrefix}/ce/${type.replaceAll('.', '/')}`)
    expect(delivery?.headers['content-type']).to.equal('application/cloudevents+json')
    const [event] = arrived()
    expect(event).to.include({ type, source, specversion: '1.0' })
    expect(event?.time).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    expect(event?.data).to.deep.equal({ SalesOrder: change?.key })
    await until(async () => (await raised()).length === 1)
    expect((await erp.sent())[0]).to.include({ event: 'raised', eventId: event?.id, key: change?.key })
  })

  it('raises them for writes by OData, partners included, in a batch included', async () => {
    const session = await sapSession(erp)
    await session.send('POST', `${v2}${salesOrders}`, newOrder)
    await erp.change({ entity: 'A_BusinessPartner', action: 'create' })
    await erp.change({ entity: 'A_BusinessPartner', action: 'change' })
    const body = batch([['POST A_SalesOrder', newOrder]])
    await session.send('POST', `${v2}/API_SALES_ORDER_SRV/$batch`, body, batchHeaders)
    await until(() => hook.deliveries().length === 5)
    expect(arrived().map(({ type }) => type)).to.include.members([
      'sap.s4.beh.businesspartner.v1.BusinessPartner.Created.v1',
      'sap.s4.beh.businesspartner.v1.BusinessPartner.Changed.v1',
    ])
  })

  // Fails when the sender's log is written outside the transaction of the change, or the event raised before its commit.
  it('logs no change and raises no event for what was rolled back', async () => {
    const sent = (await erp.sent()).length
    const rows = (await erp.rows('A_SalesOrder')).length
    const session = await sapSession(erp)
    const body = batch([
      ['POST A_SalesOrder', newOrder],
      [`PATCH A_SalesOrder('1')`, { SoldToParty: '9' }],
    ])
    const answer = await session.send('POST', `${v2}/API_SALES_ORDER_SRV/$batch`, body, batchHeaders)
    expect(answer.text).to.contain('HTTP/1.1 404')
    expect(await erp.sent()).to.have.length(sent)
    expect(await erp.rows('A_SalesOrder')).to.have.length(rows)
  })

  it('loses events on purpose and says which', async () => {
    await erp.switch({ dropEvents: 2 })
    await erp.change({ entity: 'A_SalesOrder', action: 'change', count: 5 })
    await until(async () => (await erp.sent()).every(({ event }) => event !== 'pending'))
    const last = (await erp.sent()).slice(-5)
    expect(last.map(({ event }) => event)).to.deep.equal(['dropped', 'dropped', 'raised', 'raised', 'raised'])
    await until(() => hook.deliveries().length === 8)
    const ids = new Set(arrived().map(({ id }) => id))
    expect(last.filter(({ eventId }) => ids.has(eventId))).to.have.length(3)
  })

  it('keeps rows, numbers and unraised events over a restart', async () => {
    const database = path.join(tmpdir(), `erp-sandbox-${process.pid}.db`)
    const nowhere = { url: 'http://127.0.0.1:9', tokenUrl: 'http://127.0.0.1:9/oauth/token' }
    const { clientId, clientSecret } = broker.client
    const deliveries = hook.deliveries().length
    try {
      const away = await erpSandbox({
        database,
        raises: { topicPrefix, source, broker: { ...nowhere, clientId, clientSecret } },
      })
      const [first] = await away.change({ entity: 'A_SalesOrder', action: 'create' })
      expect((await away.sent())[0]?.event).to.equal('pending')
      await away.stop()

      const { url, tokenUrl } = broker
      const back = await erpSandbox({
        database,
        raises: { topicPrefix, source, broker: { url, tokenUrl, clientId, clientSecret } },
      })
      await until(() => hook.deliveries().length === deliveries + 1)
      const [second] = await back.change({ entity: 'A_SalesOrder', action: 'create' })
      expect(Number(second?.key)).to.equal(Number(first?.key) + 1)
      await back.stop()
    } finally {
      for (const suffix of ['', '-shm', '-wal']) await rm(database + suffix, { force: true })
    }
  })
})
