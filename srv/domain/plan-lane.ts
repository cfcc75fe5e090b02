import type { Nature } from './event.ts'
import type { OrderPolicy } from './subscription.ts'

export interface LaneEntry {
  readonly nature: Nature
  /** Text that tells one object from another; entries without an object supersede nothing. */
  readonly object?: string
}

/** Which of a lane's claimed entries run, in order, and which a later one made needless. */
export function planLane(
  entries: readonly LaneEntry[],
  order: OrderPolicy | undefined,
): readonly ('run' | 'superseded')[] {
  if (order !== 'latest' && order !== undefined) return entries.map(() => 'run')
  const newer = new Set<string>()
  return entries
    .toReversed()
    .map((entry) => {
      if (entry.nature !== 'state' || entry.object === undefined) return 'run'
      if (newer.has(entry.object)) return 'superseded'
      newer.add(entry.object)
      return 'run'
    })
    .toReversed()
}

/** Whether a dispatch that ended dead or unsure stops its lane. */
export const blocksLane = (nature: Nature, order: OrderPolicy | undefined): boolean =>
  order === 'block' || (order === undefined && nature === 'fact')
