import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { profiling, runScript, SHIPPED, startScript } from './children.ts'
import type { DrainOptions, DrainResult } from './drain.ts'
import type { FillOptions, FillResult } from './fill.ts'
import { type RunningGateway, type Store, startGateway } from './gateway.ts'
import type { LoadOptions, LoadResult } from './load.ts'
import type { MeshLoad } from './mesh-deliveries.ts'

/** How much is measured; what `--full` and `--quick` change. */
export interface Scale {
  readonly rotations: number
  readonly warmUpMs: number
  readonly measureMs: number
  readonly connections: number
  readonly keys: number
  /** Backlog of `dispatch`. */
  readonly dispatches: number
  /** Stored events of `growth`. */
  readonly stored: number
}

/** One line of the table. Several values are the runs, in order. */
export interface Measure {
  readonly name: string
  readonly unit: string
  readonly values: readonly number[]
  /** What the same rotation's median was divided by, and the result. */
  readonly ratio?: { readonly to: string; readonly value: number; readonly bar: number }
  /** An upper bound of the value itself. */
  readonly atMost?: number
  readonly note?: string
}

export const NO_OP = { bench: { on: '*', handler: 'bench/no-op-handler' } }

/** A folder that is gone when `work` is over, with the databases of one run. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

export const fileIn = (folder: string): Store & { kind: 'sqlite' } => ({
  kind: 'sqlite',
  file: join(folder, 'sluice.db'),
})

export async function load(
  scale: Scale,
  { port, path }: Pick<RunningGateway, 'port' | 'path'>,
  mesh?: MeshLoad,
): Promise<LoadResult> {
  const { connections, keys, warmUpMs, measureMs } = scale
  const result = await runScript<LoadResult>('load', {
    port,
    path,
    connections,
    keys,
    warmUpMs,
    measureMs,
    mesh,
  } satisfies LoadOptions)
  if (result.failures > 0) throw new Error(`${result.failures} deliveries were not answered with 2xx`)
  return result
}

export const loadFloor = (scale: Scale): Promise<LoadResult> =>
  inFolder(async (folder) => {
    const { ready, stop } = await startScript<{ port: number }>('floor', join(folder, 'floor.db'))
    try {
      return await load(scale, { port: ready.port, path: '/' })
    } finally {
      await stop()
    }
  })

export async function loadGateway(scale: Scale, store: Store, settings: object): Promise<LoadResult> {
  return (await loadAndLook(scale, store, settings, () => undefined)).result
}

/** @param look sees the store the moment the load is over. */
export async function loadAndLook<T>(scale: Scale, store: Store, settings: object, look: () => T) {
  const gateway = await startGateway(store, settings)
  try {
    const result = await load(scale, gateway)
    return { result, seen: look() }
  } finally {
    await gateway.stop()
  }
}

export const fill = (store: Store, events: number, keys: number): Promise<FillResult> =>
  runScript<FillResult>('fill', { store, events, keys } satisfies FillOptions)

export const drain = (store: Store, events: number): Promise<DrainResult> =>
  runScript<DrainResult>('drain', { store, events } satisfies DrainOptions, [...SHIPPED, ...profiling()])

/** Runs every variant once, then every variant again, …: what slows the machine for a while slows them all. */
export async function rotate<Name extends string, T>(
  rotations: number,
  variants: Readonly<Record<Name, () => Promise<T>>>,
): Promise<Record<Name, T[]>> {
  const names = Object.keys(variants) as Name[]
  const results = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<Name, T[]>
  for (let round = 0; round < rotations; round += 1) {
    for (const name of names) results[name].push(await variants[name]())
  }
  return results
}
