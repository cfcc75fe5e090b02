import type { Clock } from '#domain/ports'
import type { ChangesPage, ChangesRequest, Target } from '#domain/target'
import type { Schedule } from '../../srv/runtime/poller.ts'

export interface FeedRow {
  readonly key: string
  readonly version: string
  readonly data?: string
  /** When the row can be read: a program stamps it, and commits later. */
  readonly visibleAt?: Date
}

/** A system's changes as its OData service shows them: `ge since`, by version and key, in pages, committed rows only. */
export function changeFeed(clock: Clock) {
  const rows: FeedRow[] = []
  const requests: ChangesRequest[] = []
  /** Between a request and its answer, where a test may hold or break it. */
  let during: (request: ChangesRequest) => Promise<void> = async () => {}

  async function changes(request: ChangesRequest): Promise<ChangesPage> {
    requests.push(request)
    await during(request)
    const { since = '', after = '', pageSize } = request
    const found = rows
      .filter(({ visibleAt, version }) => (visibleAt ?? new Date(0)) <= clock.now() && version >= since)
      .filter((row) => positionOf(row) > after)
      .sort((a, b) => (positionOf(a) < positionOf(b) ? -1 : 1))
    const page = found.slice(0, pageSize)
    const last = page.at(-1)
    return {
      // Backwards: a page promises a window, and no order within it.
      rows: page
        .toReversed()
        .map(({ key, version, data = JSON.stringify({ key, version }) }) => ({ key, version, data })),
      ...(found.length > pageSize && last ? { next: positionOf(last) } : {}),
    }
  }

  const target: Target = {
    kind: 'feed',
    entities: { Orders: { key: ['ID'], object: 'Order', version: 'changedAt' } },
    session: () => {
      throw new Error('a feed is only read')
    },
    fetch: async () => undefined,
    changes,
  }
  return {
    target,
    rows,
    requests,
    hold(hook: typeof during) {
      during = hook
    },
  }
}

const positionOf = ({ version, key }: FeedRow): string => `${version} ${key}`

const MOST_SLOTS = 1_000

/** Every `ms`, on a clock of the test. */
export function everyMs(clock: Clock, ms: number): Schedule {
  const next = (after: Date) => new Date((Math.floor(after.getTime() / ms) + 1) * ms)
  return {
    slotsBetween(after, until) {
      const slots: Date[] = []
      for (let slot = next(after); slot <= until; slot = next(slot)) slots.push(slot)
      return slots.slice(-MOST_SLOTS)
    },
    start(due) {
      let cancel = () => {}
      const arm = () => {
        cancel = clock.after(next(clock.now()).getTime() - clock.now().getTime(), () => {
          due()
          arm()
        })
      }
      arm()
      return { stop: () => cancel() }
    },
  }
}
