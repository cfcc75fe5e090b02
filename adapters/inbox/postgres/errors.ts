import { SluiceError } from '#domain/errors'

/**
 * What a failed statement means, by SQLSTATE class (https://www.postgresql.org/docs/current/errcodes-appendix.html).
 * `data`: the row is at fault, and only that row. `again`: a neighbor was, the same transaction succeeds in a moment.
 * Everything else, known or not, is the store's state: transient, and nothing is acknowledged.
 */
export function kindOf(error: unknown): 'data' | 'again' | 'unavailable' {
  if (error instanceof StaleConnection) return 'again'
  const code = sqlState(error)
  if (AGAIN.has(code)) return 'again'
  return DATA_CLASSES.has(code.slice(0, 2)) ? 'data' : 'unavailable'
}

/** The pool's connection was broken before anything was done on it: another one may work. */
export class StaleConnection extends Error {}

/** serialization_failure, deadlock_detected, lock_not_available */
const AGAIN = new Set(['40001', '40P01', '55P03'])
/** data exception, integrity constraint violation, program limit exceeded (an index row that is too large) */
const DATA_CLASSES = new Set(['22', '23', '54'])

/** Whether the connection can still be used: the server answered with an error, and did not end the session with it. */
export const leavesConnectionUsable = (error: unknown): boolean => {
  const code = sqlState(error)
  return code !== '' && !code.startsWith('08') && !code.startsWith('57P')
}

export function toStoreError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  const detail = sqlState(error) || (error instanceof Error ? error.message : 'unknown fault')
  if (kindOf(error) === 'data') {
    return new SluiceError('store-rejected', `Postgres refused the data (${detail}).`, { retry: 'never', cause: error })
  }
  return new SluiceError('store-unavailable', `Postgres cannot store now (${detail}).`, {
    cause: error,
    remedy: 'Check that the server runs, accepts connections and has free disk; senders are asked to try again.',
  })
}

/** Five characters where the server answered; empty where the driver or the network failed. */
function sqlState(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return ''
  return /^[0-9A-Z]{5}$/.test(error.code) && 'severity' in error ? error.code : ''
}
