import type { RegisteredSubscription } from '#domain/subscription'
import type { SubscriptionRow } from '../registry.ts'
import { holdLane, updateLane } from './lanes.ts'
import { SELECT, UPDATE } from './ql.ts'
import { changeRegistry } from './registry.ts'
import { inChunks, type Tx } from './session.ts'

/** Writes only what changed: 12 instances that start register the same. */
export async function registerSubscriptions(tx: Tx, subscriptions: readonly RegisteredSubscription[]): Promise<void> {
  await changeRegistry(tx)
  for (const { name, filter, order = null } of new Map(subscriptions.map((one) => [one.name, one])).values()) {
    const wanted = { filter: JSON.stringify(filter), order }
    const known = await tx.row<SubscriptionRow>(
      SELECT.from('sluice.Subscriptions').columns('filter', 'order', 'removedAt').where({ name }),
    )
    if (!known) {
      await tx.insert('sluice.Subscriptions', [{ name, ...wanted, paused: false, registeredAt: tx.now }])
    } else if (known.removedAt !== null) {
      const again = { ...wanted, removedAt: null, registeredAt: tx.now }
      await tx.change(UPDATE('sluice.Subscriptions').with(again).where({ name }))
    } else if (known.filter !== wanted.filter || known.order !== order) {
      await tx.change(UPDATE('sluice.Subscriptions').with(wanted).where({ name }))
    }
  }
}

/** @returns the dispatches that ended with it; undefined where there is no such subscription. */
export async function unregisterSubscription(tx: Tx, name: string): Promise<readonly string[] | undefined> {
  await changeRegistry(tx)
  const removed = UPDATE('sluice.Subscriptions').with({ removedAt: tx.now }).where({ name, removedAt: null })
  if ((await tx.change(removed)) === 0) return undefined
  const due = await laneIds(tx, { subscription: name, availableAt: { '!=': null } })
  const blocked = await laneIds(tx, { subscription: name, blocked: true })
  const ended: string[] = []
  for (const chunk of inChunks([...due, ...blocked].sort())) {
    for (const lane of chunk) await holdLane(tx, lane)
    const where = { lane: { in: chunk }, status: 'waiting' }
    const waiting = await tx.rows<{ ID: string }>(SELECT.from('sluice.Dispatches').columns('ID').where(where))
    ended.push(...waiting.map(({ ID }) => ID))
    const end = { status: 'dead', reason: 'subscription-removed', availableAt: null, finishedAt: tx.now }
    await tx.change(UPDATE('sluice.Dispatches').with(end).where(where))
    for (const lane of chunk) await closeLane(tx, lane)
  }
  return ended
}

const laneIds = async (tx: Tx, where: object): Promise<string[]> =>
  (await tx.rows<{ ID: string }>(SELECT.from('sluice.Lanes').columns('ID').where(where))).map(({ ID }) => ID)

/** Without an owner: what a worker still holds is void. */
async function closeLane(tx: Tx, id: string): Promise<void> {
  const lane = await holdLane(tx, id)
  if (lane) await updateLane(tx, id, { head: lane.tail, availableAt: null, owner: null, blocked: false })
}

export const pauseSubscription = async (tx: Tx, name: string, paused: boolean): Promise<boolean> =>
  (await tx.change(UPDATE('sluice.Subscriptions').with({ paused }).where({ name, removedAt: null }))) > 0
