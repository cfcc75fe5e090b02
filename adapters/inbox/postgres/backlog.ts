import type { Backlog, BacklogBounds } from '#domain/backlog'
import type { Database } from './session.ts'
import { now, statement } from './sql.ts'

const OPEN = 'FROM sluice_lanes WHERE subscription = wanted.name AND availableat IS NOT NULL ORDER BY availableat'
const BLOCKED = 'FROM sluice_lanes WHERE subscription = wanted.name AND blocked'

/** Each part ends at its limit, and indexes lead to it: the cost does not grow with what waits. */
const BACKLOG = statement(
  'backlog',
  `SELECT wanted.name AS subscription, open.due, open.leased, open.resting, blocked.count AS blocked, oldest.at AS oldest
   FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, nth)
   CROSS JOIN LATERAL (
     SELECT count(*) FILTER (WHERE availableat <= ${now('$4')})::integer AS due,
       count(*) FILTER (WHERE availableat > ${now('$4')} AND owner IS NOT NULL)::integer AS leased,
       count(*) FILTER (WHERE availableat > ${now('$4')} AND owner IS NULL)::integer AS resting
     FROM (SELECT availableat, owner ${OPEN} LIMIT $2) lane) open
   CROSS JOIN LATERAL (SELECT count(*)::integer AS count FROM (SELECT 1 ${BLOCKED} LIMIT $2) lane) blocked
   CROSS JOIN LATERAL (
     SELECT min(head.receivedat) AS at
     FROM ((SELECT id, head ${OPEN} LIMIT $3) UNION ALL (SELECT id, head ${BLOCKED} LIMIT $3)) lane
     CROSS JOIN LATERAL (
       SELECT event.receivedat FROM sluice_dispatches one JOIN sluice_events event ON event.event = one.event
       WHERE one.lane = lane.id AND one.pos >= lane.head AND one.status = 'waiting' ORDER BY one.pos LIMIT 1) head) oldest
   ORDER BY wanted.nth`,
)

type BacklogRow = Omit<Backlog, 'oldestReceivedAt'> & { readonly oldest: Date | null }

export async function backlog(
  database: Database,
  subscriptions: readonly string[],
  { lanes, heads }: BacklogBounds,
  moment: string | null,
): Promise<readonly Backlog[]> {
  const found = await database.run<BacklogRow>(BACKLOG, [subscriptions, lanes, heads, moment])
  return found.map(({ oldest, ...row }) => ({ ...row, ...(oldest && { oldestReceivedAt: oldest }) }))
}
