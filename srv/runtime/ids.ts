import { hash, randomUUID } from 'node:crypto'
import { v5 } from 'uuid'

const MAX_COUNT = 0xfff
let lastMs = 0
let count = 0

/**
 * RFC 9562 UUID v7: time-ordered, so that inserts append to the store's indexes; within a millisecond by a counter
 * (§6.2, method 1). Made of `randomUUID`, whose random bits come from a pool: the package's own cost a tenth of intake.
 */
export function newKey(): string {
  const now = Date.now()
  if (now > lastMs) [lastMs, count] = [now, 0]
  else if (count < MAX_COUNT) count += 1
  else [lastMs, count] = [lastMs + 1, 0]
  const time = lastMs.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${count.toString(16).padStart(3, '0')}${randomUUID().slice(18)}`
}

const NAMESPACE = 'c4d1f8a2-5a0b-4b7e-9f43-2f6f0d9a6c11'

/** The same for every try of one write: uuid v5 of (dispatch, run, step). */
export const requestId = (dispatch: string, run: number, step: string): string =>
  v5(JSON.stringify([dispatch, run, step]), NAMESPACE)

export const sha256 = (data: string | Uint8Array): string => hash('sha256', data, 'hex')
