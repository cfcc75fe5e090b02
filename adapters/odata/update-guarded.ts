import { SluiceError } from '#domain/errors'
import type { Key, TargetRecord, UpdateOptions, WriteResult, WriteScope } from '#domain/target'
import type { Data } from './dialect.ts'
import type { Entity } from './entity.ts'
import { type RecordState, stateOf } from './known-records.ts'
import { isContained, planUpdate } from './plan-write.ts'
import type { SessionParts } from './session-parts.ts'

/** How often a record may change under our hands before the dispatch backs off. */
const MAX_ROUNDS = 3

/** A record's state before the write, with the record itself where it was read just now. */
type Seen = RecordState & { readonly record?: TargetRecord }

/**
 * Updates a record as it was last seen (`If-Match`), and never over a newer version of the source. A refused update is
 * judged by the new state and applied again, unless the caller named the state it is for and no version can judge.
 * Undefined where there is no such record.
 */
export const updateGuarded = ({ reader, writer, known }: SessionParts, scope: WriteScope) => {
  const stepOf = countedSteps()

  const seenIn = (entity: Entity, record: TargetRecord): Seen => {
    writer.learn(entity, record)
    return { ...stateOf(entity.spec, record), record }
  }

  async function read(entity: Entity, key: Key): Promise<Seen | undefined> {
    const record = await reader.read(entity, key, scope.signal)
    return record && seenIn(entity, record)
  }

  /** What is known without asking; not enough where the guard is needed and was not seen. */
  function recall(entity: Entity, key: Key, options: UpdateOptions, guarding: boolean): Seen | undefined {
    const state = known.get(entity.name, entity.keyText(key))
    const usable = options.etag === undefined || options.etag === state?.etag ? state : { etag: options.etag }
    return guarding && usable?.guard === undefined ? undefined : usable
  }

  return async function update(
    entity: Entity,
    key: Key,
    data: Data,
    options: UpdateOptions,
    found?: TargetRecord,
  ): Promise<WriteResult | undefined> {
    const payload = withGuard(entity, data, options)
    const version = entity.spec.guard === undefined ? undefined : options.version
    let seen = found ? seenIn(entity, found) : recall(entity, key, options, version !== undefined)
    for (let round = 0; round < MAX_ROUNDS; round++) {
      // Only the record itself tells whether an update is in effect already or was overtaken.
      if (!seen?.record && (!seen || planUpdate(version, seen.guard, true) !== 'write')) seen = await read(entity, key)
      if (!seen) return undefined
      const { record } = seen
      const plan = planUpdate(version, seen.guard, record !== undefined && isContained(data, record.data))
      if (plan !== 'write') return { outcome: plan, key, ...(record && { record }) }
      const result = await writer.update(entity, key, payload, seen, stepOf(entity, key, options.step), scope)
      if (result === 'missing') return undefined
      if (result !== 'conflict') return result
      if (options.etag !== undefined && version === undefined) throw changed(entity)
      seen = undefined
    }
    throw new SluiceError('target-conflict', `${entity.name} was changed by others ${MAX_ROUNDS} times in a row.`, {
      retry: 'backoff',
      httpStatus: 412,
      remedy: 'It is tried again; if it persists, find out who writes the same records.',
    })
  }
}

/** What the caller made of the record it read is not true of the new one. */
const changed = ({ name }: Entity): SluiceError =>
  new SluiceError('target-changed', `The record of ${name} is no longer the one with the given etag.`, {
    retry: 'backoff',
    httpStatus: 412,
    remedy: 'Read it in the handler, which is tried again; without `etag` an update goes to the record as it is.',
  })

/** The source's version goes into the record itself, where the next write, by whomever, will find it. */
export const withGuard = ({ spec }: Entity, data: Data, { version }: UpdateOptions): Data =>
  spec.guard !== undefined && version !== undefined ? { ...data, [spec.guard]: version } : data

/** Each update sent has an effect of its own, so it has a step of its own, in the order the handler makes them. */
function countedSteps() {
  const counts = new Map<string, number>()
  return (entity: Entity, key: Key, named: string | undefined): string => {
    const step = named ?? `update:${entity.name}:${entity.keyText(key)}`
    const count = (counts.get(step) ?? 0) + 1
    counts.set(step, count)
    return count === 1 ? step : `${step}#${count}`
  }
}
