import { type ErrorFacts, SluiceError } from '#domain/errors'

/** What the store's thread is given when it starts. */
export interface StoreFile {
  readonly file: string
  /** What CAP's compiler makes of the model for SQLite. */
  readonly ddl: readonly string[]
  /** A test's clock, in ms. */
  readonly at?: number
  /** A test's; see `WaitingIndex`. */
  readonly fileEvery?: number
}

/** A method of a port and its arguments; the answer refers to `id`. */
export type Call = readonly [id: number, port: string, method: string, args: readonly unknown[]]

export interface Calls {
  readonly calls: readonly Call[]
  /** A test's clock, in ms. */
  readonly at?: number
}

/** How calls ended: each with its value or its fault. */
export interface Answers {
  readonly values: readonly (readonly [id: number, value: unknown])[]
  readonly faults: readonly (readonly [id: number, fault: WireFault])[]
}

/** An error on its way between threads, which keeps of a class only its name. */
export type WireFault = { readonly code: string; readonly message: string; readonly facts: ErrorFacts } | Error

export function toWire(thrown: unknown): WireFault {
  if (!(thrown instanceof SluiceError)) return plain(thrown)
  const { code, message, retry, effect, remedy, cause } = thrown
  const facts = {
    retry,
    effect,
    ...(remedy === undefined ? {} : { remedy }),
    ...(cause === undefined ? {} : { cause: plain(cause) }),
  }
  return { code, message: remedy ? message.slice(0, -remedy.length - 1) : message, facts }
}

export const fromWire = (fault: WireFault): Error =>
  fault instanceof Error ? fault : new SluiceError(fault.code, fault.message, fault.facts)

const plain = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)))
