import { hash } from 'node:crypto'
import { v5, v7 } from 'uuid'

/** RFC 9562 UUID v7: time-ordered, so that inserts append to the store's indexes. */
export const newKey = (): string => v7()

const NAMESPACE = 'c4d1f8a2-5a0b-4b7e-9f43-2f6f0d9a6c11'

/** The same for every try of one write: uuid v5 of (dispatch, run, step). */
export const requestId = (dispatch: string, run: number, step: string): string =>
  v5(JSON.stringify([dispatch, run, step]), NAMESPACE)

export const sha256 = (data: string | Uint8Array): string => hash('sha256', data, 'hex')
