import { randomUUID } from 'node:crypto'
import type { Headers } from '#domain/source'

/** Where callers put it, in the order that CAP reads them. https://cap.cloud.sap/docs/node.js/cds-log#request-correlation */
const NAMES = ['x-correlation-id', 'x-correlationid', 'x-request-id', 'x-vcap-request-id'] as const
const MAX_LENGTH = 100

/** What ties a delivery's log lines to its caller's: the caller's own id, or one made here. */
export function correlationOf(headers: Headers): string {
  for (const name of NAMES) {
    const given = headers[name]?.[0]
    if (given) return given.slice(0, MAX_LENGTH)
  }
  return randomUUID()
}
