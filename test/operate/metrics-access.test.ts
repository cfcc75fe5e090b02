import { expect } from 'chai'
import { type TestApp, testApp } from '../service/app.ts'

const production = { NODE_ENV: 'production' }

describe('/metrics of an app', () => {
  let app: TestApp | undefined
  afterEach(async () => {
    await app?.cleanUp()
    app = undefined
  })

  it('is open in development, and tells what happened', async () => {
    app = await testApp({ subscriptions: { orders: { on: '*', handler: 'test/service/handlers' } } })
    await app.deliver('1')
    const answer = await app.request('/metrics')
    expect(answer.status).to.equal(200)
    expect(answer.headers.get('content-type')).to.equal('text/plain; version=0.0.4; charset=utf-8')
    expect(answer.text).to.include('sluice_deliveries_total{source="orders",outcome="accepted"} 1')
    expect(answer.text).to.match(/^sluice_store_up 1$/m)
    expect(answer.text).to.include('sluice_lanes{subscription="orders",state="due"}')
  })

  it('asks in production who reads it, and takes the roles of the cockpit', async () => {
    app = await testApp({}, {}, production)
    const anonymous = await app.request('/metrics')
    expect([anonymous.status, anonymous.text]).to.deep.equal([401, 'Unauthorized'])
    expect(anonymous.headers.get('www-authenticate')).to.match(/^Basic/)
    expect((await app.request('/metrics', { user: 'nobody' })).status).to.equal(403)
    expect((await app.request('/metrics', { user: 'viewer' })).status).to.equal(200)
  })

  it('is as open or as shut as configured', async () => {
    app = await testApp({ metrics: { access: 'open', process: true } }, {}, production)
    expect((await app.request('/metrics')).text).to.include('process_cpu_seconds_total')
    await app.cleanUp()
    app = await testApp({ metrics: { access: 'off' } })
    expect((await app.request('/metrics', { user: 'viewer' })).status).to.equal(404)
  })
})
