import { SluiceError } from '#domain/errors'
import { UNAUTHORIZED_PAUSE_MS } from './classify.ts'

/** Keeps a target quiet after refused credentials, because every further try counts towards locking its user. */
export interface RefusalPause {
  /** @throws SluiceError `target-unauthorized` while the pause lasts */
  check(): void
  refused(): void
  accepted(): void
}

const PROBE_MS = 30_000

export function refusalPause(now: () => Date): RefusalPause {
  let until: number | undefined
  return {
    check() {
      if (until === undefined) return
      const leftMs = until - now().getTime()
      if (leftMs > 0) {
        throw new SluiceError('target-unauthorized', 'The target refused our credentials and is left alone for now.', {
          retry: { afterMs: leftMs },
          httpStatus: 401,
          remedy: 'Check `auth` of the target and whether its user is locked.',
        })
      }
      // One request finds out; the others go on waiting until it has, or should have.
      until = now().getTime() + PROBE_MS
    },
    refused() {
      until = now().getTime() + UNAUTHORIZED_PAUSE_MS
    },
    accepted() {
      until = undefined
    },
  }
}
