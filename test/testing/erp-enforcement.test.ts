import { once } from 'node:events'
import { connect } from 'node:net'
import { expect } from 'chai'
import { type ErpSandbox, erpSandbox } from '../../testing/index.ts'
import { basicOf, newOrder, type SapSession, salesOrders, sapSession, v2, v4 } from './support.ts'

describe('ERP sandbox: what it enforces', () => {
  let erp: ErpSandbox
  let session: SapSession

  before(async () => {
    erp = await erpSandbox()
    session = await sapSession(erp)
  })
  after(() => erp.stop())

  const create = (headers: Readonly<Record<string, string>> = {}) =>
    session.send('POST', `${v2}${salesOrders}`, newOrder, headers)

  it('asks for a password and names the scheme', async () => {
    const answer = await create({ authorization: 'Basic d3Jvbmc6d3Jvbmc=' })
    expect(answer.status).to.equal(401)
    expect(answer.headers.get('www-authenticate')).to.match(/^Basic realm=/)
  })

  it('shows a logon page with 200 where the logon is form based', async () => {
    await erp.switch({ loginPage: true })
    const answer = await create({ authorization: 'Basic d3Jvbmc6d3Jvbmc=' })
    await erp.switch({ loginPage: false })
    expect(answer.status).to.equal(200)
    expect(answer.headers.get('content-type')).to.match(/^text\/html/)
  })

  for (const base of [v2, v4]) {
    it(`refuses a write without a token and says so in the header: ${base}`, async () => {
      const answer = await session.send('POST', `${base}${salesOrders}`, newOrder, { 'x-csrf-token': '' })
      expect(answer.status).to.equal(403)
      expect(answer.headers.get('x-csrf-token')).to.equal('Required')
    })
  }

  it('needs the token for a $batch, whatever is in it', async () => {
    const headers = { 'x-csrf-token': 'wrong', 'content-type': 'multipart/mixed; boundary=b' }
    const answer = await session.send('POST', `${v2}/API_SALES_ORDER_SRV/$batch`, '--b--\r\n', headers)
    expect(answer.status).to.equal(403)
  })

  it('sets three cookies with the token and wants every one of them back', async () => {
    expect(session.cookies).to.have.length(3)
    for (const left of session.cookies) {
      const cookie = session.cookies.filter((each) => each !== left).join('; ')
      const answer = await create({ cookie })
      expect(answer.status, `without ${left}`).to.equal(403)
    }
    expect((await create()).status).to.equal(201)
  })

  it('answers a second fetch in the same session with the same token and no cookies', async () => {
    const answer = await session.send('GET', `${v2}/API_SALES_ORDER_SRV/`, undefined, { 'x-csrf-token': 'fetch' })
    expect(answer.headers.get('x-csrf-token')).to.equal(session.headers['x-csrf-token'])
    expect(answer.headers.getSetCookie()).to.deep.equal([])
  })

  it('gives a token also with an answer that is not 2xx', async () => {
    const answer = await fetch(`${erp.url}${v2}${salesOrders}('0')`, {
      headers: { ...basicOf(erp), 'x-csrf-token': 'Fetch' },
    })
    expect(answer.status).to.equal(404)
    expect(answer.headers.get('x-csrf-token')).to.not.equal(null)
    await answer.text()
  })

  it('redirects the service root without its slash', async () => {
    const answer = await session.send('GET', `${v2}/API_SALES_ORDER_SRV?sap-client=100`)
    expect(answer.status).to.equal(307)
    expect(answer.headers.get('location')).to.equal(`${v2}/API_SALES_ORDER_SRV/?sap-client=100`)
  })

  it('forgets sessions when told to', async () => {
    await erp.switch({ expireSessions: true })
    expect((await create()).status).to.equal(403)
    session = await sapSession(erp)
    expect((await create()).status).to.equal(201)
  })

  it('counts round trips', async () => {
    await erp.clearLog()
    await create()
    await create({ 'x-csrf-token': '' })
    const { counts, requests } = await erp.log()
    expect(counts).to.deep.equal({ 'POST A_SalesOrder 201': 1, 'POST A_SalesOrder 403': 1 })
    expect(requests.map(({ status }) => status)).to.deep.equal([201, 403])
  })

  it('does not know switches that do not exist', async () => {
    const settings = { lok: 1 } as object
    const refused = await erp.switch(settings).then(
      () => 'taken',
      (error: Error) => error.message,
    )
    expect(refused).to.match(/no such switch: lok/)
  })

  it('takes no setting of the application it is started by', async () => {
    const settings = { CDS_CONFIG: '{"requires":{"db":{"kind":"postgres"}}}', NODE_ENV: 'production', CDS_ENV: 'x' }
    const saved = { ...process.env }
    Object.assign(process.env, settings)
    try {
      const other = await erpSandbox()
      const answer = await (await sapSession(other)).send('POST', `${v2}${salesOrders}`, newOrder)
      expect(answer.status).to.equal(201)
      await other.stop()
    } finally {
      for (const name of Object.keys(settings)) delete process.env[name]
      Object.assign(process.env, saved)
    }
  })

  it('says why it does not start', async () => {
    const database = '/nowhere/erp.db'
    const failure = await erpSandbox({ database }).then(
      () => 'started',
      (error: Error) => error.message,
    )
    expect(failure).to.match(/unable to open database file/)
  })

  it('survives clients that go away while they send', async () => {
    const { hostname, port } = new URL(erp.url)
    const socket = connect(Number(port), hostname)
    const closed = once(socket, 'close')
    socket.write(`POST ${v2}${salesOrders} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{`, () => socket.destroy())
    await closed
    expect((await create()).status).to.equal(201)
  })
})
