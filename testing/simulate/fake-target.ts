import { SluiceError } from '#domain/errors'
import type { EntitySpec, Target } from '#domain/target'
import { type FakeRecords, fakeRecords, type Row } from './fake-records.ts'
import { type FakeFaults, type FakeWrite, fakeSession } from './fake-session.ts'

export type { FakeWrite } from './fake-session.ts'

/** What a fake target knows at first. */
export interface FakeTargetOptions {
  /** As the real target has them. Without any, every entity is there, with key `ID` and reference `ExternalReference`. */
  readonly entities?: Readonly<Record<string, EntitySpec>>
  /** What is there already, by entity. */
  readonly records?: Readonly<Record<string, readonly Row[]>>
  /** How long a lost create may still commit; 60,000, as OData targets have it. */
  readonly settleMs?: number
}

/** A target in memory that keeps every write, and fails as told. */
export interface FakeTarget extends Target {
  /** In the order they took effect. */
  readonly writes: readonly FakeWrite[]
  /** The rows an entity has now. */
  rows(entity: string): readonly Row[]
  /** Someone else enters or changes a row. */
  put(entity: string, row: Row): void
  /** The next call fails with this before anything happens; by default as a busy target does, and is tried again. */
  refuseNext(error?: Error): void
  /** The next write takes effect, and its answer is lost: the next try has to look before it writes. */
  loseNext(): void
  /** The next write's connection breaks; it takes effect when the returned function is called. */
  holdNext(): () => void
  /** Calls so far. */
  readonly calls: number
}

/**
 * A target for tests of handlers: the rules of a real one (one effect per dispatch and step, an older version never
 * over a newer one, look before a second create), no network. It passes the contract suite of the OData targets.
 */
export function fakeTarget(options: FakeTargetOptions = {}): FakeTarget {
  const { entities, settleMs = 60_000 } = options
  const records: FakeRecords = fakeRecords(entities)
  const writes: FakeWrite[] = []
  const faults: FakeFaults = {}
  const held: (() => void)[] = []
  let calls = 0

  const called = () => {
    calls += 1
    const { refuse } = faults
    delete faults.refuse
    if (refuse) throw refuse
  }
  const put = (entity: string, row: Row) => void records.put(entity, row, new Date(0))
  for (const [entity, rows] of Object.entries(options.records ?? {})) for (const row of rows) put(entity, row)

  return {
    kind: 'fake',
    entities: entities ?? {},
    session: (scope) => fakeSession({ records, writes, faults, held, settleMs, called }, scope),
    async fetch(entity, key) {
      records.spec(entity)
      called()
      return records.get(entity, key)
    },
    changes: async (request) => records.page(request),
    writes,
    rows: (entity) => records.all(entity).map(({ data }) => data),
    put,
    refuseNext(error = busy()) {
      faults.refuse = error
    },
    loseNext() {
      faults.lose = true
    },
    holdNext() {
      faults.hold = true
      return () => {
        for (const commit of held.splice(0)) commit()
      }
    },
    get calls() {
      return calls
    },
  }
}

const busy = (): SluiceError => new SluiceError('target-busy', 'The target is busy.', { httpStatus: 503 })
