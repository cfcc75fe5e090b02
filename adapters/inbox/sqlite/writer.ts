import type { SluiceError } from '#domain/errors'
import type { NewDelivery } from '#domain/ports'
import type { Outcome } from '#domain/source'
import { harmless, quarantined } from '../rows.ts'
import type { Connection } from './connection.ts'
import { isUnavailable, rejected } from './errors.ts'
import type { StoreDeliveries } from './intake.ts'
import type { Tx } from './session.ts'

/**
 * `call`: short, never waits behind others. `settle`: a lane's results. `claim`: runs last, so that it sees the lanes
 * that were just given back, and gets what is left of the turn's allowance.
 */
type Kind = 'call' | 'settle' | 'claim'

interface Unit {
  /** Dispatches it touches. */
  readonly weight: number
  run(tx: Tx, allowance: number): unknown
  done(value: unknown): void
  reject(thrown: SluiceError): void
}

interface Arrival {
  readonly delivery: NewDelivery
  resolve(outcome: Outcome): void
  reject(thrown: SluiceError): void
}

export interface Writer {
  store(delivery: NewDelivery): Promise<Outcome>
  submit<T>(kind: Kind, weight: number, run: (tx: Tx, allowance: number) => T): Promise<T>
  /** Resolves when nothing waits. */
  drain(): Promise<void>
  /** Why a transaction was refused, if no delivery was stored since, and nobody called `recovered`. */
  lastFailure(): SluiceError | undefined
  recovered(): void
}

/** Bounds of one transaction, so that it never holds up the loop for more than some 20 ms. */
const DELIVERIES_PER_TURN = 256
const BYTES_PER_TURN = 8_000_000
const DISPATCHES_PER_TURN = 512
/** While deliveries wait, a backlog must not slow their answers. */
const DISPATCHES_BESIDE_INTAKE = 64
const LEAST_CLAIM = 16

/**
 * SQLite has one writer, and the fsync of a commit costs as much as 30 deliveries. So everything that waits goes into
 * one transaction per turn, and only its commit answers the callers.
 */
export function createWriter(connection: Connection, storeDeliveries: StoreDeliveries): Writer {
  const arrivals: Arrival[] = []
  const units: Record<Kind, Unit[]> = { call: [], settle: [], claim: [] }
  let active = false
  let failure: SluiceError | undefined
  const drained: (() => void)[] = []

  const waiting = () => arrivals.length + units.call.length + units.settle.length + units.claim.length > 0

  /** Two turns of the loop: under load the second one doubles the batch and so halves the fsyncs. */
  function wake(): void {
    if (active) return
    active = true
    setImmediate(() => setImmediate(turn))
  }

  async function turn(): Promise<void> {
    const batch = takeArrivals(arrivals)
    const allowance = batch.length > 0 ? DISPATCHES_BESIDE_INTAKE : DISPATCHES_PER_TURN
    const settles = takeUnits(units.settle, allowance)
    const work = [...units.call.splice(0), ...settles, ...units.claim.splice(0)]
    const left = Math.max(LEAST_CLAIM, allowance - weightOf(settles))
    try {
      await together(batch, work, left)
    } catch (thrown) {
      if (isUnavailable(thrown)) refuse(thrown, batch, work)
      else await oneByOne(batch, work, left)
    }
    active = false
    if (waiting()) wake()
    else for (const resolve of drained.splice(0)) resolve()
  }

  async function together(batch: readonly Arrival[], work: readonly Unit[], left: number): Promise<void> {
    const { outcomes, values } = await connection.transaction((tx) => {
      const outcomes = storeDeliveries(
        tx,
        batch.map(({ delivery }) => delivery),
      )
      return { outcomes, values: work.map((unit) => unit.run(tx, left)) }
    })
    // Reads, and results of a few bytes, succeed on a full disk too.
    if (batch.length > 0) failure = undefined
    for (const [index, arrival] of batch.entries()) arrival.resolve(outcomes[index] as Outcome)
    for (const [index, unit] of work.entries()) unit.done(values[index])
  }

  /** Somebody's value broke the shared transaction: everyone gets one of their own, and only the guilty pays. */
  async function oneByOne(batch: readonly Arrival[], work: readonly Unit[], left: number): Promise<void> {
    for (const [index, arrival] of batch.entries()) {
      try {
        await alone(arrival, left)
      } catch (thrown) {
        if (isUnavailable(thrown)) return refuse(thrown, batch.slice(index), work)
        refuse(rejected(thrown), [arrival], [])
      }
    }
    for (const [index, unit] of work.entries()) {
      try {
        await together([], [unit], left)
      } catch (thrown) {
        if (isUnavailable(thrown)) return refuse(thrown, [], work.slice(index))
        refuse(rejected(thrown), [], [unit])
      }
    }
  }

  /** A delivery that the database refuses is kept in quarantine, without what it refused. */
  async function alone(arrival: Arrival, left: number): Promise<void> {
    try {
      await together([arrival], [], left)
    } catch (thrown) {
      if (isUnavailable(thrown)) throw thrown
      const delivery = quarantined(arrival.delivery, 'refused by the database')
      await together([{ ...arrival, delivery }], [], left)
    }
  }

  function refuse(reason: SluiceError, batch: readonly Arrival[], work: readonly Unit[]): void {
    if (isUnavailable(reason)) failure = reason
    for (const one of [...batch, ...work]) one.reject(reason)
  }

  return {
    store: (delivery) =>
      new Promise((resolve, reject) => {
        arrivals.push({ delivery: harmless(delivery), resolve, reject })
        wake()
      }),
    submit: <T>(kind: Kind, weight: number, run: (tx: Tx, allowance: number) => T) =>
      new Promise<T>((resolve, reject) => {
        units[kind].push({ weight, run, done: (value) => resolve(value as T), reject })
        wake()
      }),
    drain: () => (active ? new Promise((resolve) => drained.push(resolve)) : Promise.resolve()),
    lastFailure: () => failure,
    recovered: () => {
      failure = undefined
    },
  }
}

function takeArrivals(queue: Arrival[]): Arrival[] {
  let bytes = 0
  let count = 0
  for (const { delivery } of queue) {
    bytes += delivery.body.length
    if (count > 0 && (count === DELIVERIES_PER_TURN || bytes > BYTES_PER_TURN)) break
    count += 1
  }
  return queue.splice(0, count)
}

function takeUnits(queue: Unit[], allowance: number): Unit[] {
  let weight = 0
  let count = 0
  for (const unit of queue) {
    weight += unit.weight
    if (count > 0 && weight > allowance) break
    count += 1
  }
  return queue.splice(0, count)
}

const weightOf = (units: readonly Unit[]): number => units.reduce((sum, { weight }) => sum + weight, 0)
