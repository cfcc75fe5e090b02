import { expect } from 'chai'
import { cronSchedule } from '../../../adapters/schedule/cron-schedule.ts'
import { thrownBy } from '../../helpers/faults.ts'

const at = (text: string) => new Date(text)
const slots = (cron: string, after: string, until: string, timezone?: string) =>
  cronSchedule({ cron, ...(timezone && { timezone }) })
    .slotsBetween(at(after), at(until))
    .map((slot) => slot.toISOString())

describe('cron schedule', () => {
  it('tells the slots after one moment and up to another, in order', () => {
    expect(slots('*/5 * * * *', '2026-03-01T10:05:00Z', '2026-03-01T10:19:59Z')).to.deep.equal([
      '2026-03-01T10:10:00.000Z',
      '2026-03-01T10:15:00.000Z',
    ])
    expect(slots('*/5 * * * *', '2026-03-01T10:05:00Z', '2026-03-01T10:10:00Z')).to.have.length(1)
    expect(slots('*/5 * * * *', '2026-03-01T10:05:00Z', '2026-03-01T10:09:59Z')).to.deep.equal([])
  })

  it('knows seconds', () => {
    expect(slots('*/20 * * * * *', '2026-03-01T10:00:00Z', '2026-03-01T10:00:59Z')).to.deep.equal([
      '2026-03-01T10:00:20.000Z',
      '2026-03-01T10:00:40.000Z',
    ])
    expect(slots('30 */5 * * * *', '2026-03-01T10:00:00Z', '2026-03-01T10:05:29Z')).to.deep.equal([
      '2026-03-01T10:00:30.000Z',
    ])
  })

  it('is in UTC unless told otherwise, and keeps to its zone over the change of the clocks', () => {
    const [after, until] = ['2026-03-28T00:00:00Z', '2026-03-30T00:00:00Z']
    expect(slots('0 3 * * *', after, until)).to.deep.equal(['2026-03-28T03:00:00.000Z', '2026-03-29T03:00:00.000Z'])
    expect(slots('0 3 * * *', after, until, 'Europe/Berlin')).to.deep.equal([
      '2026-03-28T02:00:00.000Z',
      '2026-03-29T01:00:00.000Z',
    ])
  })

  it('counts no more than the newest hundred, and is due where it would have to count for ever', () => {
    const many = slots('* * * * *', '2026-01-01T00:00:00Z', '2026-03-01T00:00:00Z')
    expect(many).to.have.length(100)
    expect([many[0], many.at(-1)]).to.deep.equal(['2026-02-28T22:21:00.000Z', '2026-03-01T00:00:00.000Z'])
    expect(slots('0 0 1 1 *', '2025-06-01T00:00:00Z', '2026-03-01T00:00:00Z')).to.deep.equal([
      '2026-03-01T00:00:00.000Z',
    ])
  })

  it('calls at its slots until it is stopped', async () => {
    const called = await new Promise<Date>((resolve) => {
      const running = cronSchedule({ cron: '* * * * * *' }).start(() => {
        running.stop()
        resolve(new Date())
      })
    })
    expect(called).to.be.a('date')
  })

  for (const [what, options, pattern] of [
    ['an expression that never fires', { cron: '0 0 31 2 *' }, /"0 0 31 2 \*" never fires/],
    ['no expression', { cron: 'hourly, please' }, /never fires/],
    [
      'a zone that does not exist',
      { cron: '0 3 * * *', timezone: 'Europe/Walldorf' },
      /"Europe\/Walldorf".*`timezone`/,
    ],
  ] as const) {
    it(`refuses ${what}, with a remedy`, () => {
      const fault = thrownBy(() => cronSchedule(options))
      expect(fault).to.include({ code: 'configuration', retry: 'never' })
      expect(fault.message).to.match(pattern)
    })
  }
})
