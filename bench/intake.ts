import { DatabaseSync } from 'node:sqlite'
import type { LoadResult } from './load.ts'
import {
  fileIn,
  inFolder,
  loadAndLook,
  loadFloor,
  loadGateway,
  type Measure,
  NO_OP,
  rotate,
  type Scale,
} from './run.ts'
import { median } from './statistics.ts'

const sqlite = (scale: Scale, settings: object) => inFolder((folder) => loadGateway(scale, fileIn(folder), settings))

export const rates = (results: readonly LoadResult[]): number[] => results.map(({ perSecond }) => perSecond)

export const latency = (name: string, results: readonly LoadResult[]): Measure[] => [
  { name: `${name}, p50`, unit: 'ms', values: results.map(({ p50Ms }) => p50Ms) },
  { name: `${name}, p99`, unit: 'ms', values: results.map(({ p99Ms }) => p99Ms) },
]

/** Verify, deduplicate, normalize, commit, answer; beside the floor. */
export async function intake(scale: Scale): Promise<Measure[]> {
  const { floor, sources, subscription } = await rotate(scale.rotations, {
    floor: () => loadFloor(scale),
    sources: () => sqlite(scale, {}),
    subscription: () => sqlite(scale, { roles: ['intake'], subscriptions: NO_OP }),
  })
  const toFloor = (results: readonly LoadResult[]) => ({
    to: 'floor',
    value: median(rates(results)) / median(rates(floor)),
    bar: 0.5,
  })
  return [
    { name: 'floor', unit: 'deliveries/s', values: rates(floor) },
    ...latency('floor', floor),
    { name: 'sources only', unit: 'deliveries/s', values: rates(sources), ratio: toFloor(sources) },
    ...latency('sources only', sources),
    { name: 'one subscription', unit: 'deliveries/s', values: rates(subscription), ratio: toFloor(subscription) },
    ...latency('one subscription', subscription),
  ]
}

/** The same while the worker of the same process works everything off. */
export async function intakeWithDrain(scale: Scale): Promise<Measure[]> {
  const workedOff: number[] = []
  const { floor, draining } = await rotate(scale.rotations, {
    floor: () => loadFloor(scale),
    draining: () =>
      inFolder(async (folder) => {
        const store = fileIn(folder)
        const { result, seen } = await loadAndLook(scale, store, { subscriptions: NO_OP }, () => countDone(store.file))
        workedOff.push((seen / result.accepted) * 100)
        return result
      }),
  })
  const ratio = { to: 'floor', value: median(rates(draining)) / median(rates(floor)), bar: 0.4 }
  return [
    { name: 'floor', unit: 'deliveries/s', values: rates(floor) },
    ...latency('floor', floor),
    { name: 'with drain', unit: 'deliveries/s', values: rates(draining), ratio },
    ...latency('with drain', draining),
    { name: 'worked off when the load ends', unit: '%', values: workedOff },
  ]
}

function countDone(file: string): number {
  const database = new DatabaseSync(file, { readOnly: true })
  const row = database.prepare(`SELECT count(*) AS done FROM sluice_Dispatches WHERE status = 'done'`).get()
  database.close()
  return Number(row?.done)
}
