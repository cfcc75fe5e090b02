import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cdsInbox } from 'cap-sluice/inbox'
import { expect } from 'chai'
import type { Inbox } from '#domain/ports'
import { prometheus } from '../../adapters/metrics/prometheus.ts'
import { createRetention, RETENTION_DEFAULTS } from '../../srv/runtime/retention.ts'
import { virtualClock } from '../../testing/virtual-clock.ts'
import { accept, sender } from '../helpers/inbox.ts'
import { recordingLog } from '../helpers/recording-log.ts'

const DAY_MS = 86_400_000
const OLD = 230
const ROWS_PER_STEP = 50

describe('retention on a real store', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-retention-'))
  let inbox: (Inbox & { close(): Promise<void> }) | undefined
  afterEach(async () => {
    await inbox?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('takes small steps with room in between, is stopped and taken up again, and shows how far it is', async () => {
    const clock = virtualClock('2026-01-01T00:00:00Z')
    const store = cdsInbox({ url: join(folder, 'sluice.db'), now: clock.now })
    inbox = store
    await store.open()
    const { one } = sender(clock)
    await accept(store, ...Array.from({ length: OLD }, () => one()))
    await clock.advance(100 * DAY_MS)

    const metrics = prometheus()
    const log = recordingLog()
    const steps: { payloads: number; events: number; lanes: number }[] = []
    const between: string[] = []
    let stopAfter = 2
    const retention = () => {
      const cleaner = createRetention(
        {
          retain: async (policy) => {
            const step = await store.admin.retain(policy)
            steps.push(step)
            // A delivery comes while it cleans up: it waits for one step and not for all of them.
            between.push(...(await accept(store, one())))
            if (steps.length === stopAfter) void cleaner.stop()
            return step
          },
        },
        clock,
        log,
        { ...RETENTION_DEFAULTS, rowsPerStep: ROWS_PER_STEP },
        metrics.meter,
      )
      return cleaner
    }
    await retention().run()
    expect(steps).to.have.length(2)
    const removed = () => steps.reduce((sum, { events }) => sum + events, 0)
    expect(removed(), 'most of it is still to be done').to.equal(2 * ROWS_PER_STEP)

    // Another process takes it up.
    stopAfter = Number.POSITIVE_INFINITY
    await retention().run()
    expect(removed()).to.equal(OLD)
    expect(Math.max(...steps.map(({ events }) => events))).to.equal(ROWS_PER_STEP)
    expect(between).to.have.length(steps.length)
    expect(await metrics.text(undefined)).to.include(`sluice_retention_removed_total{kind="events"} ${OLD}`)
    expect(log.lines.map(({ message, fields }) => [message, fields.events])).to.deep.equal([
      ['retention removed what is old', 2 * ROWS_PER_STEP],
      ['retention removed what is old', OLD - 2 * ROWS_PER_STEP],
    ])
    // What came meanwhile stays.
    await retention().run()
    expect(removed()).to.equal(OLD)
  })
})
