import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { ClaimedDispatch, ClaimedLane } from '#domain/ports'
import { postgresInbox } from '../../adapters/inbox/postgres/index.ts'
import { openService } from '../../adapters/inbox/postgres/service.ts'
import { sender } from './inbox.ts'
import { type Credentials, execute } from './sql.ts'

/** One process of test/adapters/inbox/processes.test.ts: sends, works, and writes down what it did in a table of the test. */
export interface ProcessPlan {
  readonly name: string
  readonly credentials: Credentials
  readonly leaseMs: number
  readonly lanes: number
  /** Lanes it works on at once. */
  readonly concurrency: number
  /** Batches it stores while it works. */
  readonly batches: number
  /** Its handlers do not end before the parent says `go`. */
  readonly holds: boolean
}

export const EVENTS_PER_BATCH = 6

const plan = JSON.parse(process.argv[2] ?? '') as ProcessPlan
const inbox = postgresInbox({ credentials: plan.credentials })
const records = await openService({ credentials: plan.credentials }, {})
const told = new Set<unknown>()
const listeners = new Set<() => void>()
process.on('message', (word) => {
  told.add(word)
  for (const listener of listeners) listener()
})
/** The parent is gone: so is the test. */
const orphaned = () => process.exit(1)
process.on('disconnect', orphaned)

const hearing = (word: string): Promise<void> =>
  new Promise((resolve) => {
    const check = () => {
      if (!told.has(word)) return
      listeners.delete(check)
      resolve()
    }
    listeners.add(check)
    check()
  })

/** Batches whose lanes come in an order of their own: only sorted locks keep them from each other's throat. */
async function send(): Promise<void> {
  const { one } = sender({ now: () => new Date() })
  const counts = new Map<number, number>()
  for (let batch = 0; batch < plan.batches; batch += 1) {
    const deliveries = Array.from({ length: EVENTS_PER_BATCH }, (_, index) => {
      const lane = (batch * 7 + index * (plan.name.charCodeAt(0) % 5) + index) % plan.lanes
      const n = (counts.get(lane) ?? 0) + 1
      counts.set(lane, n)
      const data = JSON.stringify({ sender: plan.name, n })
      return one({ id: `${plan.name}-${lane}-${n}`, lane: `lane-${lane}`, data })
    })
    await inbox.intake.store(deliveries)
  }
}

async function work(): Promise<void> {
  const running = new Set<Promise<void>>()
  while (!told.has('stop')) {
    const free = plan.concurrency - running.size
    const lanes = await inbox.work.claim({
      subscriptions: [{ name: 'orders', lanes: free }],
      // One, so that the late settlement of a process that was stopped also gives the lane back.
      dispatchesPerLane: plan.holds ? 1 : 3,
      bytes: 1_000_000,
      leaseMs: plan.leaseMs,
    })
    for (const lane of lanes) {
      const run = runLane(lane).finally(() => running.delete(run))
      running.add(run)
    }
    await (lanes.length === free ? Promise.race(running) : pause(5))
  }
  await Promise.all(running)
}

/** Keeps its leases like a worker does; a stopped process cannot. */
async function runLane(lane: ClaimedLane): Promise<void> {
  const renewal = setInterval(() => void inbox.work.renew([lane], plan.leaseMs), plan.leaseMs / 3)
  await runDispatches(lane).finally(() => clearInterval(renewal))
}

async function runDispatches(lane: ClaimedLane): Promise<void> {
  for (const [index, dispatch] of lane.dispatches.entries()) {
    const release = index === lane.dispatches.length - 1
    if (!(await runDispatch(lane, dispatch, release))) return
  }
}

async function runDispatch(lane: ClaimedLane, { id, event }: ClaimedDispatch, release: boolean): Promise<boolean> {
  const row = randomUUID()
  const { sender: from, n } = JSON.parse(event.data ?? '') as { sender: string; n: number }
  await execute(
    records,
    'INSERT INTO worked (id, worker, lane, sender, n, started) VALUES ($1, $2, $3, $4, $5, clock_timestamp())',
    [row, plan.name, lane.partitionkey, from, n],
  )
  if (plan.holds) await hearing('go')
  await execute(records, 'UPDATE worked SET ended = clock_timestamp() WHERE id = $1', [row])
  const settled = [{ dispatch: id, to: 'done' as const }]
  const [held = false] = await inbox.work.settle([{ lane: lane.lane, owner: lane.owner, settled, release }])
  await execute(records, 'UPDATE worked SET held = $2 WHERE id = $1', [row, held])
  return held
}

await inbox.open()
await Promise.all([send().then(() => process.send?.('sent')), work()])
await inbox.close()
await records.disconnect()
process.off('disconnect', orphaned)
process.disconnect()
