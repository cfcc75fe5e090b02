import { expect } from 'chai'
import { connect } from '../../bin/gateway/client.ts'
import { collect, readEvents } from '../../bin/gateway/events.ts'
import type { EventFilters } from '../../bin/gateway/filters.ts'
import { type TestApp, testApp } from './app.ts'

const COCKPIT = '/odata/v4/cockpit'
const basic = (password: string) => `Basic ${Buffer.from(`flow:${password}`).toString('base64')}`

/** As an iFlow's caller sees it: real HTTP against a CAP app. */
describe('an HTTPS iFlow’s address in a CAP app', () => {
  let app: TestApp
  const authorization = basic('test only')
  before(async () => {
    const auth = { kind: 'basic', users: { flow: 'env:TEST_FLOW_PASSWORD' } }
    const handler = 'test/service/handlers'
    const keep = ['X-Shop', 'query:mode']
    app = await testApp(
      {
        sources: {
          inbound: { kind: 'http', path: 'ERP/Orders/*', auth, id: 'SAP_ApplicationID' },
          reading: { kind: 'http', path: 'erp/xml', auth, csrf: false, replyWhen: 'handled', replyFrom: 'json' },
          answering: { kind: 'http', path: 'erp/ask', auth, csrf: false, replyWhen: 'handled', errors: 'text', keep },
        },
        subscriptions: {
          orders: { on: 'http.erp.*', handler, order: 'park', retry: { attempts: 1 } },
          json: { on: 'http.erp.xml.*', handler, order: 'none', retry: { attempts: 1 }, xmlToJson: true },
        },
      },
      {},
      { TEST_FLOW_PASSWORD: 'test only' },
    )
  })
  after(() => app.cleanUp())

  const read = async (path: string) => (await app.request(`${COCKPIT}/${path}`, { user: 'operator' })).json().value

  /** Fetches a token as any SAP client does, with the session of its cookie. */
  async function token(): Promise<Record<string, string>> {
    const answer = await app.request('/http/erp/orders/x', { headers: { authorization, 'x-csrf-token': 'Fetch' } })
    expect(answer.status).to.equal(200)
    return {
      authorization,
      'x-csrf-token': String(answer.headers.get('x-csrf-token')),
      cookie: String(answer.headers.get('set-cookie')).split(';')[0] ?? '',
    }
  }

  it('takes a message with token and session, and finds it by its application id in an operator’s words', async () => {
    const headers = { ...(await token()), SAP_ApplicationID: 'PO-4711', SAP_Sender: 'SHOP', 'SAP-PASSPORT': '2A54' }
    expect(await read('Deliveries'), 'the fetch ran nothing').to.deep.equal([])
    const answer = await app.request('/http/erp/Orders/4711', { method: 'POST', body: '{"a":1}', headers })
    expect(answer.status).to.equal(200)
    const id = String(answer.headers.get('sap_messageprocessinglogid'))
    const query = `Deliveries?$filter=applicationId eq 'PO-4711' and sender eq 'SHOP'&$expand=events($expand=dispatches)`
    for (;;) {
      const [delivery, ...more] = await read(query)
      expect([delivery?.ID, more.length]).to.deep.equal([id, 0])
      expect(JSON.parse(String(delivery?.headers))).to.include({ 'sap-passport': '2A54' })
      const [event] = (delivery?.events ?? []) as { subject: string; dispatches: { mplStatus: string }[] }[]
      expect(event?.subject).to.equal('4711')
      const status = event?.dispatches[0]?.mplStatus
      if (status === 'PROCESSING') continue
      expect(status).to.equal('COMPLETED')
      break
    }
    expect(await read(`Dispatches?$filter=mplStatus eq 'COMPLETED'`)).to.have.length(1)
    expect(await read(`Dispatches?$filter=mplStatus eq 'FAILED'`)).to.have.length(0)
  })

  it('is found by every id that a message monitor asks for, a passport’s and a predecessor’s included', async () => {
    const root = 'A0B1C2D3E4F5A6B7C8D9E0F1A2B3C4D5'
    const headers = {
      ...(await token()),
      SAP_ApplicationID: 'PO-4712',
      SAP_CorrelationId: 'corr-1',
      SAP_Sender: 'SHOP',
      SAP_Receiver: 'ERP',
      SAP_MessageType: 'ORDERS',
      SAP_MessageProcessingLogID: 'AGOs9predecessor',
      'SAP-PASSPORT': `2A54482A0300E600${'20'.repeat(90)}${root}${'0'.repeat(40)}2A54482A`,
    }
    const answer = await app.request('/http/erp/orders/4712', { method: 'POST', body: '{}', headers })
    const delivery = String(answer.headers.get('sap_messageprocessinglogid'))
    const client = connect(new URL(app.url), `Basic ${Buffer.from('operator:').toString('base64')}`)
    const find = async (filters: EventFilters) =>
      (await collect(readEvents(client, filters, { order: 'newest', limit: 9 }))).map((event) => event.delivery)
    const all: EventFilters = { delivery, applicationId: 'PO-4712', correlationId: 'corr-1', receiver: 'ERP' }
    const ids: EventFilters = { ...all, sender: 'SHOP', messageType: 'ORDERS', inHeaders: root.toLowerCase() }
    for (const [name, value] of Object.entries({ ...ids, inHeaders: 'agoS9predecessor' })) {
      expect(await find({ [name]: value }), name).to.include(delivery)
      const other = name === 'delivery' ? '0190a000-0000-7000-8000-000000000000' : `${value}x`
      expect(await find({ ...ids, [name]: other }), `not ${name}`).to.deep.equal([])
    }
    for (;;) {
      if ((await find({ ...ids, status: ['PROCESSING'] })).length > 0) continue
      expect(await find({ ...ids, status: ['COMPLETED', 'RETRY'], subscription: 'orders' })).to.deep.equal([delivery])
      expect(await find({ ...ids, status: ['COMPLETED'], subscription: 'json' })).to.deep.equal([])
      break
    }
  })

  it('refuses without token, with a stolen one, and without credentials', async () => {
    const mine = await token()
    const post = (headers: Record<string, string>) =>
      app.request('/http/erp/orders/1', { method: 'POST', body: '{}', headers })
    const { cookie = '', ...stolen } = mine
    for (const headers of [{ authorization }, stolen, { ...mine, cookie: `${cookie}x` }]) {
      const answer = await post(headers)
      expect([answer.status, answer.headers.get('x-csrf-token')]).to.deep.equal([403, 'Required'])
    }
    expect((await post({ ...mine, authorization: basic('wrong') })).status).to.equal(401)
    expect((await app.request('/http/erp/orders/1', { headers: { 'x-csrf-token': 'Fetch' } })).status).to.equal(401)
  })

  it('waits for the handler and says what it returned, or how it failed', async () => {
    const ask = (body: string) => app.request('/http/erp/ask', { method: 'POST', body, headers: { authorization } })
    const good = await ask('{}')
    expect([good.status, good.text]).to.deep.equal([200, '{"handled":true}'])
    const failed = await ask('{"fail":"the ERP says no"}')
    expect(failed.status).to.equal(500)
    const id = String(failed.headers.get('sap_messageprocessinglogid'))
    expect(failed.text).to.include(`The MPL ID for the failed message is : ${id}`)
    expect(failed.text).not.to.include('the ERP says no')
    const [failure] = await read(`Dispatches?$filter=mplStatus eq 'FAILED'`)
    expect(failure?.status).to.equal('dead')
  })

  it('tells a handler what a flow reads of the request: caller, method, path, headers, query', async () => {
    const headers = { authorization, SAP_Sender: 'SHOP', 'X-Shop': 'b 4', 'X-Other': 'c' }
    const asked = { method: 'PUT', body: '{"tell":true}', headers }
    const answer = await app.request('/http/ERP/ask?mode=dry%20run&access_token=none', asked)
    const told = answer.json<Record<string, unknown>>()
    expect(told).to.include({ method: 'PUT', path: '/http/ERP/ask', principal: 'flow' })
    expect(told.key).to.equal(answer.headers.get('sap_messageprocessinglogid'))
    expect(told.headers).to.include({ sap_sender: 'SHOP', 'x-shop': 'b 4', 'query:mode': 'dry run' })
    expect(JSON.stringify(told)).not.to.match(/x-other|access_token|authorization/)
  })

  it('makes JSON of XML for the subscription that asks, and for no other', async () => {
    const ask = (body: string) =>
      app.request('/http/erp/xml', { method: 'POST', body, headers: { authorization, 'content-type': 'text/xml' } })
    expect((await ask('<fail/>')).status).to.equal(200)
    const failed = await ask('<fail>it sees the element</fail>')
    expect([failed.status, failed.json<{ code: string }>().code]).to.deep.equal([500, 'Error'])
    const dispatches = await read(`Dispatches?$filter=subscription eq 'json' and mplStatus eq 'FAILED'`)
    expect(dispatches).to.have.length(1)
    for (;;) {
      const [event] = await read(`Events?$filter=event eq ${dispatches[0]?.event}&$expand=dispatches`)
      const all = (event?.dispatches ?? []) as { subscription: string; mplStatus: string }[]
      const other = all.find(({ subscription }) => subscription === 'orders')
      if (other?.mplStatus === 'PROCESSING') continue
      expect(other?.mplStatus).to.equal('COMPLETED')
      break
    }
  })

  it('leaves every other path below /http/ to the app, and shows the addresses that it takes', async () => {
    const answer = await app.request('/http/of-the-app', { method: 'POST', body: '{}' })
    expect(answer.status).to.equal(404)
    expect(answer.headers.get('content-type')).not.to.include('problem+json')
    const paths = (await read('Sources')).map(({ path }) => path)
    expect(paths).to.include.members(['/http/erp/orders/*', '/http/erp/ask', '/webhooks/orders'])
  })
})
