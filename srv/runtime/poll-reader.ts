import { SluiceError } from '#domain/errors'
import { type CheckpointState, nextWatermark, windowStart } from '#domain/plan-poll'
import type { Lease } from '#domain/ports'
import type { ChangesPage } from '#domain/target'
import type { Trace } from '#domain/telemetry'
import { toDeliveries } from './poll-delivery.ts'
import type { PollerParts, PollPolicy, PollRun } from './poll-policy.ts'
import { orTimeout } from './within-time.ts'

/** Longest a system may take for one page. */
const PAGE_WITHIN_MS = 120_000

export interface PollStep {
  readonly poll: PollPolicy
  readonly lease: Lease
  readonly from: CheckpointState
  readonly revision: number
  readonly slotAt: string
  readonly missed: number
  readonly trace?: Trace | undefined
}

/** Reads the window page by page and commits each with its checkpoint, as long as the lead is ours. */
export async function readChanges(parts: PollerParts, step: PollStep, stopped: AbortSignal): Promise<PollRun> {
  const { journal, clock } = parts
  const { poll, lease, from, slotAt, missed } = step
  const since = windowStart(from.watermark, poll.overlapMs)
  let { watermark } = from
  let [rows, events] = [0, 0]
  let after: string | undefined
  let expectedRevision = step.revision
  for (;;) {
    const page = await readPage(parts, poll, since, after, stopped)
    const now = clock.now()
    watermark = nextWatermark(
      watermark,
      page.rows.map((row) => row.version),
      now,
    )
    const done = page.next === undefined
    // Until the last page the watermark stays: a crash in between reads the window again, and identities absorb it.
    const state = done ? { watermark, slotAt, completedAt: now.toISOString() } : from
    const deliveries = toDeliveries(poll, page, now, step.trace)
    const outcomes = await journal.advance({ poll: poll.name, lease, expectedRevision, state, deliveries })
    if (!outcomes) return { ran: true, reason: 'lost-lead', rows, events, missed }
    expectedRevision += 1
    rows += page.rows.length
    const accepted = outcomes.flatMap((outcome) => outcome.items).filter((item) => item.outcome === 'accepted').length
    events += accepted
    if (accepted > 0) parts.stored()
    if (done) return { ran: true, rows, events, missed }
    after = page.next
  }
}

/** A target that never answers must not end the poll. */
async function readPage(
  { targets, clock }: PollerParts,
  poll: PollPolicy,
  since: string | undefined,
  after: string | undefined,
  stopped: AbortSignal,
): Promise<ChangesPage> {
  const over = new AbortController()
  const page = targets[poll.target]?.changes?.({
    entity: poll.entity,
    pageSize: poll.pageSize,
    signal: AbortSignal.any([stopped, over.signal]),
    ...(since === undefined ? {} : { since }),
    ...(after === undefined ? {} : { after }),
  })
  if (!page) throw new SluiceError('configuration', `Target ${poll.target} cannot be polled.`, { retry: 'never' })
  try {
    return await orTimeout(clock, PAGE_WITHIN_MS, `A page of poll ${poll.name}`, page)
  } finally {
    over.abort()
  }
}
