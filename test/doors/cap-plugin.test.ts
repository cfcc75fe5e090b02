import { expect } from 'chai'
import { type CapApp, capApp, ORDERS_MODEL, ORDERS_SOURCE } from './helpers/cap-app.ts'

const sluice = { sources: { orders: ORDERS_SOURCE } }
const ORDERS = '/odata/v4/orders/Orders'

/** Writes each event into the app's own database. */
const STORE = `async (event) => {
    await INSERT.into('app.Orders').entries({ ID: event.id, amount: event.data.amount })
  }`

const SERVER = {
  esm: `import cds from '@sap/cds'
cds.on('served', async () => {
  const sluice = await cds.connect.to('sluice')
  sluice.on('order.created.v1', ${STORE})
})`,
  cjs: `const cds = require('@sap/cds')
cds.on('served', async () => {
  const sluice = await cds.connect.to('sluice')
  sluice.on('order.created.v1', ${STORE})
})`,
  ts: `import cds from '@sap/cds'
import type { SluiceService } from 'cap-sluice/plugin'
cds.on('served', async () => {
  const sluice = (await cds.connect.to('sluice')) as SluiceService
  sluice.on<{ amount: number }>('order.created.v1', { order: 'block' }, async (event): Promise<void> => {
    await INSERT.into('app.Orders').entries({ ID: event.id, amount: event.data.amount })
  })
})`,
}

/** As it stands in the guide, with what must not compile. */
const TYPED = `import cds from '@sap/cds'
import type { Handler, SluiceService } from 'cap-sluice/plugin'

interface Order { amount: number }
declare module 'cap-sluice' {
  interface EventTypes { 'order.paid.v1': { paid: number } }
}
const store: Handler<Order> = async (event, { log, signal }) => {
  log.info('stored', { amount: event.data.amount, aborted: signal.aborted })
}

cds.on('served', async () => {
  const plain = await cds.connect.to('sluice')
  plain.on('order.created.v1', async (event) => console.log(event.data))
  const sluice = plain as SluiceService
  const asService: cds.Service = sluice
  sluice.on('order.paid.v1', (event) => event.data.paid + 1).on('order.paid.v1', { name: 'p' }, ({ data }) => data.paid + 1)
  sluice.on<Order>('order.created.v1', ({ data }, { log }) => log.info(asService.name, { amount: data.amount + 1 }))
  // @ts-expect-error not what the type carries
  sluice.on('order.paid.v1', (event) => event.data.amount)
  sluice.on('order.created.v1', store).on('*', { name: 'all', order: 'none', retry: { attempts: 3 } }, store)
  await sluice.gateway.health()
  // @ts-expect-error no such order
  sluice.on('order.created.v1', { order: 'sideways' }, store)
  // @ts-expect-error no handler
  sluice.on('order.created.v1')
})`

const TSCONFIG = JSON.stringify({
  compilerOptions: {
    target: 'es2023',
    module: 'nodenext',
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    types: ['node'],
  },
  files: ['server.ts'],
})

describe('the CAP plugin', function () {
  this.timeout(120_000)
  let app: CapApp | undefined
  afterEach(async () => {
    await app?.cleanUp()
    app = undefined
  })

  const inApp = async (server: string, requires: Record<string, unknown> = {}, files: Record<string, string> = {}) => {
    app = await capApp({
      cds: { requires: { sluice, ...requires } },
      files: { ...ORDERS_MODEL, 'server.js': `import cds from '@sap/cds'\n${server}`, ...files },
    })
    return app
  }

  for (const [kind, add, server] of [
    ['JavaScript, ESM', [], { 'server.js': SERVER.esm }],
    ['JavaScript, CommonJS', ['cjs'], { 'server.js': SERVER.cjs }],
    ['TypeScript', ['typescript'], { 'server.ts': SERVER.ts }],
  ] as const) {
    for (const command of ['serve', 'watch'] as const) {
      it(`hands events to sluice.on under cds ${command} in an app of cds init: ${kind}`, async () => {
        app = await capApp({ add, cds: { requires: { sluice } }, files: { ...ORDERS_MODEL, ...server } })
        const running = await app.start({ command })
        expect((await running.deliver('o-1', { amount: 7 })).status).to.equal(200)
        const [row] = await running.rows(ORDERS, 1)
        expect(row).to.include({ ID: 'o-1', amount: 7, createdBy: 'sluice' })
      })
    }
  }

  it('keeps what came while the app was down for its next start, under the same subscription', async () => {
    const folder = await inApp(SERVER.esm.split('\n').slice(1).join('\n'), {
      db: { kind: 'sqlite', credentials: { url: 'app.db' } },
    })
    await folder.cds('deploy', '--to', 'sqlite:app.db')
    const first = await folder.start({ args: [] })
    await first.deliver('before', { amount: 1 })
    await first.rows(ORDERS, 1)
    await first.stop()
    const intakeOnly = await folder.start({ args: [], env: { CDS_REQUIRES_SLUICE_ROLES: '["intake"]' } })
    await intakeOnly.deliver('meanwhile', { amount: 2 })
    await intakeOnly.stop()
    const again = await folder.start({ args: [] })
    expect((await again.rows(ORDERS, 2)).map(({ ID }) => ID)).to.have.members(['before', 'meanwhile'])
  })

  it('takes sluice.on in server.js, in a service and in a later served handler, with options', async () => {
    const folder = await inApp(
      `const sluice = await cds.connect.to('sluice')
sluice.on('a.v1', event => INSERT.into('app.Orders').entries({ ID: 'server ' + event.id }))
sluice.on('*', { name: 'everything', order: 'none', sources: ['orders'], retry: { attempts: 2 } },
  event => INSERT.into('app.Orders').entries({ ID: 'all ' + event.id }))`,
      {},
      {
        'srv/orders-service.js': `import cds from '@sap/cds'
export class OrdersService extends cds.ApplicationService {
  async init() {
    const sluice = await cds.connect.to('sluice')
    sluice.on(['b.v1', 'c.v1'], { name: 'b-and-c' }, event => INSERT.into('app.Orders').entries({ ID: 'init ' + event.id }))
    cds.on('served', async () => {
      sluice.on('d.v1', event => INSERT.into('app.Orders').entries({ ID: 'served ' + event.id }))
    })
    return super.init()
  }
}`,
      },
    )
    const running = await folder.start()
    for (const letter of ['a', 'b', 'c', 'd']) await running.deliver(letter, {}, `${letter}.v1`)
    const rows = await running.rows(ORDERS, 8)
    expect(rows.map(({ ID }) => ID)).to.have.members([
      'server a',
      'init b',
      'init c',
      'served d',
      ...['a', 'b', 'c', 'd'].map((id) => `all ${id}`),
    ])
  })

  it('runs handlers in a transaction that ends with them, as a technical user', async () => {
    const folder = await inApp(`cds.on('served', async () => {
  const sluice = await cds.connect.to('sluice')
  sluice.on('order.created.v1', async (event, context) => {
    await INSERT.into('app.Orders').entries({ ID: event.id + ' ' + context.attempt, amount: event.data.amount })
    if (context.attempt < 2) throw new Error('not yet')
    const seen = await SELECT.from('app.Orders')
    const { user, id } = cds.context
    await INSERT.into('app.Orders').entries({ ID: user.id + user.is('anything') + (id === event.key), amount: seen.length })
  })
  sluice.on('order.broken.v1', { retry: { attempts: 5, baseMs: 1 } }, async (event) => {
    await INSERT.into('app.Orders').entries({ ID: 'rolled back' })
    console.log('tried')
    throw Object.assign(new Error('never'), { unrecoverable: true })
  })
  sluice.on('order.slow.v1', { timeoutMs: 50, retry: { attempts: 1 } }, async (event, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    await INSERT.into('app.Orders').entries({ ID: 'too late' })
    console.log('slow handler ended')
  })
})`)
    const running = await folder.start()
    await running.deliver('slow', {}, 'order.slow.v1')
    await running.says('slow handler ended')
    await running.deliver('broken', {}, 'order.broken.v1')
    await running.says('tried')
    await running.deliver('o', { amount: 3 })
    const rows = await running.rows(ORDERS, 2)
    expect(rows.map(({ ID, amount }) => [ID, amount])).to.have.deep.members([
      ['o 2', 3],
      ['sluicetruetrue', 1],
    ])
    expect(running.output().match(/^tried$/gm)).to.have.length(1)
  })

  it('hands over our event and our context, the same as in a module named by the configuration', async () => {
    const handler = `async (event, context) => {
  console.log('seen ' + JSON.stringify({ ...event, data: event.data, key: typeof event.key, origin: event.origin, context: Object.keys(context).sort() }))
}`
    app = await capApp({
      cds: { requires: { sluice: { ...sluice, subscriptions: { mod: { on: '*', handler: 'srv/mod' } } } } },
      files: {
        ...ORDERS_MODEL,
        'srv/mod.js': `export default ${handler}`,
        'server.js': `import cds from '@sap/cds'\n(await cds.connect.to('sluice')).on('*', { name: 'code' }, ${handler})`,
      },
    })
    const running = await app.start()
    await running.deliver('same', { amount: 1 })
    await running.says(/seen .*\n.*seen .*\n/)
    const [one, two] = running
      .output()
      .split('\n')
      .filter((line) => line.startsWith('seen '))
    expect(one).to.equal(two)
    expect(JSON.parse(one?.slice('seen '.length) ?? '')).to.deep.include({
      type: 'hmac.order.created.v1',
      providertype: 'order.created.v1',
      data: { amount: 1 },
      key: 'string',
      origin: 'orders',
    })
  })

  for (const [kind, add] of [
    ['ESM', ['typescript']],
    ['CommonJS', ['typescript', 'cjs']],
  ] as const) {
    it(`runs handler modules by the tsx of cds watch, which knows what Node alone does not: ${kind}`, async () => {
      app = await capApp({
        add,
        cds: { requires: { sluice: { ...sluice, subscriptions: { mod: { on: '*', handler: 'srv/mod' } } } } },
        files: {
          ...ORDERS_MODEL,
          'srv/mod.ts': `import { PermanentError, type Handler } from 'cap-sluice'
enum Word { Got = 'got' }
const handler: Handler = async ({ id }) => {
  console.log(Word.Got, id)
  if (id === 'dead') throw new PermanentError('for good')
}
export default handler`,
        },
      })
      const running = await app.start({ command: 'watch' })
      for (const id of ['dead', 'alive']) await running.deliver(id, {})
      await running.says('got alive')
      await running.says(/a dispatch needs an operator/)
    })
  }

  for (const compiler of ['typescript', 'typescript5']) {
    it(`type-checks in an app with ${compiler}`, async () => {
      app = await capApp({ add: ['typescript'], files: { 'server.ts': TYPED, 'tsconfig.json': TSCONFIG } })
      const problems = (await app.tsc(compiler)).split('\n').filter((line) => line.includes('error TS'))
      // CAP's own types do not hold without skipLibCheck.
      expect(problems.filter((line) => !/node_modules\/@(sap|types|cap-js)\//.test(line))).to.deep.equal([])
    })
  }
})
