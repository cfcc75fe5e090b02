import type { Nature } from './event.ts'
import type { OrderPolicy } from './subscription.ts'
import { compareVersions } from './version.ts'

export interface LaneEntry {
  readonly nature: Nature
  /** Text that tells one object from another; entries without an object supersede nothing. */
  readonly object?: string
  readonly version?: string
  /** An operator asked for this run: it is neither skipped nor a reason to skip. */
  readonly replay?: boolean
  /** An earlier try may still take effect: it is seen to its end before anything later is written. */
  readonly underway?: boolean
}

/** Which of a lane's claimed entries run, in order, and which a later one made needless. */
export function planLane(
  entries: readonly LaneEntry[],
  order: OrderPolicy | undefined,
): readonly ('run' | 'superseded')[] {
  if (order !== 'latest' && order !== undefined) return entries.map(() => 'run')
  const running: LaneEntry[] = []
  return entries
    .toReversed()
    .map((entry) => {
      if (running.some((later) => supersedes(later, entry))) return 'superseded'
      running.push(entry)
      return 'run'
    })
    .toReversed()
}

/** What comes later but is known to be older (push and poll overtake each other) must not push out the newer one. */
function supersedes(later: LaneEntry, entry: LaneEntry): boolean {
  if (later.replay || entry.replay || entry.underway || later.nature !== 'state' || entry.nature !== 'state')
    return false
  if (entry.object === undefined || later.object !== entry.object) return false
  if (later.version === undefined || entry.version === undefined) return true
  return (compareVersions(later.version, entry.version) ?? 1) >= 0
}

/** Whether a dispatch that ended dead or unsure stops its lane. */
export const blocksLane = (nature: Nature, order: OrderPolicy | undefined): boolean =>
  order === 'block' || (order === undefined && nature === 'fact')
