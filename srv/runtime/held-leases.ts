import type { ClaimedLane, Clock, Log, Work } from '#domain/ports'
import { faultFields } from './fault-fields.ts'

/** A lane in our hands, as its runner sees it. */
export interface HeldLease {
  /** Whether a write may still begin: neither lost nor past its time. */
  holds(): boolean
  /** Whether somebody else has it, or we gave it up: its result is void. */
  readonly lost: boolean
  lose(): void
  onLost(lost: () => void): () => void
}

/** A class: see `AttemptScope`. */
class Held implements HeldLease {
  readonly lane: string
  readonly owner: string
  until: number
  lost = false
  readonly #clock: Clock
  readonly #letGo: (lease: Held) => void
  readonly #listeners = new Set<() => void>()

  constructor({ lane, owner }: ClaimedLane, until: number, clock: Clock, letGo: (lease: Held) => void) {
    this.lane = lane
    this.owner = owner
    this.until = until
    this.#clock = clock
    this.#letGo = letGo
  }

  holds(): boolean {
    return !this.lost && this.#clock.now().getTime() < this.until
  }

  lose(): void {
    this.lost = true
    this.#letGo(this)
    for (const listener of this.#listeners) listener()
  }

  onLost(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  drop(): void {
    this.#letGo(this)
  }
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
      log.warn('leases could not be renewed', { ...faultFields(thrown), leases: all.length })
    }
    arm()
  }

  /** One timer for all, however often leases came and went while a renewal was under way. */
  function arm(): void {
    cancel?.()
    cancel = held.size === 0 ? undefined : clock.after(leaseMs / 3, () => void renew())
  }

  function letGo(lease: Held): void {
    held.delete(lease)
    if (held.size === 0) arm()
  }

  return {
    /** The worker is leaving: whoever still runs may not write any more, and the leases run out. */
    loseAll(): void {
      for (const lease of held) lease.lose()
    },
    hold(lane: ClaimedLane, claimedAt: number): HeldLease & { drop(): void } {
      // Measured on our own clock from before the claim was sent, so that it ends here before it ends there.
      const lease = new Held(lane, claimedAt + leaseMs, clock, letGo)
      held.add(lease)
      if (!cancel) arm()
      return lease
    },
  }
}
