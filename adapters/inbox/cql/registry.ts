import { type Registry, type SubscriptionRow, toRegistry } from '../registry.ts'
import { SELECT, UPDATE } from './ql.ts'
import type { Tx } from './session.ts'

const LOCK = { name: 'registry' }

/**
 * The subscriptions in force until this transaction ends: an event never misses one that was registered before, and a
 * removed one never gets another dispatch. Read after the lock, by a statement of its own.
 */
export async function readRegistry(tx: Tx): Promise<Registry> {
  await tx.rows(SELECT.from('sluice.Meta').columns('name').where(LOCK).forShareLock())
  return currentRegistry(tx)
}

export const currentRegistry = async (tx: Tx): Promise<Registry> =>
  toRegistry(
    await tx.rows<SubscriptionRow>(
      SELECT.from('sluice.Subscriptions').columns('name', 'filter', 'order', 'paused', 'removedAt').orderBy('name'),
    ),
  )

/** Waits for every transaction that fans out; those that come later see what this one writes. */
export const changeRegistry = async (tx: Tx): Promise<void> => {
  await tx.change(UPDATE('sluice.Meta').with({ value: tx.now }).where(LOCK))
}
