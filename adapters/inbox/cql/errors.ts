import { SluiceError } from '#domain/errors'

type Kind = 'taken' | 'again' | 'data' | 'unavailable'

/**
 * What a failed statement means, on every database that this inbox may run on. `taken`: a key that somebody else has
 * inserted meanwhile; the same transaction, run again, sees it. `again`: a deadlock or a lock waited for too long.
 * `data`: a value is at fault. Everything else, known or not, is the store's state: transient.
 */
export function kindOf(error: unknown): Kind {
  if (!(error instanceof Error)) return 'unavailable'
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  if (typeof errcode === 'number') return SQLITE.get(errcode) ?? SQLITE.get(errcode & 0xff) ?? 'unavailable'
  if (typeof code === 'number') return HANA.get(code) ?? 'unavailable'
  if (typeof code !== 'string') return 'unavailable'
  return POSTGRES.get(code) ?? POSTGRES.get(code.slice(0, 2)) ?? 'unavailable'
}

/** https://www.sqlite.org/rescode.html */
const SQLITE = new Map<number, Kind>([
  [1555 /* CONSTRAINT_PRIMARYKEY */, 'taken'],
  [2067 /* CONSTRAINT_UNIQUE */, 'taken'],
  [5 /* BUSY */, 'again'],
  [6 /* LOCKED */, 'again'],
  [18 /* TOOBIG */, 'data'],
  [19 /* CONSTRAINT */, 'data'],
  [20 /* MISMATCH */, 'data'],
])

/** SQLSTATEs and their classes: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const POSTGRES = new Map<string, Kind>([
  ['23505' /* unique_violation */, 'taken'],
  ['40001' /* serialization_failure */, 'again'],
  ['40P01' /* deadlock_detected */, 'again'],
  ['55P03' /* lock_not_available */, 'again'],
  ['22', 'data'],
  ['23', 'data'],
  ['54', 'data'],
])

/** "SQL Error Codes" of the SAP HANA SQL Reference Guide. */
const HANA = new Map<number, Kind>([
  [301 /* unique constraint violated */, 'taken'],
  [131 /* transaction rolled back by lock wait timeout */, 'again'],
  [133 /* transaction rolled back by detected deadlock */, 'again'],
  [138 /* transaction serialization failure */, 'again'],
  [146 /* resource busy */, 'again'],
  [274 /* inserted value too large for column */, 'data'],
  [287 /* cannot insert NULL or update to NULL */, 'data'],
  [314 /* numeric overflow */, 'data'],
  [339 /* invalid number */, 'data'],
])

export const isRejected = (error: unknown): boolean => error instanceof SluiceError && error.code === 'store-rejected'

export function toStoreError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  const kind = kindOf(error)
  if (kind === 'data' || kind === 'taken') {
    return new SluiceError('store-rejected', 'The inbox database refused the data.', { retry: 'never', cause: error })
  }
  return new SluiceError('store-unavailable', 'The inbox database cannot be used now.', {
    cause: error,
    remedy: 'Check the database of sluice-db and its credentials; senders are told to come again.',
  })
}
