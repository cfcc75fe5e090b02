import { createHmac } from 'node:crypto'
import { expect } from 'chai'
import { sharedErp } from '../crash/helpers/erps.ts'
import { until } from '../crash/helpers/until.ts'
import { type ToldSpan, tracedApp } from './helpers/traced-app.ts'

const SECRET = 'a secret of this test only'
const SENDER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const HANDLER = `module.exports = async (event, { targets }) => {
  await targets.erp.create('IncomingDocuments', { EventType: event.type }, { reference: event.id })
}`

describe('an app with @cap-js/telemetry', () => {
  let app: Awaited<ReturnType<typeof tracedApp>> | undefined
  afterEach(async () => {
    await app?.close()
    app = undefined
  })

  it('shows one trace from the sender’s request to the ERP’s answer, across the store', async function () {
    this.timeout(60_000)
    const erp = await sharedErp()
    app = await tracedApp(
      {
        sources: {
          shop: { kind: 'hmac', secrets: [SECRET], header: 'x-signature', encoding: 'hex', id: 'x-id', type: 'x-type' },
        },
        targets: {
          erp: {
            kind: 'odata-v2',
            url: `${erp.url}/sap/opu/odata/sap/API_SLUICE_DEMO_SRV`,
            auth: { kind: 'basic', user: erp.user, password: erp.password },
            entities: { IncomingDocuments: { key: ['ID'], reference: 'ExternalReference' } },
          },
        },
        subscriptions: { book: { on: '*', handler: 'srv/book.js' } },
      },
      HANDLER,
    )
    const body = '{"iban":"DE02120300000000202051"}'
    const answer = await fetch(`${app.url}/webhooks/shop`, {
      method: 'POST',
      body,
      headers: {
        'x-signature': createHmac('sha256', SECRET).update(body).digest('hex'),
        'x-id': `traced-${process.pid}`,
        'x-type': 'order.created',
        traceparent: SENDER,
      },
    })
    expect(answer.status).to.equal(200)
    const told = (name: string): ToldSpan | undefined => app?.spans().find((span) => span.name === name)
    await until('the attempt is told', () => told('process book') !== undefined)

    const traceId = SENDER.slice(3, 35)
    const ways = ['receive shop', 'store shop', 'process book', 'create erp/IncomingDocuments'].map((name) => {
      const span = told(name)
      return { name, traceId: span?.traceId, parent: app?.spans().find(({ spanId }) => spanId === span?.parent)?.name }
    })
    expect(ways).to.deep.equal([
      // The plugin's own span of the request, which goes on from the sender's.
      { name: 'receive shop', traceId, parent: 'POST' },
      { name: 'store shop', traceId, parent: 'receive shop' },
      { name: 'process book', traceId, parent: 'store shop' },
      { name: 'create erp/IncomingDocuments', traceId, parent: 'process book' },
    ])
    // Its HTTP instrumentation shows the requests themselves, within our span of the write.
    const write = told('create erp/IncomingDocuments')
    expect(app.spans().filter(({ parent }) => parent === write?.spanId)).not.to.deep.equal([])
    expect(app.spans().every((span) => !JSON.stringify(span.attributes).includes('DE02'))).to.equal(true)
  })
})
