import { expect } from 'chai'
import { type CapApp, capApp, ORDERS_MODEL, ORDERS_SOURCE, type RunningApp } from './helpers/cap-app.ts'

const TYPE = 'order.created.v1'
const ORDERS = '/odata/v4/orders/Orders'
/** With a type of its own, as CAP events are named. */
const orders = { ...ORDERS_SOURCE, types: { [TYPE]: TYPE } }

const SERVICE = `import cds from '@sap/cds'
export class OrdersService extends cds.ApplicationService {
  init() {
    this.on('${TYPE}', async (msg) => {
      await INSERT.into('app.Orders').entries({ ID: msg.headers.id + ' ' + msg.headers.type, amount: msg.data.amount })
      if (msg.data.fail) throw new Error('no')
    })
    return super.init()
  }
}`

describe('CAP events and messaging', function () {
  this.timeout(120_000)
  let app: CapApp | undefined
  afterEach(async () => {
    await app?.cleanUp()
    app = undefined
  })

  const inApp = async (
    service: string,
    requires: Record<string, unknown>,
    files: Record<string, string>,
    retry: Record<string, unknown> = {},
  ) => {
    const sluice = { sources: { orders }, subscriptions: { forward: { on: '*', service, ...retry } } }
    app = await capApp({ cds: { requires: { ...requires, sluice } }, files: { ...ORDERS_MODEL, ...files } })
    return app
  }

  it('emits an event to a service of the app, whose srv.on receives it', async () => {
    const folder = await inApp('OrdersService', {}, { 'srv/orders-service.js': SERVICE })
    const running = await folder.start()
    await running.deliver('o-1', { amount: 5 })
    const [row] = await running.rows(ORDERS, 1)
    expect(row).to.include({ ID: `o-1 ${TYPE}`, amount: 5, createdBy: 'sluice' })
  })

  it('tries again when srv.on throws, and rolls its writes back', async () => {
    const flaky = SERVICE.replace('if (msg.data.fail)', 'if (++this.tries < 2)').replace(
      'init() {',
      'tries = 0\ninit() {',
    )
    const retry = { retry: { baseMs: 1 } }
    const folder = await inApp('OrdersService', {}, { 'srv/orders-service.js': flaky }, retry)
    const running = await folder.start()
    await running.deliver('o-1', { amount: 5 })
    expect(await running.rows(ORDERS, 1)).to.have.length(1)
  })

  it('publishes on messaging, with the CloudEvents attributes as headers', async () => {
    const server = `import cds from '@sap/cds'
cds.on('served', async () => {
  const messaging = await cds.connect.to('messaging')
  messaging.on('${TYPE}', (msg) => console.log('heard', JSON.stringify([msg.data, msg.headers])))
})`
    const requires = { messaging: { kind: 'file-based-messaging', credentials: { file: 'msg-box' }, outbox: true } }
    const folder = await inApp('messaging', requires, { 'server.js': server })
    const running = await folder.start()
    await running.deliver('o-1', { amount: 5 })
    await running.says(/heard .*\n/)
    const [data, headers] = JSON.parse(/heard (.*)\n/.exec(running.output())?.[1] ?? '')
    expect(data).to.deep.equal({ amount: 5 })
    expect(headers).to.include({ id: 'o-1', type: TYPE, specversion: '1.0' })
  })

  const operated = {
    model: { 'srv/sluice.cds': "using from 'cap-sluice';" },
    auth: { kind: 'mocked', users: { operator: { roles: ['SluiceViewer', 'SluiceOperator'] } } },
  }
  /** What the last try of the only dispatch said, once it is dead. */
  async function lastWords({ url }: RunningApp): Promise<string> {
    const headers = { authorization: `Basic ${btoa('operator:')}` }
    for (;;) {
      const answer = await fetch(`${url}/odata/v4/cockpit/Dispatches?$expand=history`, { headers })
      const { value } = (await answer.json()) as { value: { status: string; history: { message: string }[] }[] }
      const [dispatch] = value
      if (dispatch?.status === 'done') throw new Error('it counts as done')
      if (dispatch?.status === 'dead') return dispatch.history.at(-1)?.message ?? ''
    }
  }

  it('does not count as done what no srv.on takes', async () => {
    const folder = await inApp('OrdersService', { auth: operated.auth }, operated.model)
    const running = await folder.start()
    await running.deliver('o-1', { amount: 5 })
    expect(await lastWords(running)).to.include(`OrdersService has no handler for ${TYPE}`)
  })

  it('does not count as done what the broker has not taken', async () => {
    const broker = `import cds from '@sap/cds'
export default class Broker extends cds.MessagingService {
  async handle() { throw new Error('the broker is away') }
}`
    const messaging = { impl: 'srv/broker.js', outbox: true }
    const files = { ...operated.model, 'srv/broker.js': broker }
    const folder = await inApp('messaging', { auth: operated.auth, messaging }, files, { retry: { attempts: 1 } })
    const running = await folder.start()
    await running.deliver('o-1', { amount: 5 })
    expect(await lastWords(running)).to.equal('the broker is away')
  })

  it('refuses a service that the app does not have', async () => {
    const folder = await inApp('Nowhere', {}, {})
    const { code, output } = await folder.startFails()
    expect(code).not.to.equal(0)
    expect(output).to.match(/sluice\.subscriptions\.forward\.service: there is no service Nowhere/)
  })

  it("leaves the app's own Event Mesh endpoint to CAP", async () => {
    const server = `import cds from '@sap/cds'
cds.on('served', async () => {
  const messaging = await cds.connect.to('messaging')
  // What CAP does at the broker is none of this test's: only its endpoint is.
  cds.unqueued(messaging).getManagement = () => ({ createQueueAndSubscriptions: async () => {}, createWebhook: async () => {} })
  messaging.on('app/order', async (msg) => console.log('own endpoint', JSON.stringify(msg.data)))
})`
    const messaging = { kind: 'enterprise-messaging-http', queue: { name: 'own' }, credentials: {} }
    const folder = await inApp(
      'OrdersService',
      { messaging },
      { 'server.js': server, 'srv/orders-service.js': SERVICE },
    )
    const VCAP_APPLICATION = JSON.stringify({ application_uris: ['app.example'] })
    const running = await folder.start({ env: { VCAP_APPLICATION, DEBUG: 'messaging' } })
    await running.says(/Register inbound endpoint.*POST/s)
    const answer = await fetch(`${running.url}/messaging/enterprise-messaging?q=own`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-address': 'topic:app/order' },
      body: '{"data":{"amount":9}}',
    })
    expect(answer.status).to.equal(200)
    await running.says('own endpoint')
    await running.deliver('o-1', { amount: 5 })
    expect(await running.rows(ORDERS, 1)).to.have.length(1)
  })
})
