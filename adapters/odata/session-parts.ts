import type { Entity } from './entity.ts'
import type { KnownRecords } from './known-records.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/** What all sessions of a target share. */
export interface SessionParts {
  readonly entity: (name: string) => Entity
  readonly reader: Reader
  readonly writer: Writer
  readonly known: KnownRecords
  readonly settleMs: number
}
