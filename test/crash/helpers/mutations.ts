import type { RequestListener } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { PostgresConnection, PostgresTransaction } from '@cap-js/postgres'
import type { Gateway, Inbox, Item, Source, Target } from 'cap-sluice'
import type { CdsInbox } from '../../../adapters/inbox/index.ts'
import { reach } from './failpoints.ts'

/**
 * Sluice with one protection taken away, to see that a test notices. Each is a mistake somebody could make:
 * - `answer-before-commit`: the sender is answered while its events are still being written
 * - `answer-first`: the sender is answered before its delivery is verified
 * - `no-identity`: a delivery that comes again is a new event
 * - `no-lease-end`: a dead worker keeps its lanes
 * - `no-renewed-lease-end`: a dead worker keeps the lanes whose lease it had renewed
 * - `no-second-lease-end`: who has taken over a dead worker's lane keeps it, dead or alive
 * - `no-poll-lease-end`: a dead leader keeps its poll
 * - `no-transaction`: every statement commits alone
 * - `settle-at-the-end`: a lane's results are written when all of them are there, not one by one
 * - `late-writes`: a handler may write although its lease is lost
 * - `late-settles`: what a worker settles counts although its lane has another owner (Postgres)
 * - `no-look-up`: a create that may have been sent before is sent again without a look
 * - `no-settling`: a look-up may come before the lost create has committed
 * - `checkpoint-first`: a poll's checkpoint is committed before the events it stands for
 */
export type Mutation =
  | 'answer-before-commit'
  | 'answer-first'
  | 'no-identity'
  | 'no-lease-end'
  | 'no-renewed-lease-end'
  | 'no-second-lease-end'
  | 'no-poll-lease-end'
  | 'no-transaction'
  | 'settle-at-the-end'
  | 'late-writes'
  | 'late-settles'
  | 'no-look-up'
  | 'no-settling'
  | 'checkpoint-first'

const FOR_EVER_MS = 86_400_000

export function mutatedInbox(inbox: CdsInbox, mutation: Mutation | undefined): Inbox {
  const { intake, work, journal } = inbox
  if (mutation === 'answer-before-commit') {
    const store: Inbox['intake']['store'] = async (batch) => {
      void intake.store(batch)
      return batch.map(({ key }) => ({ delivery: key, outcome: 'accepted', items: [{ outcome: 'accepted' }] }))
    }
    return { ...inbox, intake: { store } }
  }
  const renew: Inbox['work']['renew'] = (lanes) => work.renew(lanes, FOR_EVER_MS)
  if (mutation === 'no-lease-end') {
    const claim: Inbox['work']['claim'] = (request) => work.claim({ ...request, leaseMs: FOR_EVER_MS })
    return { ...inbox, work: { ...work, claim, renew } }
  }
  if (mutation === 'no-renewed-lease-end') return { ...inbox, work: { ...work, renew } }
  if (mutation === 'no-second-lease-end') {
    const claim: Inbox['work']['claim'] = async (request) => {
      const lanes = await work.claim(request)
      await renew(
        lanes.filter(({ recovered }) => recovered),
        FOR_EVER_MS,
      )
      return lanes
    }
    return { ...inbox, work: { ...work, claim } }
  }
  if (mutation === 'no-poll-lease-end') {
    const lease: Inbox['journal']['lease'] = (name, owner) => journal.lease(name, owner, FOR_EVER_MS)
    return { ...inbox, journal: { ...journal, lease } }
  }
  if (mutation === 'settle-at-the-end') return { ...inbox, work: { ...work, settle: settleAtTheEnd(work) } }
  if (mutation === 'late-settles') {
    const settle: Inbox['work']['settle'] = async (lanes) => {
      for (const { lane, owner } of lanes) await takeOver(inbox, lane, owner)
      return work.settle(lanes)
    }
    return { ...inbox, work: { ...work, settle } }
  }
  if (mutation === 'checkpoint-first') {
    let last: string | null = null
    const advance: Inbox['journal']['advance'] = async (step) => {
      const { watermark } = step.state
      const moved = await journal.advance({ ...step, deliveries: [] })
      // A page without news, or with more to come, leaves the checkpoint where it was.
      if (watermark !== last) reach('advance-commit')
      last = watermark
      return moved && intake.store(step.deliveries)
    }
    return { ...inbox, journal: { ...journal, advance } }
  }
  return inbox
}

function settleAtTheEnd(work: Inbox['work']): Inbox['work']['settle'] {
  const kept = new Map<string, Parameters<typeof work.settle>[0][number]['settled'][number][]>()
  return async (lanes) => {
    const [one] = lanes
    if (!one) return []
    const settled = [...(kept.get(one.owner) ?? []), ...one.settled]
    kept.set(one.owner, settled)
    return one.release ? work.settle([{ ...one, settled }]) : [true]
  }
}

async function takeOver({ service }: CdsInbox, lane: string, owner: string): Promise<void> {
  const tx = (service as { tx(context: object): PostgresTransaction }).tx({})
  await tx.begin(true)
  const connection: PostgresConnection = tx.dbc
  await connection.query({ text: 'UPDATE sluice_lanes SET owner = $1 WHERE id = $2', values: [owner, lane] })
  await tx.release()
}

export function mutatedSource(source: Source, mutation: Mutation | undefined): Source {
  if (mutation !== 'no-identity') return source
  const renamed = (item: Item): Item =>
    'draft' in item ? { ...item, draft: { ...item.draft, identity: { none: true } } } : item
  return {
    ...source,
    normalize: async (delivery, verified) => (await source.normalize(delivery, verified)).map(renamed),
  }
}

/** The door that answers while it still has to look. */
export function answerFirst(gateway: Gateway): RequestListener {
  return async (request, response) => {
    const body = await buffer(request)
    const { method = '', url = '', headers } = request
    response.once('finish', () => void gateway.receive({ method, url, headers, body }))
    response.end('{}')
  }
}

export function mutatedTarget(target: Target, mutation: Mutation | undefined): Target {
  if (mutation === 'no-look-up') {
    return {
      ...target,
      session: ({ lastSentAt: _forgotten, ...scope }) => target.session({ ...scope, firstTry: true }),
    }
  }
  if (mutation === 'no-settling') {
    const longAgo = new Date(0)
    return {
      ...target,
      session: (scope) => target.session({ ...scope, ...(scope.lastSentAt && { lastSentAt: longAgo }) }),
    }
  }
  if (mutation === 'late-writes') {
    const { signal } = new AbortController()
    return { ...target, session: (scope) => target.session({ ...scope, signal, guard: () => undefined }) }
  }
  return target
}
