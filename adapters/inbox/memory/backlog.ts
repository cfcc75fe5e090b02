import type { Backlog, BacklogBounds } from '#domain/backlog'
import type { MemoryLane, MemoryState } from './state.ts'

export function memoryBacklog(state: MemoryState, subscription: string, { lanes, heads }: BacklogBounds): Backlog {
  const now = state.now().getTime()
  const ours = [...state.lanes.values()].filter((lane) => lane.subscription === subscription)
  const dueAt = (lane: MemoryLane) => lane.availableAt ?? 0
  const open = ours.filter((lane) => lane.availableAt !== undefined).sort((a, b) => dueAt(a) - dueAt(b))
  const blocked = ours.filter((lane) => lane.blocked)
  const counted = open.slice(0, lanes)
  const future = counted.filter((lane) => dueAt(lane) > now)
  const received = [...open.slice(0, heads), ...blocked.slice(0, heads)].flatMap((lane) => headReceivedAt(state, lane))
  return {
    subscription,
    due: counted.length - future.length,
    leased: future.filter((lane) => lane.owner !== undefined).length,
    resting: future.filter((lane) => lane.owner === undefined).length,
    blocked: Math.min(blocked.length, lanes),
    ...(received.length > 0 && { oldestReceivedAt: new Date(Math.min(...received)) }),
  }
}

function headReceivedAt({ events }: MemoryState, { waiting }: MemoryLane): number[] {
  const head = waiting.get(Math.min(...waiting.keys()))
  const event = head && events.get(head.event.key)
  return event ? [event.receivedAt.getTime()] : []
}
