import { expect } from 'chai'
import { SluiceError } from '#domain/errors'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { createGateway } from '../../srv/gateway.ts'
import { virtualClock } from '../../testing/virtual-clock.ts'
import { faultOf, thrownBy } from '../helpers/faults.ts'
import { frontDoor } from '../helpers/front-door.ts'
import { hmacSource, signed } from '../helpers/hmac-source.ts'
import { pollPolicy } from '../helpers/poll-policy.ts'
import { gate, never, turns, untilSo } from '../helpers/turns.ts'
import { required } from '../helpers/workshop.ts'

const body = '{}'
const away = () => Promise.reject(new SluiceError('store-unavailable', 'The store is away.'))

describe('gateway: start', () => {
  it('answers 503 before it, and takes deliveries after it', async () => {
    const door = await frontDoor({ unstarted: true })
    const answer = await door.send({ headers: signed(body), body })
    expect([answer.status, answer.headers['retry-after']]).to.deep.equal([503, '1'])
    expect(JSON.parse(answer.text).type).to.equal('urn:sluice:problem:not-started')
    await door.gateway.start()
    expect((await door.send({ headers: signed(body), body })).status).to.equal(200)
    await door.close()
  })

  it("leaves to the app what is the app's, in every state", async () => {
    const door = await frontDoor({ unstarted: true })
    const other = async () => (await door.send({ path: '/webhooks/other', body })).status
    const before = await other()
    await door.gateway.start()
    const during = await other()
    await door.gateway.stop()
    expect([before, during, await other()]).to.deep.equal([418, 418, 418])
    await door.close()
  })

  it('happens once, however often and at once it is asked for', async () => {
    const memory = memoryInbox()
    const opened = gate()
    let opens = 0
    const inbox = {
      ...memory,
      open: async () => {
        opens += 1
        await opened.passed
      },
    }
    let handled = 0
    const gateway = createGateway({ inbox, sources: { shop: hmacSource() } })
    gateway.on('*', { name: 'book' }, () => {
      handled += 1
    })
    const starts = [gateway.start(), gateway.start()]
    opened.open()
    await Promise.all([...starts, gateway.start()])
    await gateway.receive({ method: 'POST', url: '/shop', headers: signed(body), body: Buffer.from(body) })
    await untilSo(() => handled > 0)
    await gateway.stop()
    expect([opens, handled]).to.deep.equal([1, 1])
  })

  it('can be tried again where the store was away', async () => {
    const memory = memoryInbox()
    let tries = 0
    const open = () => {
      tries += 1
      return tries === 1 ? away() : Promise.resolve()
    }
    const gateway = createGateway({ inbox: { ...memory, open }, sources: { shop: hmacSource() } })
    gateway.on('*', { name: 'early' }, () => {})
    expect(await faultOf(gateway.start())).to.include({ code: 'store-unavailable' })
    expect(await gateway.health()).to.deep.equal({ ok: false, reason: 'new', state: 'new' })
    await gateway.start()
    expect((await gateway.health()).state).to.equal('started')
    await gateway.stop()
  })

  it('registers subscriptions before anything can arrive, so that nothing is unrouted', async () => {
    const memory = memoryInbox()
    const slow = gate()
    const register: typeof memory.admin.register = async (subscriptions) => {
      await slow.passed
      await memory.admin.register(subscriptions)
    }
    const door = await frontDoor({
      inbox: { ...memory, admin: { ...memory.admin, register } },
      subscriptions: [{ name: 'book', on: ['order.*'], handler: () => {} }],
      unstarted: true,
    })
    const starting = door.gateway.start()
    await turns()
    expect((await door.send({ headers: signed(body), body })).status).to.equal(503)
    slow.open()
    await starting
    await door.send({ headers: signed(body), body })
    expect(memory.state.subscriptions.get('book')?.filter).to.deep.equal({ on: ['order.*'] })
    expect([...memory.state.events.values()].map(({ unrouted }) => unrouted)).to.deep.equal([false])
    await door.close()
  })

  it('ends the time for on(), and says why', async () => {
    const memory = memoryInbox()
    const opened = gate()
    const gateway = createGateway({ inbox: { ...memory, open: () => opened.passed } })
    const starting = gateway.start()
    for (const after of [opened.open, () => starting]) {
      const fault = thrownBy(() => gateway.on('*', { name: 'late' }, () => {}))
      expect(fault).to.include({ code: 'configuration' })
      expect(fault.message).to.include('subscriptions.late').and.include('before start()')
      await after()
    }
    await gateway.stop()
  })

  it('lets only those roles work that it was given', async () => {
    const handler = () => expect.fail('this instance has no worker')
    const intake = await frontDoor({ roles: ['intake'], subscriptions: [{ name: 'book', on: ['*'], handler }] })
    expect((await intake.send({ headers: signed(body), body })).status).to.equal(200)
    await turns()
    expect(required([...intake.state.dispatches.values()][0])).to.include({ status: 'waiting', attempts: 0 })
    await intake.close()
    const worker = await frontDoor({ roles: ['worker'] })
    expect((await worker.send({ headers: signed(body), body })).status).to.equal(418)
    await worker.close()
  })
})

describe('gateway: drain and stop', () => {
  it('still stores deliveries while it drains, claims nothing, and is not ready', async () => {
    const handled: string[] = []
    const door = await frontDoor({
      subscriptions: [{ name: 'book', on: ['*'], handler: ({ id }) => void handled.push(id) }],
    })
    expect(await door.gateway.drain({ timeoutMs: 100 })).to.deep.equal({ unfinished: 0 })
    expect((await door.gateway.health()).state).to.equal('draining')
    const answer = await door.send({ headers: signed(body), body })
    expect(answer.status).to.equal(200)
    await turns()
    expect(handled).to.deep.equal([])
    expect(required([...door.state.dispatches.values()][0])).to.include({ status: 'waiting', attempts: 0 })
    await door.gateway.stop()
    expect((await door.send({ headers: signed(body), body })).status).to.equal(503)
    await door.close()
  })

  it('lets a running handler finish', async () => {
    const finish = gate()
    let begun = false
    const door = await frontDoor({
      subscriptions: [
        {
          name: 'book',
          on: ['*'],
          handler: () => {
            begun = true
            return finish.passed
          },
        },
      ],
    })
    await door.send({ headers: signed(body), body })
    await untilSo(() => begun)
    const stopping = door.gateway.stop({ timeoutMs: 60_000 })
    finish.open()
    expect(await stopping).to.deep.equal({ unfinished: 0 })
    expect([...door.state.dispatches.values()][0]?.status).to.equal('done')
    await door.close()
  })

  it('ends within its limit whatever does not: a handler, a poll, a store', async () => {
    const clock = virtualClock()
    const memory = memoryInbox({ now: clock.now })
    const target = {
      kind: 'test',
      entities: {},
      session: never as never,
      fetch: never,
      changes: never,
      close: never,
    }
    const gateway = createGateway({
      clock,
      inbox: { ...memory, journal: { ...memory.journal, countRejections: never }, close: never },
      sources: { shop: hmacSource() },
      targets: { erp: target },
      polls: [pollPolicy()],
      subscriptions: [{ name: 'book', on: ['*'], handler: never }],
    })
    await gateway.start()
    await gateway.receive({ method: 'POST', url: '/shop', headers: signed(body), body: Buffer.from(body) })
    await gateway.receive({ method: 'POST', url: '/shop', headers: {}, body: Buffer.from(body) })
    await turns()
    let result: unknown
    void gateway.stop({ timeoutMs: 5_000 }).then((ended) => {
      result = ended
    })
    await clock.advance(5_000)
    await clock.advance(2_000)
    await clock.advance(5_000)
    expect(result).to.deep.equal({ unfinished: 1 })
  })

  it('closes the store and every target, also when one of them cannot be closed', async () => {
    const closed: string[] = []
    const memory = memoryInbox()
    const target = (name: string, fault?: Error) => ({
      kind: 'test',
      entities: {},
      session: never as never,
      fetch: never,
      close: async () => {
        if (fault) throw fault
        closed.push(name)
      },
    })
    const inbox = { ...memory, close: async () => void closed.push('inbox') }
    const gateway = createGateway({ inbox, targets: { one: target('one', new Error('no')), two: target('two') } })
    await gateway.start()
    await Promise.all([gateway.stop(), gateway.stop()])
    expect(closed).to.have.members(['inbox', 'two'])
  })

  it('may be asked for before there was a start, and while there is one', async () => {
    const idle = createGateway({ inbox: memoryInbox() })
    expect(await idle.stop()).to.deep.equal({ unfinished: 0 })

    const memory = memoryInbox()
    const opened = gate()
    let closed = 0
    const inbox = {
      ...memory,
      open: () => opened.passed,
      close: async () => {
        closed += 1
      },
    }
    const gateway = createGateway({
      inbox,
      subscriptions: [{ name: 'book', on: ['*'], handler: () => expect.fail('it must not begin to work') }],
    })
    const starting = gateway.start()
    const stopping = gateway.stop({ timeoutMs: 60_000 })
    opened.open()
    await Promise.all([starting, stopping])
    expect(closed).to.equal(1)
    expect((await gateway.health()).state).to.equal('stopped')
  })
})

describe('gateway: health and polls by name', () => {
  it('says that the store is not there where it does not answer', async () => {
    const clock = virtualClock()
    const inbox = { ...memoryInbox({ now: () => clock.now() }), health: () => new Promise<never>(() => undefined) }
    const gateway = createGateway({ inbox, clock })
    await gateway.start()
    const asked = gateway.health()
    await clock.advance(3_000)
    expect(await asked).to.deep.equal({ ok: false, reason: 'timeout', state: 'started' })
    await gateway.stop()
  })

  it('says what the store says, and what it does not say is not well', async () => {
    const memory = memoryInbox()
    let gone = false
    const health = () => (gone ? away() : memory.health())
    const gateway = createGateway({ inbox: { ...memory, health } })
    await gateway.start()
    expect(await gateway.health()).to.deep.equal({ ok: true, clockOffsetMs: 0, state: 'started' })
    gone = true
    expect(await gateway.health()).to.deep.equal({ ok: false, reason: 'store-unavailable', state: 'started' })
    await gateway.stop()
  })

  it('leads a poll for 15 s at a time: by so much its death in a run delays the next one', async () => {
    const clock = virtualClock()
    const memory = memoryInbox({ now: clock.now })
    const target = { kind: 'test', entities: {}, session: never as never, fetch: never, changes: never }
    const gateway = createGateway({ clock, inbox: memory, targets: { erp: target }, polls: [pollPolicy()] })
    await gateway.start()
    await turns()
    expect(memory.state.leases.get('poll:orders')?.until).to.deep.equal(new Date(clock.now().getTime() + 15_000))
    const stopping = gateway.stop({ timeoutMs: 1_000 })
    await clock.advance(1_000)
    await stopping
  })

  it('names what to do about a poll that does not run here', async () => {
    const gateway = createGateway({ inbox: memoryInbox() })
    expect((await faultOf(gateway.poll('orders'))).message).to.include('No poll orders runs here.')
  })
})
