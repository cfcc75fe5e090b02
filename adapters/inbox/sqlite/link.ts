import { extname } from 'node:path'
import { Worker, type WorkerOptions } from 'node:worker_threads'
import { ownThread } from '#domain/own-thread'
import type { Admin } from '#domain/ports'
import { rejected, unavailable } from './errors.ts'
import { type Answers, type Call, type Calls, fromWire, type StoreFile } from './wire.ts'

/** A running store's thread. */
export interface Link {
  readonly broken: boolean
  call(port: string, method: string, args: readonly unknown[]): Promise<unknown>
  close(): Promise<void>
}

interface Waiting {
  resolve(value: unknown): void
  reject(thrown: Error): void
}

/** So many calls do not wait for the transaction under way: their own starts while this thread goes on receiving. */
const WORTH_WAKING = 8

/** Retention goes on step by step, and nobody waits behind it. */
const MANY_TRANSACTIONS = 'retain' satisfies keyof Admin

const EXTENSION = extname(import.meta.filename)
const SCRIPT = new URL(`./thread${EXTENSION}`, import.meta.url)

const options = (): WorkerOptions => ({
  name: 'sluice-store',
  resourceLimits: { maxYoungGenerationSizeMb: 12 },
  ...ownThread(EXTENSION, process.env),
})

/**
 * Starts the thread and opens the file in it. The thread keeps the process alive only while something is asked of it.
 * @param clock a test's; without it the thread has its own
 * @throws SluiceError `store-newer`, `store-unavailable`
 */
export async function openLink(file: StoreFile, clock: (() => Date) | undefined): Promise<Link> {
  const at = () => (clock ? { at: clock().getTime() } : {})
  const worker = new Worker(SCRIPT, { ...options(), workerData: { ...file, ...at() } satisfies StoreFile })
  const waiting = new Map<number, Waiting>()
  let outgoing: Call[] = []
  /** Calls that crossed and are part of a transaction that nobody has heard of yet. */
  const underway = new Set<number>()
  let last = 0
  let broken = false

  /** @returns what the thread answers to this number; the first is its word that the file is open */
  const expect = (id: number) => new Promise<unknown>((resolve, reject) => waiting.set(id, { resolve, reject }))

  function settle(id: number, settleOne: (one: Waiting) => void): void {
    const one = waiting.get(id)
    waiting.delete(id)
    underway.delete(id)
    if (one) settleOne(one)
  }

  worker.on('message', ({ values, faults }: Answers) => {
    for (const [id, value] of values) settle(id, ({ resolve }) => resolve(value))
    for (const [id, fault] of faults) settle(id, ({ reject }) => reject(fromWire(fault)))
    if (waiting.size === 0) worker.unref()
    flush()
  })
  /** Nothing that was asked for is known to be on disk. */
  const fail = (cause: unknown) => {
    broken = true
    for (const [id] of waiting) settle(id, ({ reject }) => reject(unavailable(cause)))
  }
  worker.once('error', fail).once('exit', () => fail(new Error('the thread of the store has ended')))

  function post(calls: readonly Call[]): void {
    worker.postMessage({ calls, ...at() } satisfies Calls)
  }

  /**
   * What is asked for while a transaction is under way crosses together once that is over: it would wait there, too, and
   * waking a thread costs as much as a delivery.
   */
  function flush(): void {
    if (underway.size === 0 && outgoing.length > 0) cross()
  }

  function cross(): void {
    const calls = outgoing
    outgoing = []
    for (const [id, , method] of calls) if (method !== MANY_TRANSACTIONS) underway.add(id)
    try {
      post(calls)
    } catch {
      for (const call of calls) postAlone(call)
    }
  }

  /** Somebody's value cannot cross, and only he pays. */
  function postAlone(call: Call): void {
    try {
      post([call])
    } catch (thrown) {
      settle(call[0], ({ reject }) => reject(rejected(thrown)))
    }
  }

  function call(port: string, method: string, args: readonly unknown[]): Promise<unknown> {
    if (broken) return Promise.reject(unavailable(new Error('the thread of the store has ended')))
    if (waiting.size === 0) worker.ref()
    if (outgoing.length === 0) setImmediate(flush)
    last += 1
    outgoing.push([last, port, method, args])
    const answer = expect(last)
    if (outgoing.length === WORTH_WAKING) cross()
    return answer
  }

  await expect(last)
  return {
    get broken() {
      return broken
    },
    call,
    async close() {
      if (!broken) await call('store', 'close', [])
      await worker.terminate()
    },
  }
}
