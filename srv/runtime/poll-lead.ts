import type { Clock, Journal, Lease, Log } from '#domain/ports'
import { faultFields } from './fault-fields.ts'

/** How long an instance leads a poll without a sign of life at most: by so much its death in a run delays the next one. */
export const POLL_LEASE_MS = 15_000

export interface LeadParts {
  readonly journal: Pick<Journal, 'lease' | 'releaseLease'>
  readonly clock: Clock
  readonly log: Log
  readonly instance: string
  readonly leaseMs: number
}

/**
 * Leads a poll while `work` runs, with a sign of life at every third of the lease. Whoever does not notice that its lead
 * is lost is refused by the store, which knows the fence.
 * @returns undefined, with nothing done, where another instance leads
 */
export async function leading<T>(
  { journal, clock, log, instance, leaseMs }: LeadParts,
  poll: string,
  work: (lease: Lease) => Promise<T>,
): Promise<T | undefined> {
  const take = () => journal.lease(`poll:${poll}`, instance, leaseMs)
  const lease = await take()
  if (!lease) return undefined
  let renewing: Promise<void> | undefined
  let cancel = arm()

  function arm(): () => void {
    return clock.after(leaseMs / 3, () => {
      renewing = renew()
    })
  }

  async function renew(): Promise<void> {
    try {
      if ((await take())?.fence !== lease?.fence) return
    } catch (thrown) {
      log.warn('a lead could not be renewed', { poll, ...faultFields(thrown) })
    }
    cancel = arm()
  }

  try {
    return await work(lease)
  } finally {
    cancel()
    // A renewal that overtook the release would hold the lead for nobody.
    await renewing
    cancel()
    await journal.releaseLease(lease)
  }
}
