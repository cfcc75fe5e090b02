import { toFault } from '#domain/errors'
import type { ClaimedLane, Clock, Log, Work } from '#domain/ports'

/** A lane in our hands, as its runner sees it. */
export interface HeldLease {
  holds(): boolean
  lose(): void
  onLost(lost: () => void): () => void
}

interface Held extends HeldLease {
  readonly lane: string
  readonly owner: string
  until: number
}

/** All leases of one worker; renewed together at a third of their time. */
export function heldLeases(work: Pick<Work, 'renew'>, clock: Clock, log: Log, leaseMs: number) {
  const held = new Set<Held>()
  let cancel: (() => void) | undefined

  async function renew(): Promise<void> {
    const all = [...held]
    const startedAt = clock.now().getTime()
    try {
      const results = await work.renew(
        all.map(({ lane, owner }) => ({ lane, owner })),
        leaseMs,
      )
      all.forEach((lease, index) => {
        if (results[index]) lease.until = startedAt + leaseMs
        else if (held.has(lease)) lease.lose()
      })
    } catch (thrown) {
      log.warn('leases could not be renewed', { code: toFault(thrown).code, leases: all.length })
    }
    arm()
  }

  function arm(): void {
    cancel = held.size === 0 ? undefined : clock.after(leaseMs / 3, () => void renew())
  }

  return {
    /** The worker is leaving: whoever still runs may not write any more. */
    loseAll(): void {
      for (const lease of held) lease.lose()
      cancel?.()
    },
    hold({ lane, owner }: ClaimedLane, claimedAt: number): HeldLease & { drop(): void } {
      const listeners = new Set<() => void>()
      let lost = false
      const lease: Held & { drop(): void } = {
        lane,
        owner,
        // Measured on our own clock from before the claim was sent, so that it ends here before it ends there.
        until: claimedAt + leaseMs,
        holds: () => !lost && clock.now().getTime() < lease.until,
        lose: () => {
          lost = true
          for (const listener of listeners) listener()
        },
        onLost: (listener) => {
          listeners.add(listener)
          return () => listeners.delete(listener)
        },
        drop: () => {
          held.delete(lease)
          if (held.size === 0) {
            cancel?.()
            cancel = undefined
          }
        },
      }
      held.add(lease)
      if (!cancel) arm()
      return lease
    },
  }
}
