import type { ObjectRef } from '#domain/event'
import { type Delivery, type Item, onlyHeader, type Source } from '#domain/source'
import { type Bad, bad, formField, isForm, readJson, readText } from './body.ts'
import { byId, laneOf, objectType, toItem } from './draft.ts'
import { canonicalType } from './fields.ts'
import { secretKeys, verifyBody } from './hmac-signature.ts'
import { type Json, parseJson, stringAt, textAt, valueAt } from './json.ts'
import { checkOptions } from './options.ts'
import { toRfc3339 } from './timestamp.ts'

/** Options of kind `github`. */
export interface GithubOptions {
  /** The webhook's "Secret". Several during a rotation: GitHub signs with one, so both are tried. */
  readonly secrets: readonly string[]
}

/** By event and action; everything else passes as `github.<event>.<action>`. */
const TYPES: Readonly<Record<string, string>> = {
  push: 'code.repository.pushed.v1',
  'pull_request.opened': 'code.changerequest.opened.v1',
  'pull_request.reopened': 'code.changerequest.reopened.v1',
  'pull_request.closed': 'code.changerequest.closed.v1',
  'release.published': 'code.release.published.v1',
  'issues.opened': 'work.ticket.created.v1',
  'issues.edited': 'work.ticket.updated.v1',
  'issues.closed': 'work.ticket.closed.v1',
  'issues.reopened': 'work.ticket.reopened.v1',
}
const MERGED = 'code.changerequest.merged.v1'

/** The member that holds an event's object, where it is not named as the event. */
const MEMBERS: Readonly<Record<string, string>> = {
  issues: 'issue',
  issue_comment: 'issue',
  pull_request_review: 'pull_request',
  pull_request_review_comment: 'pull_request',
  pull_request_review_thread: 'pull_request',
  discussion_comment: 'discussion',
  deployment_status: 'deployment',
  installation_repositories: 'installation',
}
const REF_EVENTS = new Set(['push', 'create', 'delete'])

/**
 * GitHub repository, organization and app webhooks, JSON or form.
 * https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
 * The signature covers the body; `X-GitHub-Delivery` and `X-GitHub-Event` stand outside it.
 */
export function github(options: GithubOptions): Source {
  checkOptions('github', options, ['secrets'])
  const keys = secretKeys('github', options.secrets)
  const scheme = { header: 'x-hub-signature-256', prefix: 'sha256=', encoding: 'hex' } as const
  return {
    kind: 'github',
    // Payloads are capped at 25 MB by GitHub itself.
    limits: { maxBytes: 25 * 1024 * 1024, methods: ['POST'], ackMs: 10_000 },
    verify: (delivery) => verifyBody(delivery, keys, scheme),
    normalize: (delivery) => [normalize(delivery)],
  }
}

function normalize(delivery: Delivery): Item {
  const event = onlyHeader(delivery.headers, 'x-github-event')
  if (!event) return bad('attribute-missing', 'x-github-event')
  if (event === 'ping') return { ignored: 'ping' }
  const read = readEventJson(delivery)
  if (!read.ok) return read
  const { json } = read
  const id = onlyHeader(delivery.headers, 'x-github-delivery')
  const action = stringAt(json, 'action')
  const providertype = action ? `${event}.${action}` : event
  const merged = providertype === 'pull_request.closed' && valueAt(json.value, ['pull_request', 'merged']) === true
  const object = objectOf(event, json)
  return toItem({
    identity: byId(id),
    attributes: {
      id: id ?? '',
      source: stringAt(json, 'repository', 'html_url') ?? stringAt(json, 'organization', 'url') ?? 'https://github.com',
      type: merged ? MERGED : canonicalType('github', TYPES, providertype),
      providertype,
      subject: subjectOf(event, json) ?? object?.key,
      time: timeOf(event, json),
      datacontenttype: 'application/json',
      partitionkey: object && laneOf(object),
    },
    nature: 'fact',
    object,
    data: json.text,
  })
}

function readEventJson(delivery: Delivery): { ok: true; json: Json } | Bad {
  if (!isForm(delivery)) return readJson(delivery)
  const form = readText(delivery)
  if (!form.ok) return form
  const payload = formField(form.text, 'payload')
  if (!payload.ok) return payload
  const json = parseJson(payload.value)
  return json ? { ok: true, json } : bad('not-json', 'payload')
}

/** A branch or tag, the issue, the pull request …, else the repository, else the organization. */
function objectOf(event: string, json: Json): ObjectRef | undefined {
  const ref = stringAt(json, 'ref')
  const repository = textAt(json, 'repository', 'id')
  if (REF_EVENTS.has(event) && ref && repository) return { type: 'Ref', key: `${repository}:${ref}` }
  for (const member of [memberName(event), 'repository', 'organization']) {
    const id = textAt(json, member, 'id')
    if (id) return { type: objectType(member), key: id }
  }
  return undefined
}

/** What a person calls it: the number of an issue or pull request, the ref of a push. */
const subjectOf = (event: string, json: Json): string | undefined =>
  textAt(json, memberName(event), 'number') ?? (REF_EVENTS.has(event) ? stringAt(json, 'ref') : undefined)

/** GitHub has no time of the event itself; the nearest is the change of what it speaks of. */
function timeOf(event: string, json: Json): string | undefined {
  for (const member of ['comment', 'review', memberName(event)]) {
    const at = toRfc3339(stringAt(json, member, 'updated_at') ?? stringAt(json, member, 'submitted_at'))
    if (at) return at
  }
  return toRfc3339(stringAt(json, 'head_commit', 'timestamp'))
}

const memberName = (event: string): string => (Object.hasOwn(MEMBERS, event) ? MEMBERS[event] : undefined) ?? event
