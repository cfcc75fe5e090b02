import type { TargetRecord } from '#domain/target'
import type { ODataEntitySpec } from './options.ts'

/** What decides about an update: the state a record was last seen in. */
export interface RecordState {
  readonly etag?: string
  readonly version?: string
  /** What its guard element holds: the source's version that is in effect; null where it was seen to hold none. */
  readonly guard?: string | null
}

export const stateOf = ({ guard }: ODataEntitySpec, record: TargetRecord): RecordState => {
  const held = guard === undefined ? undefined : record.data[guard]
  return {
    ...(record.etag !== undefined && { etag: record.etag }),
    ...(record.version !== undefined && { version: record.version }),
    ...(held !== undefined && { guard: held === null || held === '' ? null : String(held) }),
  }
}

/**
 * The states seen lately, per target: an update of such a record needs no read before, because `If-Match` with its own
 * etag makes sure that it still is in that state. Records without an etag are not kept.
 */
export interface KnownRecords {
  get(entity: string, key: string): RecordState | undefined
  learn(entity: string, key: string, state: RecordState): void
  forget(entity: string, key: string): void
}

/** The oldest goes first; a miss costs one read. */
const CAPACITY = 2_000

export function knownRecords(): KnownRecords {
  const states = new Map<string, RecordState>()
  const id = (entity: string, key: string) => `${entity}/${key}`
  return {
    get: (entity, key) => states.get(id(entity, key)),
    learn(entity, key, state) {
      states.delete(id(entity, key))
      if (state.etag !== undefined) states.set(id(entity, key), state)
      const oldest = states.size > CAPACITY ? states.keys().next().value : undefined
      if (oldest !== undefined) states.delete(oldest)
    },
    forget(entity, key) {
      states.delete(id(entity, key))
    },
  }
}
