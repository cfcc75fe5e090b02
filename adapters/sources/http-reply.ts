import type { DispatchEnd, Outcome, Reply } from '#domain/source'

export interface ReplyOptions {
  /** Status of what is stored and will be handled: 200, as most flows answer, or 202. */
  readonly accepted?: 200 | 202
  /** Content type of a text that a handler returns; other results are JSON. */
  readonly replyType?: string
}

/** What a caller is told whose delivery is stored, and whose handlers may have ended. */
export function answerCaller(outcome: Outcome, ends: readonly DispatchEnd[] | undefined, options: ReplyOptions): Reply {
  const { accepted = 200, replyType = 'text/plain; charset=utf-8' } = options
  if (!ends || ends.length === 0) return stored(outcome, accepted)
  const failed = ends.find(({ status }) => status === 'dead' || status === 'unsure')
  if (failed) return failure(failed)
  const said = ends.find(({ result }) => result !== undefined)
  return said?.result === undefined ? { status: 204 } : spoken(said.result, replyType)
}

/** For callers that wait: nobody will handle what is in quarantine, or what contradicts a delivery of the same id. */
export function answerUnhandled({ items }: Outcome): Reply | undefined {
  const [item] = items
  if (item?.outcome === 'quarantined') return failure({ status: 'dead', reason: item.reason ?? 'quarantined' })
  if (item?.outcome !== 'conflict') return undefined
  return problem(409, 'conflict', 'Another delivery had this id and other content.')
}

const stored = ({ outcome, delivery }: Outcome, accepted: 200 | 202): Reply => ({
  status: accepted,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ status: outcome, delivery }),
})

function spoken(result: string, type: string): Reply {
  const value = JSON.parse(result) as unknown
  if (typeof value === 'string') return { status: 200, headers: { 'content-type': type }, body: value }
  return { status: 200, headers: { 'content-type': 'application/json' }, body: result }
}

/** The code says what to look for; messages may quote payloads and stay with the operator. */
const failure = ({ status, reason = 'failed' }: Pick<DispatchEnd, 'status' | 'reason'>): Reply =>
  status === 'unsure'
    ? problem(500, 'unsure', 'It is not known whether the target took it. An operator decides.', reason)
    : problem(500, 'failed', 'It could not be handled. An operator can try it again.', reason)

const problem = (status: number, name: string, title: string, code?: string): Reply => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  body: JSON.stringify({ type: `urn:sluice:problem:${name}`, title, status, code }),
})

/** The header every answer of a Cloud Integration flow carries; here it names the delivery. */
const ID_HEADER = 'SAP_MessageProcessingLogID'

/** Puts the id on an answer, and where wanted gives a failure the text form that flows answer with. */
export function finishAnswer(reply: Reply, key: string, errors: 'problem' | 'text'): Reply {
  const headers = { ...reply.headers, [ID_HEADER]: key }
  if (errors === 'problem' || reply.status !== 500) return { ...reply, headers }
  return { status: 500, headers: { ...headers, 'content-type': 'text/plain; charset=utf-8' }, body: asText(reply, key) }
}

/** Spelled as Cloud Integration spells it: senders match on it. */
const asText = ({ body = '{}' }: Reply, key: string): string => {
  const { title, code } = JSON.parse(body) as { title?: string; code?: string }
  const message = [title, code && `(${code})`].filter(Boolean).join(' ')
  return `An internal server error occured: ${message}\nThe MPL ID for the failed message is : ${key}\nFor more details please check tail log.\n`
}
