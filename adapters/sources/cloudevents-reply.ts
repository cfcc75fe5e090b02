import type { Delivery, DispatchEnd, Outcome, Reply } from '#domain/source'
import { type OutgoingEvent, toBatched, toBinary, toStructured } from './cloudevents-encode.ts'

/** Where a sender reads answers as events without asking for it: in binary mode. */
export type ReplyAs = 'status' | 'event'

/**
 * The answer to a stored delivery (webhook spec §2.2): 202, because nobody has processed it yet, and 200 where the answer
 * waited for the handlers. Who accepts a CloudEvents media type gets the same as an event; that is the gesture that
 * solicits it, and a batch with one event for each item.
 */
export function replyTo(
  outcome: Outcome,
  delivery: Delivery,
  ends: readonly DispatchEnd[] | undefined,
  replyAs: ReplyAs,
): Reply {
  const isProcessed = ends?.every(({ status }) => status === 'done' || status === 'skipped')
  const { headers, body } = encode(outcome, delivery, replyAs)
  return privately({ status: isProcessed ? 200 : 202, headers, body }, delivery)
}

/** Who sends its token in the URL shall not find the answer in a shared cache (§3.2). */
export const privately = (reply: Reply, { query }: Delivery): Reply =>
  query.has('access_token') ? { ...reply, headers: { ...reply.headers, 'cache-control': 'private' } } : reply

function encode(outcome: Outcome, delivery: Delivery, replyAs: ReplyAs) {
  const accepted = (delivery.headers.accept ?? []).join(',').toLowerCase()
  if (accepted.includes('application/cloudevents-batch+json')) {
    return toBatched(outcome.items.map((item, index) => toEvent(outcome.delivery, index, item.outcome, delivery)))
  }
  const whole = toEvent(outcome.delivery, undefined, outcome.outcome, delivery)
  if (accepted.includes('application/cloudevents+json')) return toStructured(whole)
  if (replyAs === 'event') return toBinary(whole)
  return { headers: { 'content-type': 'application/json' }, body: whole.data }
}

function toEvent(
  id: string,
  index: number | undefined,
  status: string,
  { path, receivedAt }: Delivery,
): OutgoingEvent & { readonly data: string } {
  return {
    attributes: {
      specversion: '1.0',
      id: index === undefined ? id : `${id}:${index}`,
      source: path,
      type: `sluice.delivery.${status}.v1`,
      time: receivedAt.toISOString(),
      datacontenttype: 'application/json',
    },
    data: JSON.stringify({ status, delivery: id }),
  }
}
