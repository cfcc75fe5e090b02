import { expect } from 'chai'
import { SluiceError } from '#domain/errors'
import type { Admin, Journal, RetentionPolicy } from '#domain/ports'
import { refusalLog } from '../../srv/runtime/refusal-log.ts'
import { rejectionCounter } from '../../srv/runtime/rejections.ts'
import { createRetention, RETENTION_DEFAULTS } from '../../srv/runtime/retention.ts'
import { virtualClock } from '../../testing/virtual-clock.ts'
import { recordingLog } from '../helpers/recording-log.ts'
import { gate, turns } from '../helpers/turns.ts'

const HOUR_MS = 3_600_000
const away = () => Promise.reject(new SluiceError('store-unavailable', 'The store is away.'))

describe('rejections', () => {
  function counter(count?: Journal['countRejections']) {
    const clock = virtualClock('2026-01-01T00:00:30Z')
    const log = recordingLog()
    const written: Parameters<Journal['countRejections']>[0][] = []
    const countRejections: Journal['countRejections'] = async (counts) => {
      written.push(counts)
      await count?.(counts)
    }
    return { clock, log, written, rejections: rejectionCounter({ countRejections }, clock, log) }
  }

  it('makes one write of a flood, per source, reason and minute', async () => {
    const { clock, written, rejections } = counter()
    for (let n = 0; n < 10_000; n += 1) rejections.count('shop', 'signature-invalid')
    rejections.count('shop', 'too-large')
    rejections.count('bank', 'signature-invalid')
    await clock.advance(10_000)
    const minute = new Date('2026-01-01T00:00:00Z')
    expect(written).to.deep.equal([
      [
        { source: 'shop', reason: 'signature-invalid', minute, count: 10_000 },
        { source: 'shop', reason: 'too-large', minute, count: 1 },
        { source: 'bank', reason: 'signature-invalid', minute, count: 1 },
      ],
    ])
    await clock.advance(HOUR_MS)
    expect(written).to.have.length(1)
    expect(clock.pending).to.equal(0)
  })

  it('tells minutes apart', async () => {
    const { clock, written, rejections } = counter()
    await clock.advance(25_000)
    rejections.count('shop', 'token-invalid')
    await clock.advance(6_000)
    rejections.count('shop', 'token-invalid')
    await rejections.flush()
    expect(written.flat().map(({ minute }) => minute.getUTCMinutes())).to.deep.equal([0, 1])
  })

  it('says a refusal at once and how many came in the ten seconds after it, not each of ten thousand', async () => {
    const { clock, log, rejections } = counter()
    for (let n = 0; n < 10_000; n += 1) rejections.count('shop', 'signature-invalid', `c-${n}`)
    await clock.advance(HOUR_MS)
    const about = { source: 'shop', reason: 'signature-invalid' }
    expect(log.lines).to.deep.equal([
      { level: 'warn', message: 'deliveries are refused', fields: { ...about, correlationId: 'c-0', refused: 1 } },
      {
        level: 'warn',
        message: 'deliveries are refused',
        fields: { ...about, correlationId: 'c-9999', refused: 9_999 },
      },
    ])
  })

  it('survives a store that is away', async () => {
    const { log, rejections } = counter(away)
    rejections.count('shop', 'signature-invalid')
    await rejections.flush()
    expect(log.lines.at(-1)?.fields).to.include({ code: 'store-unavailable', entries: 1 })
  })

  it('writes nothing where nothing was refused', async () => {
    const { written, rejections } = counter()
    await rejections.flush()
    expect(written).to.deep.equal([])
  })
})

describe('the log of refusals', () => {
  function failing() {
    const clock = virtualClock()
    const log = recordingLog()
    const refusals = refusalLog(clock, log, 'well again')
    return {
      clock,
      refusals,
      fail: (source: string, code = 'store-unavailable') => refusals.refused('error', 'failed', { source, code }),
      told: () => log.lines.map(({ message, fields: { source, code, refused } }) => [message, source, code, refused]),
    }
  }

  it('tells sources and codes apart', () => {
    const { fail, told } = failing()
    for (const source of ['shop', 'bank', 'shop']) fail(source)
    fail('shop', 'TypeError')
    expect(told()).to.deep.equal([
      ['failed', 'shop', 'store-unavailable', 1],
      ['failed', 'bank', 'store-unavailable', 1],
      ['failed', 'shop', 'TypeError', 1],
    ])
  })

  it('knows after hours without a delivery that one is stored again, and of which source', async () => {
    const { clock, refusals, fail, told } = failing()
    fail('shop')
    fail('bank')
    await clock.advance(HOUR_MS)
    expect(clock.pending).to.equal(0)
    refusals.stored('shop')
    refusals.stored('shop')
    expect(told().slice(2)).to.deep.equal([['well again', 'shop', 'store-unavailable', 0]])
  })

  it('does not call over what only one delivery got through', async () => {
    const { clock, refusals, fail, told } = failing()
    fail('shop')
    refusals.stored('shop')
    fail('shop')
    await clock.advance(10_000)
    expect(told().slice(1)).to.deep.equal([['failed', 'shop', 'store-unavailable', 1]])
  })

  it('says no more than two lines in ten seconds where every other delivery fails', async () => {
    const { clock, refusals, fail, told } = failing()
    for (let second = 0; second < 60; second += 1) {
      for (let n = 0; n < 100; n += 1) {
        fail('shop')
        refusals.stored('shop')
      }
      await clock.advance(1_000)
    }
    expect(told().length).to.be.at.most(12)
    const refused = told().map(([, , , count]) => Number(count))
    expect(refused.reduce((sum, count) => sum + count, 0)).to.equal(6_000)
  })
})

describe('retention', () => {
  const nothing = { payloads: 0, events: 0, lanes: 0 }

  function retention(retain: Admin['retain']) {
    const clock = virtualClock('2026-06-01T00:00:00Z')
    const log = recordingLog()
    return { clock, log, retention: createRetention({ retain }, clock, log, RETENTION_DEFAULTS) }
  }

  it('goes on in small steps until nothing is left, and lets others in between', async () => {
    let left = 5
    const steps: RetentionPolicy[] = []
    const others: number[] = []
    const { retention: cleaner } = retention(async (policy) => {
      steps.push(policy)
      setImmediate(() => others.push(steps.length))
      left -= 1
      return { ...nothing, [left % 2 === 0 ? 'events' : 'lanes']: left > 0 ? 500 : 0 }
    })
    await cleaner.run()
    expect(steps).to.have.length(5)
    expect(others).to.deep.equal([1, 2, 3, 4])
    expect(steps[0]).to.deep.equal({
      payloadsBefore: new Date('2026-05-02T00:00:00Z'),
      eventsBefore: new Date('2026-03-03T00:00:00Z'),
      limit: 500,
    })
  })

  it('begins soon after the start, also in a process that restarts more often than its rhythm', async () => {
    let runs = 0
    const { retention: cleaner, clock } = retention(async () => {
      runs += 1
      return nothing
    })
    cleaner.start()
    await clock.advance(60_000)
    expect(runs).to.equal(1)
    await clock.advance(HOUR_MS)
    expect(runs).to.equal(2)
    await cleaner.stop()
    await clock.advance(10 * HOUR_MS)
    expect(runs).to.equal(2)
    expect(clock.pending).to.equal(0)
  })

  it('never stops silently: a fault is an error in the log, and the next run comes (peer defect 14)', async () => {
    let runs = 0
    const {
      retention: cleaner,
      clock,
      log,
    } = retention(async () => {
      runs += 1
      return runs === 1 ? away() : nothing
    })
    cleaner.start()
    await clock.advance(60_000 + HOUR_MS)
    expect(runs).to.equal(2)
    expect(log.messages('error')).to.deep.equal(['retention failed and will be repeated'])
    await cleaner.stop()
  })

  it('ends with the step under way when it is stopped', async () => {
    const step = gate()
    let steps = 0
    const { retention: cleaner, clock } = retention(async () => {
      steps += 1
      await step.passed
      return { ...nothing, events: 500 }
    })
    cleaner.start()
    await clock.advance(60_000)
    let ended = false
    const stopping = cleaner.stop().then(() => {
      ended = true
    })
    await turns()
    expect(ended).to.equal(false)
    step.open()
    await stopping
    expect(steps).to.equal(1)
    expect(clock.pending).to.equal(0)
  })
})
