import { setTimeout as pause } from 'node:timers/promises'
import { createGateway } from 'cap-sluice'
import { cdsInbox } from 'cap-sluice/inbox'
import type { Store } from './gateway.ts'

/** Works a backlog off with a handler that does nothing: claim, attempt recorded, settled. */
export interface DrainOptions {
  readonly store: Store
  readonly events: number
}

export interface DrainResult {
  readonly perSecond: number
  /** Resident memory in MB: at the start, at its highest, and its mean over the second and the last quarter. */
  readonly startMb: number
  readonly peakMb: number
  readonly earlyMb: number
  readonly lateMb: number
}

const SAMPLE_MS = 100
const residentMb = (): number => process.memoryUsage.rss() / 1_048_576

const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length

async function run({ store, events }: DrainOptions): Promise<DrainResult> {
  const inbox = cdsInbox(store.kind === 'sqlite' ? { url: store.file } : store)
  let handled = 0
  const gateway = createGateway({ inbox, roles: ['worker'] })
  gateway.on('*', { name: 'bench' }, async () => {
    handled += 1
  })
  const samples: { mb: number; handled: number }[] = []
  const sample = () => samples.push({ mb: residentMb(), handled })
  const startMb = residentMb()
  const sampling = setInterval(sample, SAMPLE_MS)
  const startedAt = performance.now()
  await gateway.start()
  while (handled < events) await pause(5)
  // A lane is leased, and so has a time, until its last dispatch is settled.
  while (await inbox.work.nextDueAt(['bench'])) await pause(1)
  const seconds = (performance.now() - startedAt) / 1000
  clearInterval(sampling)
  sample()
  await gateway.stop()
  if (handled !== events) throw new Error(`${events} events were handled ${handled} times`)
  const quarter = (n: number) =>
    mean(samples.filter((one) => Math.ceil((one.handled / events) * 4) === n).map(({ mb }) => mb))
  return {
    perSecond: events / seconds,
    startMb,
    peakMb: Math.max(...samples.map(({ mb }) => mb)),
    earlyMb: quarter(2),
    lateMb: quarter(4),
  }
}

console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '{}') as DrainOptions)))
