import type { PollPolicy } from '../../srv/runtime/poll-policy.ts'

/** A poll that is never due by itself. */
export const pollPolicy = (more: Partial<PollPolicy> = {}): PollPolicy => ({
  name: 'orders',
  target: 'erp',
  entity: 'Orders',
  type: 'order.changed',
  object: 'Order',
  schedule: { slotsBetween: () => [], start: () => ({ stop() {} }) },
  overlapMs: 1,
  pageSize: 1,
  when: 'always',
  staleAfterMs: 1,
  startFrom: 'now',
  ...more,
})
