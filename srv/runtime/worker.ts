import type { ClaimedLane, Clock, Log, Work } from '#domain/ports'
import type { Target } from '#domain/target'
import type { Meter, Observation, Tracer } from '#domain/telemetry'
import type { ActiveSubscription } from './attempt.ts'
import { faultFields } from './fault-fields.ts'
import { heldLeases } from './held-leases.ts'
import { runLane } from './lane-runner.ts'
import { withinTime } from './within-time.ts'

/** How much a worker takes at once and for how long. Times in ms. */
export interface WorkerOptions {
  readonly leaseMs: number
  readonly dispatchesPerLane: number
  /** Data loaded by one claim, in bytes. */
  readonly claimBytes: number
  /** Longest rest while nothing is due: how late another instance's event is noticed. */
  readonly idleMs: number
}

export const WORKER_DEFAULTS: WorkerOptions = {
  leaseMs: 60_000,
  dispatchesPerLane: 8,
  claimBytes: 16_000_000,
  idleMs: 500,
}

export interface WorkerParts {
  readonly work: Work
  readonly subscriptions: readonly ActiveSubscription[]
  readonly targets: Readonly<Record<string, Target>>
  readonly clock: Clock
  readonly log: Log
  readonly random: () => number
  readonly meter?: Meter
  readonly tracer?: Tracer
  readonly options: WorkerOptions
}

export interface Worker {
  start(): void
  /** There may be work: look at once. */
  wake(): void
  /** One claim; resolves when the lanes it took are worked off. For tests and for `run once`. */
  tick(): Promise<number>
  /** Lanes in hand right now. */
  busy(): Observation['busy']
  /** Stops claiming, lets handlers finish up to `timeoutMs`; the leases of those that do not simply run out. */
  stop(timeoutMs: number): Promise<{ unfinished: number }>
}

/** A lane whose last handler has ended leaves its slot and is in hand until its result is settled. */
const LANES_PER_SLOT = 2

/** Shortest rest: where the database's clock is behind ours, what is due there may not be claimable yet. */
const MIN_REST_MS = 25

/** Claims due lanes and keeps as many in work as the subscriptions allow. */
export function createWorker(parts: WorkerParts): Worker {
  const { work, clock, log, options } = parts
  const byName = new Map(parts.subscriptions.map((one) => [one.name, one]))
  const counts = new Map(parts.subscriptions.map(({ name }) => [name, { inHand: 0, handling: 0 }]))
  const running = new Set<Promise<void>>()
  const leases = heldLeases(work, clock, log, options.leaseMs)
  let started = false
  let stopping = false
  let claiming: Promise<readonly Promise<void>[]> | undefined
  let wanted = false
  let cancelRest: (() => void) | undefined

  /** Subscriptions that can start lanes right now. */
  const free = () =>
    parts.subscriptions
      .map(({ name, concurrency }) => {
        const { inHand = 0, handling = 0 } = counts.get(name) ?? {}
        return { name, lanes: Math.min(concurrency - handling, LANES_PER_SLOT * concurrency - inHand) }
      })
      .filter(({ lanes }) => lanes > 0)

  async function claim(): Promise<readonly Promise<void>[]> {
    const subscriptions = free()
    if (subscriptions.length === 0) return []
    const claimedAt = clock.now().getTime()
    const lanes = await work.claim({
      subscriptions,
      dispatchesPerLane: options.dispatchesPerLane,
      bytes: options.claimBytes,
      leaseMs: options.leaseMs,
    })
    return lanes.map((lane) => take(lane, claimedAt))
  }

  function take(lane: ClaimedLane, claimedAt: number): Promise<void> {
    const { subscription: name } = lane
    const subscription = byName.get(name)
    const count = counts.get(name) ?? { inHand: 0, handling: 0 }
    count.inHand += 1
    count.handling += 1
    const lease = leases.hold(lane, claimedAt)
    let handling = 1
    const handled = () => {
      count.handling -= handling
      handling = 0
      wake()
    }
    const run = (
      subscription
        ? runLane({ ...parts, stopping: () => stopping }, subscription, lane, lease, handled)
        : work.release([lane])
    )
      // The store is gone: nothing of this lane is settled, and its lease runs out.
      .catch((thrown) => log.error('a lane could not be settled', { subscription: name, ...faultFields(thrown) }))
      .finally(() => {
        lease.drop()
        running.delete(run)
        count.inHand -= 1
        handled()
      })
    running.add(run)
    return run
  }

  /** One claim at a time; what is asked for meanwhile is one more claim, not many. */
  function wake(): void {
    if (!started || stopping) return
    if (claiming) {
      wanted = true
      return
    }
    cancelRest?.()
    // After all handlers that end in this turn of the loop: one claim then fills every slot they leave, and goes to the
    // store together with their results.
    claiming = new Promise<void>((resolve) => process.nextTick(resolve)).then(claim)
    claiming.then(
      (lanes) => rest(lanes.length > 0 ? 0 : options.idleMs),
      (thrown) => {
        log.error('claiming failed and will be repeated', faultFields(thrown))
        claiming = undefined
        if (!stopping) cancelRest = clock.after(options.idleMs, wake)
      },
    )
  }

  function rest(ms: number): void {
    claiming = undefined
    if (stopping) return
    if (wanted || ms === 0) {
      wanted = false
      setImmediate(wake)
      return
    }
    cancelRest = clock.after(ms, wake)
    void shortenRest(ms)
  }

  /** A retry that is due sooner than the idle rest. What a busy subscription has due wakes us when a lane of it ends. */
  async function shortenRest(ms: number): Promise<void> {
    const mine = cancelRest
    const names = free().map(({ name }) => name)
    if (names.length === 0) return
    try {
      const due = await work.nextDueAt(names)
      const inMs = due ? due.getTime() - clock.now().getTime() : ms
      if (cancelRest !== mine || claiming || inMs >= ms || stopping) return
      cancelRest?.()
      cancelRest = clock.after(Math.max(inMs, MIN_REST_MS), wake)
    } catch (thrown) {
      log.debug('the next due moment is unknown', faultFields(thrown))
    }
  }

  return {
    start() {
      started = true
      wake()
    },
    wake,
    async tick() {
      const lanes = await claim()
      await Promise.all(lanes)
      return lanes.length
    },
    busy: () =>
      Object.fromEntries(
        parts.subscriptions.map(({ name, concurrency: limit }) => [
          name,
          { lanes: counts.get(name)?.handling ?? 0, limit },
        ]),
      ),
    async stop(timeoutMs) {
      stopping = true
      cancelRest?.()
      const finished = async () => {
        // A claim under way still hands out lanes: they give themselves back at once.
        await Promise.allSettled([claiming])
        await Promise.allSettled([...running])
      }
      await withinTime(clock, timeoutMs, finished())
      leases.loseAll()
      return { unfinished: running.size }
    },
  }
}
