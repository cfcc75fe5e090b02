import { SluiceError } from '#domain/errors'
import type { Key, TargetRecord, TargetSession, UpdateOptions, WriteResult, WriteScope } from '#domain/target'
import { misconfigured } from './classify.ts'
import { createOnce, type Identity } from './create-once.ts'
import type { Data } from './dialect.ts'
import type { Entity } from './entity.ts'
import { findByReference } from './look-up.ts'
import type { SessionParts } from './session-parts.ts'
import { updateGuarded, withGuard } from './update-guarded.ts'

/** Records of `find` where the caller names no number. */
const DEFAULT_TOP = 100

/** One dispatch's view of the target: every write has one effect, however often the dispatch is tried. */
export function openSession(parts: SessionParts, scope: WriteScope): TargetSession {
  const { reader, writer } = parts
  const create = createOnce(parts, scope)
  const update = updateGuarded(parts, scope)

  const writable = (name: string): Entity => {
    const entity = parts.entity(name)
    if (!entity.spec.readonly) return entity
    throw misconfigured(
      `Entity \`${name}\` is readonly.`,
      'Remove `readonly` under `entities` of the target to write it.',
    )
  }

  async function byReference(entity: Entity, reference: string): Promise<TargetRecord | undefined> {
    const [record, second] = await findByReference(entity, reference, reader, scope.signal)
    if (!second) return record
    throw new SluiceError('target-ambiguous', `Two records of ${entity.name} bear the same reference.`, {
      retry: 'never',
      remedy: 'Remove one of them in the target, or upsert by key.',
    })
  }

  /** Without its key it could not be updated, and must not be taken for one that is not there. */
  function keyOfFound(entity: Entity, found: TargetRecord): Key {
    const key = entity.keyOf(found.data)
    if (key) return key
    throw misconfigured(
      `Records of \`${entity.name}\` lack a key element.`,
      'Correct `key` under `entities` of the target.',
    )
  }

  async function upsert(entity: Entity, by: Identity, data: Data, options: UpdateOptions): Promise<WriteResult> {
    const found = 'key' in by ? undefined : await byReference(entity, by.reference)
    const key = 'key' in by ? by.key : found && keyOfFound(entity, found)
    const updated = key && (await update(entity, key, data, options, found))
    if (updated) return updated
    const payload = withGuard(entity, 'key' in by ? { ...data, ...by.key } : data, options)
    return create(entity, payload, by, options.step && `${options.step}:create`)
  }

  return {
    async read(name, key, { expand = [] } = {}) {
      const entity = parts.entity(name)
      const record = await reader.read(entity, key, scope.signal, expand)
      if (record) writer.learn(entity, record)
      return record
    },
    find: async (name, where, { top = DEFAULT_TOP } = {}) => reader.find(parts.entity(name), where, top, scope.signal),
    create: async (name, data, { reference, step }) => create(writable(name), data, { reference }, step),
    async update(name, key, data, options = {}) {
      const updated = await update(writable(name), key, data, options)
      if (updated) return updated
      throw new SluiceError('target-record-missing', `${name} has no record with this key.`, {
        retry: 'never',
        httpStatus: 404,
        remedy: 'Create it first, or use `upsert`.',
      })
    },
    upsert: async (name, by, data, options = {}) => upsert(writable(name), by, data, options),
  }
}
