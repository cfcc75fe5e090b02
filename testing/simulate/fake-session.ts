import { SluiceError } from '#domain/errors'
import type { Key, TargetSession, UpdateOptions, WriteResult, WriteScope } from '#domain/target'
import { compareVersions } from '#domain/version'
import { type FakeRecords, keyText, type Row } from './fake-records.ts'

/** A write that a handler made, in the order they took effect. */
export interface FakeWrite {
  readonly action: 'create' | 'update' | 'publish'
  /** Entity; the event's type where it was published. */
  readonly entity: string
  readonly key?: Key
  readonly reference?: string
  /** What the handler wrote, without what the system added. */
  readonly data: Row
  readonly dispatch: string
  readonly run: number
  /** The `RequestID` of the write: the same for every try of it. */
  readonly requestId: string
}

/** How the next call shall go wrong; each once. */
export interface FakeFaults {
  /** Refuses: nothing happens. */
  refuse?: Error
  /** Takes effect, and its answer is lost. */
  lose?: boolean
  /** Its connection breaks; it takes effect when it is released. */
  hold?: boolean
}

export interface FakeSystem {
  readonly records: FakeRecords
  readonly writes: FakeWrite[]
  readonly faults: FakeFaults
  readonly held: (() => void)[]
  readonly settleMs: number
  /** Counts a call, and refuses it where asked to. */
  called(): void
}

/** What handlers see of a fake target: the rules of `TargetSession`, proved by the suite that OData targets pass. */
export function fakeSession(system: FakeSystem, scope: WriteScope): TargetSession {
  const { records, writes, faults, held, settleMs, called } = system
  const sentHere = new Map<string, Date>()

  /** Carries out a write as a system at the other end of a network would. */
  function send(write: Pick<FakeWrite, 'action' | 'entity' | 'data' | 'reference'>, step: string, run: () => Key) {
    scope.guard()
    if (scope.signal.aborted) throw new SluiceError('target-aborted', 'The call was given up before it was made.')
    const { dispatch, run: number } = scope
    const requestId = scope.requestId(step)
    const commit = () => {
      const key = run()
      writes.push({ ...write, key, dispatch, run: number, requestId })
      return key
    }
    const undo = scope.sent()
    try {
      called()
    } catch (thrown) {
      undo()
      throw thrown
    }
    const { lose, hold } = faults
    faults.lose = faults.hold = false
    if (hold) held.push(commit)
    const key = hold ? undefined : commit()
    if (!lose && key) return key
    throw new SluiceError('target-connection-lost', 'The connection broke before the answer was complete.', {
      effect: 'unknown',
    })
  }

  function create(entity: string, data: Row, reference: string, step?: string): WriteResult {
    if (reference.trim() === '') {
      throw new SluiceError('invalid-value', 'The reference of a write is empty.', { retry: 'never' })
    }
    const { reference: element, onAmbiguous = 'park' } = records.spec(entity)
    const effect = `create:${entity}:${reference}`
    const lastSentAt = sentHere.get(effect) ?? scope.lastSentAt
    if (!scope.firstTry || sentHere.has(effect)) {
      if (element !== undefined) {
        const afterMs = lastSentAt ? lastSentAt.getTime() + settleMs - scope.now().getTime() : 0
        if (afterMs > 0) throw settling(afterMs)
        const found = records.find(entity, { [element]: reference })[0]
        if (found) return { outcome: 'existing', key: keyIn(entity, found.data), record: found }
      } else if (onAmbiguous === 'park') throw unsure(entity)
    }
    const row = element === undefined ? data : { ...data, [element]: reference }
    sentHere.set(effect, scope.now())
    const key = send({ action: 'create', entity, data, reference }, step ?? effect, () => put(entity, row))
    return { outcome: 'created', key, ...recordAt(entity, key) }
  }

  function update(entity: string, key: Key, data: Row, options: UpdateOptions): WriteResult {
    const { guard, object = entity } = records.spec(entity)
    const record = records.get(entity, key)
    if (!record) throw new SluiceError('target-record-missing', `${entity} has no such record.`, { retry: 'never' })
    const { version } = options
    const stored = guard === undefined || version === undefined ? undefined : record.data[guard]
    if (version !== undefined && typeof stored === 'string') {
      const order = compareVersions(version, stored)
      if (order !== undefined && order < 0) return { outcome: 'stale', key, record }
      if (order === 0 && contains(record.data, data)) return { outcome: 'unchanged', key, record }
    }
    const step = options.step ?? `update:${entity}:${keyText(key)}`
    send({ action: 'update', entity, data }, step, () =>
      put(entity, { ...record.data, ...key, ...data, ...guarded(entity, version) }),
    )
    const written = records.get(entity, key)
    const over = record.version === undefined ? {} : { over: record.version }
    if (written?.version) scope.wrote({ type: object, key: keyText(key), version: written.version, ...over })
    return { outcome: 'updated', key, ...(written ? { record: written } : {}) }
  }

  const put = (entity: string, row: Row): Key => records.put(entity, row, scope.now()).key

  const guarded = (entity: string, version: string | undefined): Row => {
    const { guard } = records.spec(entity)
    return guard === undefined || version === undefined ? {} : { [guard]: version }
  }

  const keyIn = (entity: string, data: Row): Key =>
    Object.fromEntries(records.spec(entity).key.map((element) => [element, data[element] as string]))

  const recordAt = (entity: string, key: Key) => {
    const record = records.get(entity, key)
    return record ? { record } : {}
  }

  return {
    async read(entity, key) {
      records.spec(entity)
      called()
      return records.get(entity, key)
    },
    async find(entity, where, { top } = {}) {
      records.spec(entity)
      called()
      return records.find(entity, where).slice(0, top)
    },
    create: async (entity, data, { reference, step }) => create(entity, data, reference, step),
    update: async (entity, key, data, options = {}) => update(entity, key, data, options),
    async upsert(entity, by, data, options = {}) {
      const { reference: element } = records.spec(entity)
      const found =
        'key' in by
          ? records.get(entity, by.key)
          : element === undefined
            ? undefined
            : records.find(entity, { [element]: by.reference })[0]
      if (found) return update(entity, keyIn(entity, found.data), data, options)
      const row = { ...('key' in by ? by.key : {}), ...data, ...guarded(entity, options.version) }
      return create(entity, row, 'key' in by ? keyText(by.key) : by.reference, options.step)
    },
    async publish(event, { step, id = event.id ?? event.key ?? '' } = {}) {
      send({ action: 'publish', entity: event.type, data: { ...event } }, step ?? `publish:${id}`, () => ({ id }))
      return { id }
    },
  }
}

const contains = (row: Row, data: Row): boolean =>
  Object.entries(data).every(([element, value]) => JSON.stringify(row[element]) === JSON.stringify(value))

const settling = (afterMs: number): SluiceError =>
  new SluiceError('settling', 'An earlier create may still be committed; it is looked for after `settleMs`.', {
    retry: { afterMs },
    effect: 'unknown',
  })

const unsure = (entity: string): SluiceError =>
  new SluiceError('unsure', `Whether ${entity} was created by an earlier try cannot be found out.`, {
    retry: 'never',
    effect: 'undecidable',
  })
