import type { Clock, Journal, Lease, Log } from '#domain/ports'
import { faultFields } from './fault-fields.ts'

export interface LeadParts {
  readonly journal: Pick<Journal, 'lease' | 'releaseLease'>
  readonly clock: Clock
  readonly log: Log
  readonly instance: string
  /** How long it leads without a sign of life: by so much its death delays the next one. */
  readonly leaseMs: number
}

/**
 * Leads what a lease is named after while `work` runs, with a sign of life at every third of its time. Nobody is told that
 * the lead is lost: the store knows the fence, and refuses.
 * @returns undefined, with nothing done, where another instance leads
 */
export async function leading<T>(
  { journal, clock, log, instance, leaseMs }: LeadParts,
  name: string,
  work: (lease: Lease) => Promise<T>,
): Promise<T | undefined> {
  const take = () => journal.lease(name, instance, leaseMs)
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
      log.warn('a lead could not be renewed', { lease: name, ...faultFields(thrown) })
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
