import { memoryInbox } from '../../../adapters/inbox/memory/index.ts'
import { NOW } from '../../helpers/deliveries.ts'
import { type InboxHarness, peekTables } from '../../helpers/inbox.ts'
import { inboxSuite } from '../../suites/inbox.suite.ts'

inboxSuite('memory', async (): Promise<InboxHarness> => {
  let now = NOW.getTime()
  const inbox = memoryInbox({ now: () => new Date(now) })
  const { state } = inbox
  const tables: Readonly<Record<string, () => object[]>> = {
    Deliveries: () =>
      [...state.deliveries.values()].map(({ key, labels, outcome, reason }) => ({
        id: key,
        outcome,
        reason,
        ...labels,
      })),
    Events: () => [...state.events.values()].map(({ key, unrouted }) => ({ event: key, unrouted })),
    Dispatches: () => [...state.dispatches.values()],
    Attempts: () =>
      [...state.attempts].flatMap(([dispatch, list]) => list.map((attempt) => ({ dispatch, ...attempt }))),
    Rejections: () =>
      [...state.rejections].map(([key, count]) => {
        const [source, reason, minute] = JSON.parse(key)
        return { source, reason, minute, count }
      }),
    Audit: () => state.audit,
  }
  return {
    inbox,
    now: () => new Date(now),
    advance: (ms) => {
      now += ms
    },
    // Instances of one process share what there is.
    another: async () => inbox,
    // Nothing outlives the process, but closing is no loss.
    reopen: async () => {
      await inbox.close()
      await inbox.open()
      return inbox
    },
    peek: peekTables(async (entity) => (tables[entity]?.() ?? []) as Record<string, unknown>[]),
    dispose: async () => {},
  }
})
