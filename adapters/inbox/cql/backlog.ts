import type { Backlog, BacklogBounds } from '#domain/backlog'
import { SELECT } from './ql.ts'
import type { Tx } from './session.ts'

type Row = Readonly<Record<'ID' | 'head', string>> & {
  readonly availableAt: string | null
  readonly owner: string | null
}

export async function backlogOf(tx: Tx, subscription: string, { lanes, heads }: BacklogBounds): Promise<Backlog> {
  const select = (which: object) =>
    SELECT.from('sluice.Lanes')
      .columns('ID', 'head', 'availableAt', 'owner')
      .where({ subscription, ...which })
  const open = await tx.rows<Row>(
    select({ availableAt: { '!=': null } })
      .orderBy('availableAt')
      .limit(lanes),
  )
  const blocked = await tx.rows<Row>(select({ blocked: true }).limit(lanes))
  const future = open.filter(({ availableAt }) => !tx.isPast(availableAt))
  const received: number[] = []
  for (const lane of [...open.slice(0, heads), ...blocked.slice(0, heads)])
    received.push(...(await headReceived(tx, lane)))
  return {
    subscription,
    due: open.length - future.length,
    leased: future.filter(({ owner }) => owner !== null).length,
    resting: future.filter(({ owner }) => owner === null).length,
    blocked: blocked.length,
    ...(received.length > 0 && { oldestReceivedAt: new Date(Math.min(...received)) }),
  }
}

async function headReceived(tx: Tx, { ID, head }: Row): Promise<number[]> {
  const dispatch = await tx.row<{ event: string }>(
    SELECT.from('sluice.Dispatches')
      .columns('event')
      .where({ lane: ID, pos: { '>=': Number(head) }, status: 'waiting' })
      .orderBy('pos')
      .limit(1),
  )
  if (!dispatch) return []
  const event = await tx.row<{ receivedAt: string }>(
    SELECT.from('sluice.Events').columns('receivedAt').where({ event: dispatch.event }),
  )
  return event ? [Date.parse(event.receivedAt)] : []
}
