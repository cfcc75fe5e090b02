import { expect } from 'chai'
import type { Handler } from '../../srv/runtime/handler.ts'
import { fakeTarget } from '../helpers/fake-target.ts'
import { type EventPlan, required, workshop } from '../helpers/workshop.ts'

const at = (second: number, fraction = '') => `2026-01-01T00:00:0${second}${fraction}Z`
const order = (version?: string, more: EventPlan = {}): EventPlan => ({
  lane: 'Order/1',
  nature: 'state',
  object: { type: 'Order', key: '1', ...(version === undefined ? {} : { version }) },
  ...more,
})

/** A worker that handles everything at once, and what it handled. */
async function shop(...parts: Parameters<typeof workshop>) {
  const bench = workshop(...parts)
  const handled: string[] = []
  const one = await bench.worker({ handler: ({ id }) => void handled.push(id) })
  return {
    ...bench,
    handled,
    one,
    async arrive(plan: EventPlan) {
      const event = await bench.send(plan)
      await one.tick()
      return event
    },
  }
}

describe('worker: versions', () => {
  it('absorbs the same and an older version, by whatever channel it came', async () => {
    const { arrive, handled, dispatch, attempts } = await shop()
    await arrive(order(at(2), { id: 'push' }))
    const poll = await arrive(order(at(2), { id: 'poll', origin: 'orders-poll' }))
    const older = await arrive(order(at(1), { id: 'older' }))
    await arrive(order(at(3), { id: 'newer' }))
    expect(handled).to.deep.equal(['push', 'newer'])
    for (const event of [poll, older]) {
      expect(dispatch(event)).to.include({ status: 'skipped', reason: 'absorbed' })
      expect(attempts(event)[0]).to.include({ outcome: 'skipped', code: 'absorbed' })
    }
  })

  it('never absorbs a second content within the same second (peer defect 10)', async () => {
    const { arrive, handled } = await shop()
    await arrive(order(at(2), { id: 'first', data: '{"a":1,"b":1}' }))
    await arrive(order(at(2), { id: 'second', data: '{"a":1,"b":2}' }))
    await arrive(order(at(2), { id: 'same', data: '{"b":2,"a":1}' }))
    expect(handled).to.deep.equal(['first', 'second'])
  })

  it('tells seven decimals apart', async () => {
    const { arrive, handled } = await shop()
    await arrive(order(at(2, '.1234567'), { id: 'first' }))
    await arrive(order(at(2, '.1234568'), { id: 'second' }))
    await arrive(order(at(2, '.1234566'), { id: 'older' }))
    expect(handled).to.deep.equal(['first', 'second'])
  })

  it('handles a state whose text is no JSON', async () => {
    const { arrive, dispatch, handled } = await shop()
    const event = await arrive(order(at(2), { id: 'xml', data: '<order/>' }))
    await arrive(order(at(2), { id: 'again', data: '<order/>' }))
    expect(dispatch(event).status).to.equal('done')
    expect(handled).to.deep.equal(['xml'])
  })

  it('never absorbs facts, nor what has no version', async () => {
    const { arrive, handled } = await shop()
    await arrive(order(at(2), { id: 'state' }))
    await arrive({ ...order(at(1), { id: 'paid' }), nature: 'fact' })
    await arrive(order(undefined, { id: 'unknown' }))
    expect(handled).to.deep.equal(['state', 'paid', 'unknown'])
  })

  it('remembers a version only once its handler is done', async () => {
    const { worker, send, clock, halt } = workshop()
    const tried: string[] = []
    const one = await worker({
      retry: { scheduleMs: [1_000] },
      handler: ({ id }, { attempt }) => {
        tried.push(`${id}.${attempt}`)
        if (id === 'v2' && attempt === 1) throw new Error('not yet')
      },
    })
    await send(order(at(2), { id: 'v2' }))
    one.start()
    await clock.advance(999)
    await clock.advance(1)
    expect(tried).to.deep.equal(['v2.1', 'v2.2'])
    await halt(one)
  })

  it('decides by the version of the record where it is fetched, and hands the record over', async () => {
    const erp = fakeTarget()
    erp.records.set('1', { data: { ID: '1', total: 5 }, version: at(5) })
    const { worker, send, dispatch } = workshop({ targets: { erp: erp.target } })
    const records: unknown[] = []
    const one = await worker({
      fetch: { target: 'erp' },
      handler: (_event, { record }) => void records.push(record?.data),
    })
    await send(order(undefined, { id: 'hint' }))
    await one.tick()
    const again = await send(order(undefined, { id: 'hint again' }))
    await one.tick()
    expect(records).to.deep.equal([{ ID: '1', total: 5 }])
    expect(dispatch(again)).to.include({ status: 'skipped', reason: 'absorbed' })
  })

  it('comes back to a record that is not there yet', async () => {
    const erp = fakeTarget()
    const { worker, send, clock, dispatch, attempts, halt } = workshop({ targets: { erp: erp.target } })
    const one = await worker({ fetch: { target: 'erp' }, retry: { scheduleMs: [5_000] } })
    const event = await send(order())
    one.start()
    await clock.advance(1)
    expect(attempts(event)[0]).to.include({ outcome: 'failed', code: 'record-not-found' })
    erp.records.set('1', { data: { ID: '1' }, version: at(5) })
    await clock.advance(5_000)
    expect(dispatch(event).status).to.equal('done')
    await halt(one)
  })

  it('hands over the event alone where it says that the object is gone', async () => {
    const erp = fakeTarget()
    const { worker, send, dispatch } = workshop({ targets: { erp: erp.target } })
    const records: unknown[] = []
    const one = await worker({ fetch: { target: 'erp' }, handler: (_event, { record }) => void records.push(record) })
    const gone = { type: 'sales.order.deleted.v1', providertype: 'sap.s4.beh.salesorder.v1.SalesOrder.Deleted.v1' }
    const event = await send(order(undefined, { id: 'gone', ...gone }))
    await one.tick()
    expect(records).to.deep.equal([undefined])
    expect(dispatch(event).status).to.equal('done')
  })

  it('ends a fetch of something nobody declared, and says what to declare', async () => {
    const erp = fakeTarget({ Partners: { key: ['ID'], object: 'Partner' } })
    const { worker, send, dispatch, attempts } = workshop({ targets: { erp: erp.target } })
    const one = await worker({ fetch: { target: 'erp' } })
    const event = await send(order())
    await one.tick()
    expect(dispatch(event)).to.include({ status: 'dead', reason: 'configuration' })
    expect(attempts(event)[0]?.message).to.include('targets.erp.entities')
  })
})

describe('worker: echo', () => {
  async function writer(version: string) {
    const erp = fakeTarget()
    const bench = await workshop({ targets: { erp: erp.target } })
    const handled: string[] = []
    const one = await bench.worker({
      handler: async ({ id }, { targets }) => {
        handled.push(id)
        if (id === 'ours') await targets.erp?.update('Orders', { ID: '1' }, {}, { version })
      },
    })
    return { ...bench, one, handled, erp }
  }

  for (const returned of [at(4, '.5'), at(4, '.5000000')]) {
    it(`knows its own write when it comes back as ${returned}`, async () => {
      const { send, one, handled, dispatch } = await writer(at(4, '.5'))
      await send({ id: 'ours', type: 'shop.order' })
      await one.tick()
      const echo = await send(order(returned, { id: 'echo' }))
      await one.tick()
      expect(handled).to.deep.equal(['ours'])
      expect(dispatch(echo)).to.include({ status: 'skipped', reason: 'echo' })
    })
  }

  it("takes anybody else's write for what it is", async () => {
    const { send, one, handled } = await writer(at(4))
    await send({ id: 'ours', type: 'shop.order' })
    await one.tick()
    await send(order(at(5), { id: 'theirs' }))
    await one.tick()
    expect(handled).to.deep.equal(['ours', 'theirs'])
  })

  /** One subscription writes to the ERP, the other is told of the ERP's changes and reads them there. */
  async function bothDirections() {
    const erp = fakeTarget()
    const bench = workshop({ targets: { erp: erp.target } })
    const handled: string[] = []
    const versions: { version: string; over?: string }[] = []
    const one = await bench.worker(
      {
        name: 'into',
        on: ['shop.order'],
        handler: (_event, { targets }) => {
          const { version, over } = required(versions.shift())
          erp.records.set('1', { data: {}, version })
          return targets.erp?.update('Orders', { ID: '1' }, {}, { version, ...(over && { etag: over }) })
        },
      },
      {
        name: 'from',
        on: ['order.created'],
        fetch: { target: 'erp' },
        handler: ({ id }) => void handled.push(id),
      },
    )
    return {
      ...bench,
      handled,
      async write(...written: typeof versions) {
        versions.push(...written)
        for (const _ of written) await bench.send({ type: 'shop.order', lane: 'Order/1' })
        while ((await one.tick()) > 0);
      },
      async told(id: string) {
        const event = await bench.send(order(undefined, { id }))
        await one.tick()
        return bench.dispatch(event, 'from')
      },
      tick: () => one.tick(),
      changed: (version: string) => erp.records.set('1', { data: {}, version }),
    }
  }

  /** Makes version `first` of the one before, and the next of that. */
  const writingTwice = (first: number, changed: (version: string) => void) => ({
    name: 'twice',
    on: ['shop.return'],
    handler: (async (_event, { targets }) => {
      await targets.erp?.update('Orders', { ID: '1' }, {}, { version: at(first), etag: at(first - 1) })
      await targets.erp?.update('Orders', { ID: '1' }, {}, { version: at(first + 1), etag: at(first) })
      changed(at(first + 1))
    }) satisfies Handler,
  })

  // Mutation tried: without what lies beneath, the user's change ends as an echo and nobody is told of it.
  it("is not its own write where somebody's change lies beneath that nobody has seen", async () => {
    const { write, told, changed, handled } = await bothDirections()
    changed(at(1))
    await told('seen')
    changed(at(2))
    await write({ version: at(3), over: at(2) })
    expect(await told('of the user')).to.include({ status: 'done' })
    expect(await told('of our write')).to.include({ status: 'skipped', reason: 'echo' })
    expect(handled).to.deep.equal(['seen', 'of the user'])
  })

  it('is its own write over what was seen, and the next one over that', async () => {
    const { write, told, changed, handled } = await bothDirections()
    changed(at(1))
    await told('seen')
    await write({ version: at(2), over: at(1) })
    expect(await told('first')).to.include({ status: 'skipped', reason: 'echo' })
    await write({ version: at(3), over: at(2) })
    expect(await told('second')).to.include({ status: 'skipped', reason: 'echo' })
    expect(handled).to.deep.equal(['seen'])
  })

  it('is not its own write either where two of ours lie over that change', async () => {
    const { told, changed, handled, worker, send, dispatch } = await bothDirections()
    changed(at(1))
    await told('seen')
    const twice = await worker(writingTwice(3, changed))
    const returned = await send({ type: 'shop.return', lane: 'Order/1' })
    await twice.tick()
    expect(dispatch(returned, 'twice')).to.include({ status: 'done' })
    expect(await told('of the user')).to.include({ status: 'done' })
    expect(handled).to.deep.equal(['seen', 'of the user'])
  })

  it('is its own write where two of ours lie over what was seen', async () => {
    const { told, changed, handled, worker, send } = await bothDirections()
    changed(at(1))
    await told('seen')
    const twice = await worker(writingTwice(2, changed))
    await send({ type: 'shop.return', lane: 'Order/1' })
    await twice.tick()
    expect(await told('ours')).to.include({ status: 'skipped', reason: 'echo' })
    expect(handled).to.deep.equal(['seen'])
  })

  it('is run again where an operator asks for it', async () => {
    const { write, told, handled, inbox, tick, dispatch } = await bothDirections()
    await write({ version: at(2) })
    const { key: event } = (await told('ours')).event
    await inbox.admin.replay(event, 'from', 'operator')
    await tick()
    expect(dispatch(event, 'from', 2)).to.include({ status: 'done' })
    expect(handled).to.deep.equal(['ours'])
  })

  it('remembers its write also where the handler failed after it', async () => {
    const erp = fakeTarget()
    const { worker, send, dispatch } = workshop({ targets: { erp: erp.target } })
    const one = await worker({
      handler: async ({ id }, { targets }) => {
        if (id !== 'ours') return
        await targets.erp?.update('Orders', { ID: '1' }, {}, { version: at(4) })
        throw new Error('after the write')
      },
    })
    await send({ id: 'ours', type: 'shop.order' })
    await one.tick()
    const echo = await send(order(at(4), { id: 'echo' }))
    await one.tick()
    expect(dispatch(echo)).to.include({ status: 'skipped', reason: 'echo' })
  })
})

describe('worker: replay', () => {
  it('runs a done event again, as often as it is asked to (peer defect 1)', async () => {
    const { arrive, inbox, one, handled, dispatch } = await shop()
    const event = await arrive(order(at(2), { id: 'v2' }))
    for (const run of [2, 3]) {
      await inbox.admin.replay(event, undefined, 'ann')
      await one.tick()
      expect(dispatch(event, 'book', run)).to.include({ status: 'done', attempts: 1 })
    }
    expect(handled).to.deep.equal(['v2', 'v2', 'v2'])
  })

  it('refuses only a replay that is older than what is in effect', async () => {
    const { arrive, inbox, one, handled, dispatch } = await shop()
    const old = await arrive(order(at(1), { id: 'v1' }))
    await arrive(order(at(2), { id: 'v2' }))
    await inbox.admin.replay(old, undefined, 'ann')
    await one.tick()
    expect(handled).to.deep.equal(['v1', 'v2'])
    expect(dispatch(old, 'book', 2)).to.include({ status: 'skipped', reason: 'absorbed' })
  })

  it('runs an old fact again: facts have no version', async () => {
    const { arrive, inbox, one, handled } = await shop()
    const paid = await arrive({ id: 'paid', lane: 'Order/1', nature: 'fact' })
    await arrive(order(at(2), { id: 'v2' }))
    await inbox.admin.replay(paid, undefined, 'ann')
    await one.tick()
    expect(handled).to.deep.equal(['paid', 'v2', 'paid'])
  })

  it('does not make a new version that waits in the lane needless', async () => {
    const { arrive, send, inbox, one, handled, dispatch } = await shop()
    const old = await arrive(order(at(1), { id: 'v1' }))
    const fresh = await send(order(at(2), { id: 'v2' }))
    await inbox.admin.replay(old, undefined, 'ann')
    await one.tick()
    expect(handled).to.deep.equal(['v1', 'v2'])
    expect(dispatch(fresh).status).to.equal('done')
    expect(dispatch(old, 'book', 2)).to.include({ status: 'skipped', reason: 'absorbed' })
  })

  it('writes under another request id, and looks first', async () => {
    const erp = fakeTarget()
    const { worker, send, inbox } = workshop({ targets: { erp: erp.target } })
    const one = await worker({
      handler: async (_event, { targets }) => targets.erp?.create('Orders', {}, { reference: 'r' }),
    })
    const event = await send()
    await one.tick()
    await inbox.admin.replay(event, 'book', 'ann')
    await one.tick()
    expect(erp.writes.map(({ run, firstTry }) => [run, firstTry])).to.deep.equal([
      [1, true],
      [2, false],
    ])
    expect(erp.writes[0]?.requestId).to.not.equal(erp.writes[1]?.requestId)
  })
})
