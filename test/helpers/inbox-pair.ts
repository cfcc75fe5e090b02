import { expect } from 'chai'
import type { AdminResult, ClaimedLane, DispatchSettlement, Inbox, NewDelivery } from '#domain/ports'
import { operatorMay } from '#domain/status'
import type { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { attempt, claim, settle } from './inbox.ts'

/** A lane as it was claimed from both. */
interface HeldLane {
  readonly model: ClaimedLane
  readonly real: ClaimedLane
  /** So many of its dispatches. */
  readonly settled: number
}

const NEXT = {
  rest: { to: 'waiting', delayMs: 1_000 },
  block: { to: 'dead', block: true },
  park: { to: 'unsure', block: false },
  'park and keep': { to: 'dead', block: false },
} as const

/** How a worker leaves a lane whose first dispatches it has settled. */
export type LaneEnd = 'keep' | 'release' | keyof typeof NEXT

const isForNext = (end: LaneEnd): end is keyof typeof NEXT => end in NEXT

/** What a worker is told of each dispatch beside its event. */
const triesOf = ({ dispatches }: ClaimedLane) =>
  dispatches.map(({ event, ...tries }) => ({ ...tries, event: event.attributes.id }))

const SUBSCRIPTION = 'orders'
const ORDERS = { name: SUBSCRIPTION, filter: { on: ['*'] }, order: 'block' } as const
const BOUNDS = { lanes: 1_000, heads: 1_000 }

type Model = ReturnType<typeof memoryInbox>

/**
 * Does the same to an inbox and to its model, and compares whatever they answer.
 * @param real the instance that is used now
 */
export function inboxPair(model: Model, real: () => Inbox, now: () => Date) {
  const held: HeldLane[] = []

  const done = (dispatch: string): DispatchSettlement => ({ dispatch, to: 'done', attempt: attempt(now()) })

  async function both<T>(ask: (inbox: Inbox) => Promise<T>, what: string): Promise<T> {
    const expected = await ask(model)
    expect(await ask(real()), what).to.deep.equal(expected)
    return expected
  }

  async function act(ask: (inbox: Inbox) => Promise<AdminResult>, what: string): Promise<void> {
    await both(async (inbox) => {
      const result = await ask(inbox)
      return result.ok ? { ...result, dispatches: [...result.dispatches].sort() } : result
    }, what)
  }

  /** Mostly one of those that an operator may lead there. */
  function pick(at: number, to?: 'waiting' | 'skipped'): string | undefined {
    const all = [...model.state.dispatches.values()]
    const fit = all.filter(({ status }) => to !== undefined && operatorMay(status, to))
    const list = fit.length > 0 && at % 8 > 0 ? fit : all
    return list[at % list.length]?.id
  }

  return {
    register: () => both((inbox) => inbox.admin.register([ORDERS]), 'register'),
    unregister: () => act((inbox) => inbox.admin.unregister(SUBSCRIPTION, 'ann'), 'unregister'),

    store: (deliveries: readonly NewDelivery[]) => both((inbox) => inbox.intake.store(deliveries), 'store'),

    /** In one transaction with what the database refuses. The model would take it: it is not shown that. */
    async poison(good: readonly NewDelivery[], bad: NewDelivery): Promise<void> {
      const half = Math.ceil(good.length / 2)
      const expected = await model.intake.store(good)
      const outcomes = await real().intake.store([...good.slice(0, half), bad, ...good.slice(half)])
      expect(outcomes[half]?.outcome, 'the poison').to.equal('quarantined')
      expect(outcomes.toSpliced(half, 1), 'beside the poison').to.deep.equal(expected)
    },

    /** Every lane that is due. The model also hands out lanes that have become empty under a lease: they are given back. */
    async claim(dispatchesPerLane: number): Promise<number> {
      const byLane = async (inbox: Inbox) => {
        const lanes = await claim(inbox, SUBSCRIPTION, { lanes: 1_000, dispatchesPerLane })
        const empty = lanes.filter((lane) => lane.dispatches.length === 0)
        await inbox.work.release(empty)
        return new Map(lanes.filter((lane) => !empty.includes(lane)).map((lane) => [lane.partitionkey, lane]))
      }
      const [expected, found] = [await byLane(model), await byLane(real())]
      const told = (lanes: ReadonlyMap<string, ClaimedLane>) =>
        [...lanes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, lane]) => [key, lane.recovered, triesOf(lane)])
      expect(told(found), 'claim').to.deep.equal(told(expected))
      for (const [key, lane] of expected) held.push({ model: lane, real: found.get(key) as ClaimedLane, settled: 0 })
      return expected.size
    },

    /** The first `count` are done; what becomes of the next one is said by `end`. */
    async settle(at: number, count: number, end: LaneEnd): Promise<void> {
      const [lane] = held.splice(at % Math.max(1, held.length), 1)
      if (!lane) return
      const left = lane.model.dispatches.slice(lane.settled)
      const finished = left.slice(0, isForNext(end) ? Math.min(count, left.length - 1) : count)
      const settled: DispatchSettlement[] = finished.map(({ id }) => done(id))
      const next = left[finished.length]?.id ?? ''
      const failed = attempt(now(), 'failed', true)
      if (isForNext(end) && next !== '') settled.push({ dispatch: next, attempt: failed, ...NEXT[end] })
      const keeps = end === 'keep' || end === 'park and keep'
      const holds = await settle(model, lane.model, settled, !keeps)
      expect(await settle(real(), lane.real, settled, !keeps), 'the fence').to.equal(holds)
      if (keeps) held.push({ ...lane, settled: lane.settled + settled.length })
    },

    /** Works off what is due. */
    async drain(): Promise<void> {
      held.splice(0)
      while ((await this.claim(3)) > 0) while (held.length > 0) await this.settle(0, 3, 'release')
    },

    async retry(at: number): Promise<void> {
      const id = pick(at, 'waiting')
      if (id) await act((inbox) => inbox.admin.retry(id, 'ann'), `retry ${id}`)
    },
    async discard(at: number): Promise<void> {
      const id = pick(at, 'skipped')
      if (id) await act((inbox) => inbox.admin.discard(id, 'ann'), `discard ${id}`)
    },
    async replay(at: number): Promise<void> {
      const event = pick(at)?.split(':', 1)[0]
      if (event) await act((inbox) => inbox.admin.replay(event, SUBSCRIPTION, 'ann'), `replay ${event}`)
    },
    /** Everything that is over. */
    async retain(): Promise<void> {
      const policy = { payloadsBefore: now(), eventsBefore: now(), limit: 1_000 }
      await both(async (inbox) => (await inbox.admin.retain(policy)).events, 'retain')
    },

    /** What the ports tell of all that waits. */
    async compare(): Promise<void> {
      await both((inbox) => inbox.work.backlog([SUBSCRIPTION], BOUNDS), 'backlog')
      await both((inbox) => inbox.work.nextDueAt([SUBSCRIPTION]), 'next due')
    },

    async compareEnds(): Promise<void> {
      for (const event of model.state.events.keys()) {
        await both(async (inbox) => {
          const ends = await inbox.work.ends(event)
          return ends.map(({ run, status }) => ({ run, status })).sort((a, b) => a.run - b.run)
        }, `ends of ${event}`)
      }
    },
  }
}
