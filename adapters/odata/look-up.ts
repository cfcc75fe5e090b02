import { SluiceError } from '#domain/errors'
import type { TargetRecord } from '#domain/target'
import { misconfigured } from './classify.ts'
import type { Entity } from './entity.ts'
import type { Reader } from './reader.ts'

/**
 * The records that bear a sender's reference, two at most. Services that do not implement a filter answer with whatever
 * they have, and a foreign record must never be taken for ours: what comes is compared with what was asked for.
 * @throws SluiceError where the look-up proves nothing
 */
export async function findByReference(
  entity: Entity,
  reference: string,
  reader: Reader,
  signal: AbortSignal,
): Promise<readonly TargetRecord[]> {
  const element = entity.spec.reference
  if (element === undefined) {
    throw misconfigured(`Entity \`${entity.name}\` has no \`reference\`.`, 'Name the element, or upsert by key.')
  }
  checkReference(reference)
  const records = await reader.find(entity, { [element]: reference }, 2, signal)
  if (records.every(({ data }) => normalized(data[element]) === normalized(reference))) return records
  throw new SluiceError('target-filter-ignored', `A look-up of ${entity.name} brought a record of another reference.`, {
    retry: 'never',
    remedy: `The service does not filter by \`${element}\`: name another element, or decide with \`onAmbiguous\`.`,
  })
}

/** An empty one would be found in every record that has none. */
export function checkReference(reference: string): void {
  if (typeof reference === 'string' && reference.trim() !== '') return
  throw new SluiceError('invalid-value', 'The reference of a write is empty.', {
    retry: 'never',
    remedy: 'Use something that identifies the event or its object at the sender.',
  })
}

/** ABAP elements may lose trailing spaces and turn to capitals. */
const normalized = (value: unknown): string => String(value).trim().toUpperCase()
