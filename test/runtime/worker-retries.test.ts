import { expect } from 'chai'
import { PermanentError, RetryAfterError, SluiceError } from '#domain/errors'
import { workshop } from '../helpers/workshop.ts'

const failing = (fault: () => Error) => () => {
  throw fault()
}
const transient = failing(() => new Error('ERP is down'))

describe('worker: retries', () => {
  it('tries again after each backoff, to the millisecond', async () => {
    const { worker, send, clock, halt } = workshop()
    const startedAt = clock.now().getTime()
    const triedAt: number[] = []
    const one = await worker({
      handler: () => {
        triedAt.push(clock.now().getTime() - startedAt)
        if (triedAt.length < 5) throw new Error('not yet')
      },
    })
    await send()
    one.start()
    await clock.advance(60_000)
    // Half of 1, 2, 4 and 8 s, because the random number here is always 0.5.
    expect(triedAt).to.deep.equal([0, 500, 1_500, 3_500, 7_500])
    await halt(one)
  })

  it('follows an own schedule to the millisecond', async () => {
    const { worker, send, clock, halt } = workshop()
    const startedAt = clock.now().getTime()
    const triedAt: number[] = []
    const one = await worker({
      retry: { attempts: 4, scheduleMs: [10_000, 3_600_000] },
      handler: () => {
        triedAt.push(clock.now().getTime() - startedAt)
        throw new Error('no')
      },
    })
    await send()
    one.start()
    await clock.advance(2 * 86_400_000)
    expect(triedAt).to.deep.equal([0, 10_000, 3_610_000, 7_210_000])
    await halt(one)
  })

  for (const attempts of [1, 2, 3, 25]) {
    it(`tries exactly ${attempts} times and then waits for an operator (peer defect 6)`, async () => {
      const { worker, send, clock, dispatch, attempts: recorded, log, halt } = workshop()
      let tries = 0
      const one = await worker({
        retry: { attempts, scheduleMs: [1] },
        handler: () => {
          tries += 1
          throw new Error('no')
        },
      })
      const event = await send()
      one.start()
      await clock.advance(86_400_000)
      expect(tries).to.equal(attempts)
      expect(dispatch(event)).to.include({ status: 'dead', attempts, reason: 'Error' })
      expect(recorded(event).map(({ n, outcome }) => [n, outcome])).to.deep.equal(
        Array.from({ length: attempts }, (_, index) => [index + 1, 'failed']),
      )
      expect(log.messages('warn')).to.deep.equal(['a dispatch needs an operator'])
      await halt(one)
    })
  }

  it('ends a permanent fault at once', async () => {
    const { worker, send, dispatch, attempts } = workshop()
    const one = await worker({ handler: failing(() => new PermanentError('never', { httpStatus: 422 })) })
    const event = await send()
    await one.tick()
    expect(dispatch(event)).to.include({ status: 'dead', reason: 'permanent', attempts: 1 })
    expect(attempts(event)[0]).to.include({ outcome: 'failed', code: 'permanent', httpStatus: 422, sent: false })
  })

  it('waits as long as a target asks, not shorter', async () => {
    const { worker, send, clock, dispatch, halt } = workshop()
    let tries = 0
    const one = await worker({
      handler: () => {
        tries += 1
        if (tries === 1) throw new RetryAfterError(90_000, 'throttled')
      },
    })
    const event = await send()
    one.start()
    await clock.advance(89_999)
    expect(tries).to.equal(1)
    await clock.advance(1)
    expect(dispatch(event)).to.include({ status: 'done', attempts: 2 })
    await halt(one)
  })

  for (const afterMs of [Number.NaN, Number.POSITIVE_INFINITY, -1]) {
    it(`does not lose a dispatch that asks for ${afterMs} ms`, async () => {
      const { worker, send, clock, dispatch, halt } = workshop()
      let tries = 0
      const one = await worker({
        handler: () => {
          tries += 1
          if (tries === 1) throw new RetryAfterError(afterMs, 'odd')
        },
      })
      const event = await send()
      one.start()
      await clock.advance(86_400_000)
      expect(dispatch(event).status).to.equal('done')
      await halt(one)
    })
  }

  it('parks what cannot be decided as unsure, until an operator gives it new tries', async () => {
    const { worker, send, inbox, dispatch } = workshop()
    let decidable = false
    const one = await worker({
      handler: () => {
        if (!decidable) throw new SluiceError('lookup-failed', 'Was it written?', { effect: 'undecidable' })
      },
    })
    const event = await send()
    await one.tick()
    expect(dispatch(event)).to.include({ status: 'unsure', reason: 'lookup-failed' })
    expect(await one.tick()).to.equal(0)
    decidable = true
    expect((await inbox.admin.retry(dispatch(event).id, 'ann')).ok).to.equal(true)
    await one.tick()
    expect(dispatch(event).status).to.equal('done')
  })

  it('keeps what a handler returned', async () => {
    const { worker, send, dispatch } = workshop()
    const one = await worker({ handler: async () => ({ order: '4711' }) })
    const event = await send()
    await one.tick()
    expect(dispatch(event)).to.include({ status: 'done', result: '{"order":"4711"}' })
  })

  it('caps what a target shouts (peer defect 25)', async () => {
    const { worker, send, attempts } = workshop()
    const one = await worker({ handler: failing(() => new Error('x'.repeat(100_000_000))) })
    const event = await send()
    await one.tick()
    expect(attempts(event)[0]?.message).to.have.length(2_048)
  })

  it('gives a handler its event, its attempt and its bytes', async () => {
    const { worker, send, clock, halt } = workshop()
    const seen: unknown[] = []
    const one = await worker({
      handler: async (event, context) => {
        const text = Buffer.from((await context.payload()) ?? []).toString()
        seen.push([event.id, event.type, event.origin, event.data, event.dataText, context.attempt, context.run, text])
        if (context.attempt === 1) throw new Error('again')
      },
    })
    await send({ id: 'evt-1', data: '{"n":9007199254740993}' })
    one.start()
    await clock.advance(1_000)
    const known = ['evt-1', 'order.created', 'shop', { n: 9007199254740992 }, '{"n":9007199254740993}']
    expect(seen).to.deep.equal([
      [...known, 1, 1, '{"n":9007199254740993}'],
      [...known, 2, 1, '{"n":9007199254740993}'],
    ])
    await halt(one)
  })
})

describe('worker: the life of a dead letter (peer defect 15)', () => {
  it('stops its lane, is retried with new tries, and the rest follows in order', async () => {
    const { worker, send, clock, inbox, dispatch, halt } = workshop()
    const handled: string[] = []
    let broken = true
    const one = await worker({
      retry: { attempts: 2, scheduleMs: [1_000] },
      handler: ({ id }) => {
        handled.push(id)
        if (broken && id === 'first') throw new Error('no')
      },
    })
    const first = await send({ id: 'first', lane: 'A' })
    const second = await send({ id: 'second', lane: 'A' })
    one.start()
    await clock.advance(3_600_000)
    expect(handled).to.deep.equal(['first', 'first'])
    expect([dispatch(first).status, dispatch(second).status]).to.deep.equal(['dead', 'waiting'])

    // New tries, counted anew: a second failure waits, a second exhaustion is dead again.
    await inbox.admin.retry(dispatch(first).id, 'ann')
    one.wake()
    await clock.advance(3_600_000)
    expect(handled).to.deep.equal(['first', 'first', 'first', 'first'])
    expect(dispatch(first)).to.include({ status: 'dead', attempts: 4 })

    broken = false
    await inbox.admin.retry(dispatch(first).id, 'ann')
    one.wake()
    await clock.advance(1_000)
    expect(handled.slice(4)).to.deep.equal(['first', 'second'])
    expect([dispatch(first).status, dispatch(second).status]).to.deep.equal(['done', 'done'])
    expect(await inbox.admin.retry(dispatch(first).id, 'ann')).to.deep.equal({ ok: false, reason: 'conflict' })
    await halt(one)
  })

  it('is discarded, and the lane goes on', async () => {
    const { worker, send, clock, inbox, dispatch, halt } = workshop()
    const one = await worker({
      retry: { attempts: 1 },
      handler: ({ id }) => {
        if (id === 'poison') throw new Error('no')
      },
    })
    const poison = await send({ id: 'poison', lane: 'A' })
    const next = await send({ id: 'next', lane: 'A' })
    one.start()
    await clock.advance(3_600_000)
    expect(dispatch(next).status).to.equal('waiting')
    await inbox.admin.discard(dispatch(poison).id, 'ann')
    one.wake()
    await clock.advance(1_000)
    expect(dispatch(poison)).to.include({ status: 'skipped', reason: 'discarded' })
    expect(dispatch(next).status).to.equal('done')
    await halt(one)
  })

  it('is not swept away by retention while somebody has to look at it', async () => {
    const { worker, send, clock, inbox, dispatch } = workshop()
    const one = await worker({ retry: { attempts: 1 }, handler: transient })
    const event = await send()
    await one.tick()
    await clock.advance(365 * 86_400_000)
    await inbox.admin.retain({ payloadsBefore: clock.now(), eventsBefore: clock.now(), limit: 100 })
    expect(dispatch(event).status).to.equal('dead')
    await inbox.admin.discard(dispatch(event).id, 'ann')
    await inbox.admin.retain({ payloadsBefore: clock.now(), eventsBefore: clock.now(), limit: 100 })
    expect(inbox.state.dispatches.size).to.equal(0)
  })
})
