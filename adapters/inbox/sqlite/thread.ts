import { DatabaseSync } from 'node:sqlite'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { ClaimRequest } from '#domain/ports'
import { deployFile } from './deploy.ts'
import { newestEvents, TOLD } from './newest-events.ts'
import { type Parcel, packLane, packStored, unpackDelivery } from './parcel.ts'
import { openStore, type Store } from './store.ts'
import { type Answers, type Call, type Calls, type StoreFile, toWire } from './wire.ts'

// The script of the store's thread: the file's only writer, so that no commit and no fsync ever stops the process's loop.

type Method = (...args: readonly unknown[]) => unknown

/** What may be called, by port and method. */
function portsOf({ intake, work, claimBeside, events, journal, admin, deploy, health, close }: Store) {
  const told = newestEvents(TOLD, () => true)
  const store: Record<string, Method> = {
    intake: (batch) => {
      const deliveries = (batch as Parcel[]).map(unpackDelivery)
      for (const delivery of deliveries) told.add(delivery)
      return intake.store(deliveries)
    },
    claim: async (request) => {
      told.begin()
      return (await claimBeside((key) => told.take(key) ?? false, request as ClaimRequest)).map(packLane)
    },
    events: async (keys) => (await events(keys as readonly string[])).map((event) => packStored(event)),
    deploy: (ddl) => deploy(ddl as readonly string[]),
    health,
    close,
  }
  return { store, work, journal, admin } as unknown as Record<string, Record<string, Method>>
}

/** Answers of one turn travel together. */
function answering(port: MessagePort) {
  let values: [number, unknown][] = []
  let faults: [number, ReturnType<typeof toWire>][] = []
  const waiting = () => values.length + faults.length
  const flush = () => {
    port.postMessage({ values, faults } satisfies Answers)
    values = []
    faults = []
  }
  /** Everything that a commit answers is settled by promises, which all run before the next tick. */
  const soon = () => waiting() === 0 && process.nextTick(flush)
  return {
    value(id: number, value: unknown) {
      soon()
      values.push([id, value])
    },
    fault(id: number, thrown: unknown) {
      soon()
      faults.push([id, toWire(thrown)])
    },
  }
}

async function serve(port: MessagePort, { file, ddl, at, fileEvery }: StoreFile): Promise<void> {
  let moment = at
  const now = () => (moment === undefined ? new Date() : new Date(moment))
  await deployFile(file, { ddl })
  const ports = portsOf(await openStore(new DatabaseSync(file, { timeout: 0 }), now, fileEvery))
  const answer = answering(port)

  const run = async ([id, name, method, args]: Call): Promise<void> => {
    try {
      answer.value(id, await ports[name]?.[method]?.(...args))
    } catch (thrown) {
      answer.fault(id, thrown)
    }
  }
  port.on('message', ({ calls, at: later }: Calls) => {
    moment = later
    for (const call of calls) void run(call)
  })
}

const OPENING = 0

if (parentPort) {
  const port = parentPort
  serve(port, workerData as StoreFile).then(
    () => port.postMessage({ values: [[OPENING, undefined]], faults: [] } satisfies Answers),
    (thrown) => port.postMessage({ values: [], faults: [[OPENING, toWire(thrown)]] } satisfies Answers),
  )
}
