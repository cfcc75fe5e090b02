import { SluiceError, toFault } from '#domain/errors'
import type { Key, TargetRecord, WriteResult, WriteScope } from '#domain/target'
import type { Data } from './dialect.ts'
import type { Entity } from './entity.ts'
import { checkReference, findByReference } from './look-up.ts'
import { type CreatePlan, planCreate } from './plan-write.ts'
import type { SessionParts } from './session-parts.ts'

/** How the record is recognized: by the sender's reference, or by a key the sender gives. */
export type Identity = { readonly reference: string } | { readonly key: Key }

/** Creates a record that has not been created yet, by this try or a lost one. */
export const createOnce = ({ reader, writer, settleMs }: SessionParts, scope: WriteScope) => {
  /** Creates this session has sent, with the moment where their end is unknown: a handler may try again by itself. */
  const sent = new Map<string, Date | undefined>()

  async function lookUp(entity: Entity, by: Identity): Promise<TargetRecord | undefined> {
    if ('key' in by) return reader.read(entity, by.key, scope.signal)
    const [record] = await findByReference(entity, by.reference, reader, scope.signal)
    return record
  }

  async function send(entity: Entity, data: Data, effect: string, step: string): Promise<WriteResult> {
    try {
      const result = await writer.create(entity, data, step, scope)
      sent.set(effect, undefined)
      return result
    } catch (thrown) {
      if (toFault(thrown).effect !== 'none') sent.set(effect, scope.now())
      throw thrown
    }
  }

  return async function create(entity: Entity, data: Data, by: Identity, step?: string): Promise<WriteResult> {
    if ('reference' in by) checkReference(by.reference)
    const { reference, onAmbiguous = 'park' } = entity.spec
    const effect = `create:${entity.name}:${'key' in by ? entity.keyText(by.key) : by.reference}`
    const lastSentAt = sent.get(effect) ?? scope.lastSentAt
    const plan = (seen: { found?: boolean; searchable?: boolean }): CreatePlan =>
      planCreate(
        {
          firstTry: scope.firstTry && !sent.has(effect),
          settleMs,
          searchable: 'key' in by || reference !== undefined,
          onAmbiguous,
          ...(lastSentAt && { lastSentAt }),
          ...seen,
        },
        scope.now(),
      )

    let record: TargetRecord | undefined
    let next = plan({})
    if (next.do === 'look-up') {
      try {
        record = await lookUp(entity, by)
        next = plan({ found: record !== undefined })
      } catch (thrown) {
        // Refused for good (the element is not filterable, say): then it can never be decided by looking.
        if (toFault(thrown).retry !== 'never') throw thrown
        next = plan({ searchable: false })
      }
    }
    if (next.do === 'keep' && record) return existing(entity, record)
    if (next.do === 'wait') throw settling(next.afterMs)
    if (next.do === 'park') throw unsure(entity)
    const payload = 'reference' in by && reference !== undefined ? { ...data, [reference]: by.reference } : data
    return send(entity, payload, effect, step ?? effect)
  }

  function existing(entity: Entity, record: TargetRecord): WriteResult {
    writer.learn(entity, record)
    const key = entity.keyOf(record.data)
    return { outcome: 'existing', record, ...(key && { key }) }
  }
}

const settling = (afterMs: number): SluiceError =>
  new SluiceError('settling', 'An earlier create may still be committed; it is looked for after `settleMs`.', {
    retry: { afterMs },
    effect: 'unknown',
  })

const unsure = (entity: Entity): SluiceError =>
  new SluiceError('unsure', `Whether ${entity.name} was created by an earlier try cannot be found out.`, {
    retry: 'never',
    effect: 'undecidable',
    remedy: 'Look into the target: discard the event if the record is there, retry it if not.',
  })
