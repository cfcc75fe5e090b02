import type { Backlog, BacklogBounds } from '#domain/backlog'
import type { Tx } from './session.ts'
import type { LanePart } from './waiting.ts'

/** Each part ends at its limit, and indexes lead to it: the cost does not grow with what waits. */
export function backlogOf(tx: Tx, subscription: string, { lanes, heads }: BacklogBounds): Backlog {
  const open = tx.get<Record<'due' | 'leased' | 'resting', number>>(COUNT_OPEN, subscription, tx.now, lanes)
  const { due = 0, leased = 0, resting = 0 } = open ?? {}
  const blocked = tx.get<{ count: number }>(COUNT_BLOCKED, subscription, lanes)?.count ?? 0
  const oldest = oldestOf(tx, tx.all<LanePart>(SELECT_HEADS, subscription, heads))
  return { subscription, due, leased, resting, blocked, ...(oldest && { oldestReceivedAt: new Date(oldest) }) }
}

function oldestOf(tx: Tx, lanes: readonly LanePart[]): string | undefined {
  const moments = lanes.flatMap((lane) => {
    const first = tx.waiting.first(tx, lane)
    return first ? (tx.get<{ at: string }>(SELECT_RECEIVED, first.dispatch)?.at ?? []) : []
  })
  return moments.sort()[0]
}

const COUNT_OPEN = `SELECT
    count(*) FILTER (WHERE availableAt <= ?2) AS due,
    count(*) FILTER (WHERE availableAt > ?2 AND owner IS NOT NULL) AS leased,
    count(*) FILTER (WHERE availableAt > ?2 AND owner IS NULL) AS resting
  FROM (SELECT availableAt, owner FROM sluice_Lanes
    WHERE subscription = ?1 AND availableAt IS NOT NULL ORDER BY availableAt LIMIT ?3)`

const COUNT_BLOCKED =
  'SELECT count(*) AS count FROM (SELECT 1 FROM sluice_Lanes WHERE subscription = ? AND blocked LIMIT ?)'

const SELECT_HEADS = `SELECT * FROM (SELECT ID, head FROM sluice_Lanes
    WHERE subscription = ?1 AND availableAt IS NOT NULL ORDER BY availableAt LIMIT ?2)
  UNION ALL
  SELECT * FROM (SELECT ID, head FROM sluice_Lanes WHERE subscription = ?1 AND blocked LIMIT ?2)`

const SELECT_RECEIVED = `SELECT event.receivedAt AS at
  FROM sluice_Dispatches one CROSS JOIN sluice_Events event ON event.event = one.event WHERE one.ID = ?`
