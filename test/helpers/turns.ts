/** Lets what is already due happen: turns of the event loop in which no clock moves. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** Waits, without moving any clock, until something is so. */
export async function untilSo(so: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000; turn += 1) {
    if (so()) return
    await turns(1)
  }
  throw new Error(`never so: ${so}`)
}

export interface Gate {
  /** Resolves once opened. */
  readonly passed: Promise<void>
  open(): void
}

export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { passed: promise, open: resolve }
}

/** A promise nobody will ever settle. */
export const never = (): Promise<never> => new Promise(() => {})
