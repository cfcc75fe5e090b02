import { expect } from 'chai'
import { type ErpSandbox, erpSandbox } from '../../testing/index.ts'
import { isCut, newOrder, type SapSession, salesOrders, sapSession, until, v2, v4 } from './support.ts'

describe('ERP sandbox: what goes wrong on demand', () => {
  let erp: ErpSandbox
  let session: SapSession

  before(async () => {
    erp = await erpSandbox()
  })
  beforeEach(async () => {
    session = await sapSession(erp)
  })
  after(() => erp.stop())

  const create = (reference: string, headers: Readonly<Record<string, string>> = {}) =>
    session.send('POST', `${v2}${salesOrders}`, { ...newOrder, PurchaseOrderByCustomer: reference }, headers)
  const change = (key: string) =>
    session.send('PATCH', `${v2}${salesOrders}('${key}')`, { SoldToParty: '2' }, { 'if-match': '*' })
  const createdKey = async () => String((await create('x')).value('d.SalesOrder'))
  const rowsOf = async (reference: string) =>
    (await erp.rows('A_SalesOrder')).filter((row) => row.PurchaseOrderByCustomer === reference)

  it('refuses connections, resets them, and is itself again', async () => {
    await erp.switch({ down: true })
    expect(await isCut(create('down'))).to.equal(true)
    await erp.switch({ down: 'reset' })
    expect(await isCut(create('down'))).to.equal(true)
    await erp.switch({ down: false })
    expect((await create('down')).status).to.equal(201)
    expect(await rowsOf('down')).to.have.length(1)
  })

  it('throttles the next requests and says when to come again', async () => {
    await erp.switch({ throttle: { times: 1, retryAfter: 7 } })
    const refused = await create('throttled')
    expect(refused.status).to.equal(429)
    expect(refused.headers.get('retry-after')).to.equal('7')
    expect((await create('throttled')).status).to.equal(201)
    await erp.switch({ throttle: { times: 1, status: 503 } })
    expect((await create('throttled')).status).to.equal(503)
  })

  it('finds objects locked, in both versions and only as often as told', async () => {
    const key = await createdKey()
    await erp.switch({ lock: { times: 2, status: 409, key } })
    const other = await createdKey()
    expect((await change(other)).status, 'another object').to.equal(204)
    const locked = await change(key)
    expect(locked.status).to.equal(409)
    expect(locked.value('error.message.value')).to.match(/is currently being processed by user SAP_WFRT$/)
    const path = `${v4}${salesOrders}('${key}')`
    expect((await session.send('PATCH', path, { SoldToParty: '3' }, { 'if-match': '*' })).status).to.equal(409)
    expect((await change(key)).status).to.equal(204)
    await erp.switch({ lock: { times: 1, status: 409, key } })
    const remove = () => session.send('DELETE', path, undefined, { 'if-match': '*' })
    expect((await remove()).status).to.equal(409)
    expect((await remove()).status).to.equal(204)
  })

  it('locks what was just written for its own follow-up work', async () => {
    await erp.switch({ lockAfterWrite: 1, lock: { times: 0, status: 400 } })
    const key = await createdKey()
    await erp.switch({ lockAfterWrite: 0 })
    expect((await change(key)).status).to.equal(400)
    expect((await change(key)).status).to.equal(204)
  })

  it('commits and cuts the connection', async () => {
    await erp.switch({ commitThenCut: 1 })
    expect(await isCut(create('committed'))).to.equal(true)
    expect(await rowsOf('committed')).to.have.length(1)
    expect((await erp.log()).requests.at(-1)?.status).to.equal('cut')
  })

  it('does not spend a cut on a write that failed', async () => {
    await erp.switch({ commitThenCut: 1 })
    expect((await change('0')).status).to.equal(404)
    expect(await isCut(create('later'))).to.equal(true)
  })

  it('cuts the connection and commits afterwards, as a late work process', async () => {
    await erp.switch({ cutThenCommit: 1 })
    expect(await isCut(create('late'))).to.equal(true)
    expect(await rowsOf('late')).to.have.length(0)
    expect(await erp.release()).to.equal(1)
    expect(await rowsOf('late')).to.have.length(1)
  })

  it('commits what it cut after the given time by itself', async () => {
    await erp.switch({ cutThenCommit: { times: 1, afterMs: 20 } })
    expect(await isCut(create('timed'))).to.equal(true)
    await until(async () => (await rowsOf('timed')).length === 1)
  })

  it('shows rows later than their timestamp, out of order', async () => {
    await erp.switch({ lateCommit: 1 })
    const slow = create('slow')
    await until(async () => (await erp.state()).held === 1)
    await create('quick')
    expect(await rowsOf('slow')).to.have.length(0)
    await erp.release()
    expect((await slow).status).to.equal(201)
    const [[early], [late]] = [await rowsOf('slow'), await rowsOf('quick')]
    expect(String(early?.LastChangeDateTime) < String(late?.LastChangeDateTime)).to.equal(true)
    expect(Number(early?.SalesOrder)).to.be.greaterThan(Number(late?.SalesOrder))
  })

  it('holds a business user’s change back too', async () => {
    await erp.switch({ lateCommit: 1 })
    const [held] = await erp.change({
      entity: 'A_SalesOrder',
      action: 'create',
      data: { PurchaseOrderByCustomer: 'user' },
    })
    expect(held).to.deep.equal({ held: true })
    await erp.release()
    expect(await rowsOf('user')).to.have.length(1)
  })

  it('stamps with the skewed clocks of its application servers', async () => {
    await erp.switch({ skewedTimestamps: [-60_000, 0] })
    await create('skewed')
    await create('skewed')
    await erp.switch({ skewedTimestamps: [] })
    const [first, second] = (await rowsOf('skewed')).map((row) => Date.parse(String(row.LastChangeDateTime)))
    expect((second ?? 0) - (first ?? 0)).to.be.greaterThan(59_000)
  })

  it('changes the ETag with every change, also within one millisecond', async () => {
    const key = await createdKey()
    await erp.change({ entity: 'A_SalesOrder', action: 'change', key, count: 20 })
    const sent = await erp.sent()
    const row = (await erp.rows('A_SalesOrder')).find(({ SalesOrder }) => SalesOrder === key)
    expect(row?.LastChangeDateTime).to.equal(sent.at(-1)?.version)
    expect(new Set(sent.slice(-20).map(({ version }) => version)).size).to.equal(20)
  })

  it('does not recognize a repeated request unless told to', async () => {
    const repeatable = { requestid: 'A'.repeat(32), repeatabilitycreation: '2026-01-01T00:00:00Z' }
    const unsupported = await create('repeated', repeatable)
    expect(unsupported.headers.get('repeatabilityresult')).to.equal('unsupported')
    await create('repeated', repeatable)
    expect(await rowsOf('repeated')).to.have.length(2)

    await erp.switch({ repeatability: true, commitThenCut: 1 })
    expect(await isCut(create('recognized', repeatable))).to.equal(true)
    const accepted = await create('recognized', repeatable)
    expect(accepted.headers.get('repeatabilityresult')).to.equal('accepted')
    expect(await rowsOf('recognized')).to.have.length(1)
    await erp.switch({ repeatability: false })
  })

  it('is slow when told to, and still right', async () => {
    await erp.switch({ slow: 5 })
    expect((await create('slowly')).status).to.equal(201)
    await erp.switch({ slow: 0 })
  })
})
