import { setTimeout as pause } from 'node:timers/promises'
import type { ErpSandbox } from 'cap-sluice/testing'
import type { Cluster } from './cluster.ts'
import { EVENT_FAILPOINTS, type Failpoint, POLL_FAILPOINTS } from './failpoints.ts'
import type { Shop } from './shop.ts'

/** 0 ≤ n < 1 */
export type Random = () => number

const FAILPOINTS = [
  ...Object.keys(EVENT_FAILPOINTS),
  ...Object.keys(POLL_FAILPOINTS),
  'recovered',
  'renew',
] as Failpoint[]

/**
 * Longer than the lease of a second, so that others take over; shorter than lease and settling time together, so that a
 * write handed over just before the freeze has landed when they look for it. Nothing can recognize a later one.
 */
const ASLEEP_MS = 1_300

const between = (random: Random, from: number, to: number): number => from + random() * (to - from)
const oneOf = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T

/** How often what happened. */
export interface ChaosCounts {
  kills: number
  freezes: number
  outages: number
  cuts: number
}

/** Kills a cluster's processes until `kills` have died: at any moment, or at a failpoint, or frozen for a while. */
export async function killProcesses(
  cluster: Cluster,
  kills: number,
  random: Random,
  counts: ChaosCounts,
): Promise<void> {
  while (cluster.allDeaths < kills) {
    const n = Math.floor(random() * cluster.size)
    // Now and then it dies while it starts; mostly it shall get some work done.
    if (random() < 0.9) await cluster.listens(n)
    await pause(between(random, 50, 500))
    const choice = random()
    if (choice < 0.5) cluster.signal(n, 'SIGKILL')
    else if (choice < 0.9 || cluster.size === 1) {
      await cluster.arm(n, oneOf(random, FAILPOINTS), { pass: Math.ceil(random() * 5) })
    } else {
      counts.freezes += 1
      cluster.signal(n, 'SIGSTOP')
      await pause(ASLEEP_MS)
      cluster.signal(n, 'SIGCONT')
    }
  }
  counts.kills += cluster.allDeaths
  await cluster.disarm()
}

/** Takes the ERP down now and then, and answers away, until told to stop. */
export async function troubleErp(
  erp: ErpSandbox,
  random: Random,
  counts: ChaosCounts,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    await pause(between(random, 500, 3_000))
    const choice = random()
    if (choice < 0.3) {
      counts.outages += 1
      await erp.switch({ down: random() < 0.5 ? 'refuse' : 'reset' })
      await pause(between(random, 200, 1_000))
      await erp.switch({ down: false })
    } else if (choice < 0.6) {
      counts.cuts += 2
      await erp.switch({ commitThenCut: 2 })
    } else if (choice < 0.9) {
      counts.cuts += 2
      await erp.switch({ cutThenCommit: { times: 2, afterMs: 500 } })
    } else await erp.switch({ throttle: { times: 5, status: 503, retryAfter: 1 } })
  }
}

/** Messages about every key, each after the one before is acknowledged, until told to stop. */
export async function sendContinuously(shop: Shop, random: Random, isOver: () => boolean): Promise<void> {
  const talk = async (key: string) => {
    while (!isOver()) {
      await shop.next(key)
      await pause(between(random, 100, 700))
    }
  }
  await Promise.all(shop.keys.map(talk))
}

/** A headquarters at work that tells nobody. */
export async function changeContinuously(
  headquarters: ErpSandbox,
  random: Random,
  isOver: () => boolean,
): Promise<void> {
  await headquarters.change({ entity: 'A_SalesOrder', action: 'create', count: 5 })
  while (!isOver()) {
    await headquarters.change({ entity: 'A_SalesOrder', action: random() < 0.5 ? 'create' : 'change' })
    await pause(between(random, 300, 1_500))
  }
}

/** Looks at the ERP's records over and over. @returns keys that showed a newer state before an older one */
export async function watchStates(erp: ErpSandbox, isOver: () => boolean): Promise<string[]> {
  const shown = new Map<string, number>()
  const wentBack = new Set<string>()
  while (!isOver()) {
    for (const row of await erp.rows('A_SalesOrder')) {
      const [key, seq] = [String(row.ExternalDocumentID), Number(row.TotalNetAmount)]
      if (seq < (shown.get(key) ?? 0)) wentBack.add(key)
      shown.set(key, seq)
    }
    await pause(200)
  }
  return [...wentBack]
}
