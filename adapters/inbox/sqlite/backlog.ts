import type { Backlog, BacklogBounds } from '#domain/backlog'
import type { Tx } from './session.ts'

/** Each part ends at its limit, and indexes lead to it: the cost does not grow with what waits. */
export function backlogOf(tx: Tx, subscription: string, { lanes, heads }: BacklogBounds): Backlog {
  const open = tx.get<Record<'due' | 'leased' | 'resting', number>>(COUNT_OPEN, subscription, tx.now, lanes)
  const { due = 0, leased = 0, resting = 0 } = open ?? {}
  const blocked = tx.get<{ count: number }>(COUNT_BLOCKED, subscription, lanes)?.count ?? 0
  const oldest = tx.get<{ at: string | null }>(OLDEST, subscription, heads)?.at
  return { subscription, due, leased, resting, blocked, ...(oldest && { oldestReceivedAt: new Date(oldest) }) }
}

const COUNT_OPEN = `SELECT
    count(*) FILTER (WHERE availableAt <= ?2) AS due,
    count(*) FILTER (WHERE availableAt > ?2 AND owner IS NOT NULL) AS leased,
    count(*) FILTER (WHERE availableAt > ?2 AND owner IS NULL) AS resting
  FROM (SELECT availableAt, owner FROM sluice_Lanes
    WHERE subscription = ?1 AND availableAt IS NOT NULL ORDER BY availableAt LIMIT ?3)`

const COUNT_BLOCKED =
  'SELECT count(*) AS count FROM (SELECT 1 FROM sluice_Lanes WHERE subscription = ? AND blocked LIMIT ?)'

const OLDEST = `SELECT min((
    SELECT event.receivedAt FROM sluice_Dispatches one JOIN sluice_Events event ON event.event = one.event
    WHERE one.lane = lane.ID AND one.pos >= lane.head AND one.status = 'waiting' ORDER BY one.pos LIMIT 1)) AS at
  FROM (
    SELECT * FROM (SELECT ID, head FROM sluice_Lanes
      WHERE subscription = ?1 AND availableAt IS NOT NULL ORDER BY availableAt LIMIT ?2)
    UNION ALL
    SELECT * FROM (SELECT ID, head FROM sluice_Lanes WHERE subscription = ?1 AND blocked LIMIT ?2)) lane`
