import { SluiceError } from '#domain/errors'
import type { StoreHealth } from '#domain/ports'

/** Primary result codes that blame a value and not the store. https://www.sqlite.org/rescode.html */
const DATA_CODES: ReadonlySet<number> = new Set([
  18 /* TOOBIG */, 19 /* CONSTRAINT */, 20 /* MISMATCH */, 25 /* RANGE */,
])
const BUSY = 5

const primaryCode = (thrown: unknown): number | undefined => {
  const code = thrown instanceof Error && 'errcode' in thrown ? thrown.errcode : undefined
  return typeof code === 'number' ? code & 0xff : undefined
}

/** Another connection is writing: worth another try in a moment. */
export const isBusy = (thrown: unknown): boolean => primaryCode(thrown) === BUSY

/** Full, read-only, gone: the store itself, whatever the operation. A refused value (TOOBIG, CONSTRAINT, …) is not. */
export const isStoreFault = (thrown: unknown): boolean => {
  const code = primaryCode(thrown)
  return code !== undefined && !DATA_CODES.has(code)
}

export const isUnavailable = (thrown: unknown): thrown is SluiceError =>
  thrown instanceof SluiceError && thrown.code === 'store-unavailable'

export const unavailable = (cause: unknown): SluiceError =>
  isUnavailable(cause)
    ? cause
    : new SluiceError('store-unavailable', 'The inbox database cannot be written.', {
        cause,
        remedy: 'Check the disk and the file of sluice-db; senders are told to come again.',
      })

/** A value that no second try makes acceptable. */
export const rejected = (cause: unknown): SluiceError =>
  cause instanceof SluiceError
    ? cause
    : new SluiceError('store-rejected', 'The inbox database refused a value.', { cause, retry: 'never' })

/** What a store that failed its check says of itself. */
export function unwell(thrown: unknown): StoreHealth {
  if (thrown instanceof SluiceError) return { ok: false, reason: thrown.code }
  throw thrown
}
