import type { InboxHarness } from '../helpers/inbox.ts'
import { adminSuite } from './inbox/admin.ts'
import { backlogSuite } from './inbox/backlog.ts'
import { intakeSuite } from './inbox/intake.ts'
import { journalSuite } from './inbox/journal.ts'
import { lanesSuite } from './inbox/lanes.ts'
import { leasesSuite } from './inbox/leases.ts'
import { orderSuite } from './inbox/order.ts'
import { repliesSuite } from './inbox/replies.ts'
import { retentionSuite } from './inbox/retention.ts'
import { subscriptionsSuite } from './inbox/subscriptions.ts'

/** Hands every test an empty store, disposed of after it. */
export type UseInbox = () => InboxHarness

/** What every implementation of the inbox must do. @param makeInbox an opened inbox on an empty store */
export function inboxSuite(name: string, makeInbox: () => Promise<InboxHarness>): void {
  describe(`${name}: contract of the inbox`, () => {
    let harness: InboxHarness
    beforeEach(async () => {
      harness = await makeInbox()
    })
    afterEach(() => harness.dispose())
    const use: UseInbox = () => harness

    intakeSuite(use)
    subscriptionsSuite(use)
    leasesSuite(use)
    lanesSuite(use)
    orderSuite(use)
    journalSuite(use)
    adminSuite(use)
    retentionSuite(use)
    repliesSuite(use)
    backlogSuite(use)
  })
}
