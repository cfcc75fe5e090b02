import type { Journal } from '#domain/ports'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { POLL_LEASE_MS } from '../../srv/runtime/poll-policy.ts'
import { createPoller, type PollPolicy } from '../../srv/runtime/poller.ts'
import { virtualClock } from '../../testing/virtual-clock.ts'
import { changeFeed, everyMs } from './change-feed.ts'
import { recordingLog } from './recording-log.ts'

export const MINUTE_MS = 60_000
export const SLOT_MS = 5 * MINUTE_MS

/** A memory inbox, a feed of changes and pollers on one virtual clock that starts at a slot. */
export function pollBench() {
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const inbox = memoryInbox({ now: clock.now })
  const log = recordingLog()
  const feed = changeFeed(clock)
  let instances = 0
  let stored = 0

  const policy = (more: Partial<PollPolicy> = {}): PollPolicy => ({
    name: 'orders',
    target: 'erp',
    entity: 'Orders',
    type: 'order.changed',
    object: 'Order',
    schedule: everyMs(clock, SLOT_MS),
    overlapMs: MINUTE_MS,
    pageSize: 100,
    when: 'always',
    staleAfterMs: 15 * MINUTE_MS,
    startFrom: 'now',
    ...more,
  })

  return {
    clock,
    inbox,
    log,
    feed,
    policy,
    /** One more instance on the same store. */
    poller(poll: PollPolicy, between: (journal: Journal) => Journal = (journal) => journal) {
      instances += 1
      return createPoller({
        journal: between(inbox.journal),
        polls: [poll],
        targets: { erp: feed.target },
        clock,
        log,
        instance: `instance-${instances}`,
        leaseMs: POLL_LEASE_MS,
        stored: () => {
          stored += 1
        },
      })
    },
    /** A change of now, at once to be read. */
    change: (key: string, data?: string) =>
      feed.rows.push({ key, version: clock.now().toISOString(), ...(data === undefined ? {} : { data }) }),
    /** Ids of all events stored, sorted. */
    ids: () => [...inbox.state.events.values()].map(({ attributes }) => attributes.id).sort(),
    keys: () => [...inbox.state.events.values()].map(({ object }) => object?.key ?? '').sort(),
    checkpoint: () => inbox.journal.checkpoint('orders'),
    stored: () => stored,
  }
}
