import { SluiceError } from '#domain/errors'
import type { Clock } from '#domain/ports'

/** Waits for `work`, but no longer than `ms`; it goes on by itself. @returns whether it ended in time. */
export function withinTime(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => resolve(false))
    work.then(() => resolve(true), reject).finally(cancel)
  })
}

/** Like `work`, but rejects with the SluiceError `timeout` after `ms`. */
export function orTimeout<T>(clock: Clock, ms: number, what: string, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new SluiceError('timeout', `${what} did not end within ${ms} ms.`)))
    work.then(resolve, reject).finally(cancel)
  })
}
