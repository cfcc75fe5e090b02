import type { Fault } from './errors.ts'

/** What may be set of a queue, as the management API spells it. Times in seconds, as there. */
export interface MeshSettings {
  readonly accessType?: 'EXCLUSIVE' | 'NON_EXCLUSIVE'
  /** 0: until the time to live is over. */
  readonly maxRedeliveryCount?: number
  readonly maxTtl?: number
  readonly deadMsgQueue?: string
}

/** A webhook subscription without its secrets, which no broker tells: a changed secret is no difference to be seen. */
export interface MeshWebhook {
  readonly name: string
  readonly queue: string
  readonly url: string
  readonly qos: 0 | 1
  readonly exemptHandshake: boolean
  readonly contentType: string
  /** Kind and public parts of how the broker proves who it is, e.g. `oauth2`, the client and the token's address. */
  readonly auth: Readonly<Record<string, string>>
}

export type Handshake = 'not-initiated' | 'requested' | 'completed' | 'failed' | 'exempted' | 'unknown'

export interface FoundWebhook extends MeshWebhook {
  readonly handshake: Handshake
  readonly paused: boolean
}

/** What the configuration wants of one queue. */
export interface DesiredMesh {
  readonly queue: string
  /** Only what is named is compared and changed. */
  readonly settings: MeshSettings
  readonly topics: readonly string[]
  /** Whether topics that nobody configured are removed from the queue; otherwise they are only shown. */
  readonly exactTopics: boolean
  /** Absent: the queue is pulled. */
  readonly webhook?: MeshWebhook
  /** Whether a paused subscription is resumed, or left to whoever paused it. */
  readonly resume: boolean
}

/** What the broker has under the configured names, and the names of other webhooks on the same queue. */
export interface FoundMesh {
  readonly settings?: MeshSettings
  /** Whether the dead message queue of the settings exists; absent where they name none, or one that is not ours to see. */
  readonly deadMsgQueueExists?: boolean
  readonly topics: readonly string[]
  readonly webhook?: FoundWebhook
  readonly rivals: readonly string[]
}

export type MeshStep =
  | { readonly step: 'create-queue' | 'update-queue'; readonly queue: string; readonly settings: MeshSettings }
  | { readonly step: 'add-topic' | 'remove-topic'; readonly queue: string; readonly topic: string }
  | { readonly step: 'create-webhook'; readonly webhook: MeshWebhook }
  | { readonly step: 'replace-webhook'; readonly webhook: MeshWebhook; readonly differences: readonly string[] }
  | { readonly step: 'handshake' | 'resume'; readonly webhook: string }

type MeshRiskCode =
  | 'queue-missing'
  | 'topic-missing'
  | 'topic-foreign'
  | 'webhook-missing'
  | 'webhook-foreign'
  | 'webhook-rival'
  | 'webhook-differs'
  | 'handshake-failed'
  | 'handshake-pending'
  | 'handshake-exempted'
  | 'paused'
  | 'qos-0'
  | 'ttl-short'
  | 'redeliveries-few'
  | 'no-dead-message-queue'
  | 'dead-message-queue-missing'
  | 'unreachable'
  | 'refused'

/** `alarm`: events do not arrive now. `risk`: some may get lost one day. */
export interface MeshRisk {
  readonly code: MeshRiskCode
  readonly severity: 'alarm' | 'risk'
  readonly text: string
}

/** A risk, and the configured source whose broker it is found at. */
export interface SourceRisk extends MeshRisk {
  readonly source: string
}

export interface MeshPlan {
  readonly steps: readonly MeshStep[]
  /** Of what was found, as if no step were carried out. */
  readonly risks: readonly MeshRisk[]
}

/** Event Mesh repeats a refused delivery after 15 minutes: a message that dies sooner is tried once. */
const FIRST_RETRY_S = 15 * 60
/** Tries 15, 30, 60, … minutes apart: with fewer than this a night's outage outlasts them. */
const MIN_REDELIVERIES = 6

/**
 * What is to be changed at the broker, and what is dangerous there. Knows nothing but the configured names: nothing of
 * another owner can be touched, because no step names it. A webhook of our name on another queue is another owner's.
 * @param renew replaces the webhook although no difference shows, e.g. for a new secret
 */
export function planMesh(desired: DesiredMesh, found: FoundMesh, { renew = false } = {}): MeshPlan {
  return {
    steps: [...queueSteps(desired, found), ...topicSteps(desired, found), ...webhookSteps(desired, found, renew)],
    risks: [...queueRisks(desired, found), ...webhookRisks(desired, found)],
  }
}

function queueSteps({ queue, settings }: DesiredMesh, found: FoundMesh): MeshStep[] {
  if (!found.settings) return [{ step: 'create-queue', queue, settings }]
  const different = differing(settings, found.settings)
  return Object.keys(different).length > 0 ? [{ step: 'update-queue', queue, settings: different }] : []
}

function differing(wanted: MeshSettings, found: MeshSettings): MeshSettings {
  const current = found as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    Object.entries(wanted).filter(([name, value]) => String(current[name] ?? '') !== String(value)),
  )
}

const missing = (wanted: readonly string[], found: readonly string[]): readonly string[] =>
  [...new Set(wanted)].filter((each) => !found.includes(each))

function topicSteps({ queue, topics, exactTopics }: DesiredMesh, found: FoundMesh): MeshStep[] {
  const foreign = exactTopics ? missing(found.topics, topics) : []
  return [
    ...missing(topics, found.topics).map((topic) => ({ step: 'add-topic', queue, topic }) as const),
    ...foreign.map((topic) => ({ step: 'remove-topic', queue, topic }) as const),
  ]
}

function webhookSteps({ webhook, resume }: DesiredMesh, { webhook: found }: FoundMesh, renew: boolean): MeshStep[] {
  if (!webhook) return []
  if (!found) return [{ step: 'create-webhook', webhook }]
  if (found.queue !== webhook.queue) return []
  const differences = webhookDifferences(webhook, found)
  if (differences.length > 0 || renew) return [{ step: 'replace-webhook', webhook, differences }]
  const { name, handshake, paused } = found
  // A handshake under way is looked at again later; to start another one would only make it start over.
  if (handshake === 'failed' || handshake === 'not-initiated') return [{ step: 'handshake', webhook: name }]
  return paused && resume && handshake !== 'requested' ? [{ step: 'resume', webhook: name }] : []
}

const COMPARED = ['url', 'qos', 'exemptHandshake', 'contentType'] as const

/** Names of the settings that differ. Of the authentication, only what the broker tells is compared. */
function webhookDifferences(wanted: MeshWebhook, found: MeshWebhook): readonly string[] {
  const plain = COMPARED.filter((name) => wanted[name] !== found[name])
  const auth = Object.entries(wanted.auth)
    .filter(([name, value]) => found.auth[name] !== undefined && found.auth[name] !== value)
    .map(([name]) => `auth.${name}`)
  return [...plain, ...auth]
}

const risk = (code: MeshRiskCode, text: string): MeshRisk => ({ code, severity: 'risk', text })
const alarm = (code: MeshRiskCode, text: string): MeshRisk => ({ code, severity: 'alarm', text })

/** What an error of the broker means for the source. A refusal is for whoever has the rules and credentials there. */
export function riskOf({ code, message, httpStatus = 0 }: Fault): MeshRisk {
  const refused = httpStatus >= 400 && httpStatus < 500 && httpStatus !== 408 && httpStatus !== 429
  return alarm(refused ? 'refused' : 'unreachable', `${message} (${code})`)
}

function queueRisks({ queue, topics, exactTopics }: DesiredMesh, found: FoundMesh): MeshRisk[] {
  const { settings } = found
  if (!settings) return [alarm('queue-missing', `Queue ${queue} does not exist: events for it are gone.`)]
  const { maxTtl, maxRedeliveryCount = 0, deadMsgQueue } = settings
  const risks = missing(topics, found.topics).map((topic) =>
    alarm('topic-missing', `Queue ${queue} has not subscribed to ${topic}: its events are gone.`),
  )
  if (!exactTopics) {
    for (const topic of missing(found.topics, topics)) {
      risks.push(risk('topic-foreign', `Queue ${queue} has also subscribed to ${topic}, which is not configured.`))
    }
  }
  if (maxTtl !== undefined && maxTtl > 0 && maxTtl <= FIRST_RETRY_S) {
    risks.push(
      risk('ttl-short', `Messages in ${queue} live ${maxTtl} s, the first retry comes after ${FIRST_RETRY_S} s.`),
    )
  }
  if (maxRedeliveryCount > 0 && maxRedeliveryCount < MIN_REDELIVERIES) {
    risks.push(
      risk('redeliveries-few', `${queue} gives a message up after ${maxRedeliveryCount} retries: an outage loses it.`),
    )
  }
  if (!deadMsgQueue) {
    risks.push(risk('no-dead-message-queue', `${queue} has no dead message queue: what it gives up is gone.`))
  } else if (found.deadMsgQueueExists === false) {
    const text = `${queue} gives up to ${deadMsgQueue}, which does not exist: what it gives up is gone.`
    risks.push(risk('dead-message-queue-missing', text))
  }
  return risks
}

function webhookRisks({ webhook: wanted }: DesiredMesh, { webhook: found, rivals }: FoundMesh): MeshRisk[] {
  const others = rivals.map((name) =>
    risk('webhook-rival', `Webhook ${name} takes messages from the same queue: they do not come here.`),
  )
  if (!wanted) return others
  if (!found) return [alarm('webhook-missing', `Webhook ${wanted.name} does not exist.`), ...others]
  if (found.queue !== wanted.queue) {
    const text = `Webhook ${found.name} belongs to ${found.queue}. It is left alone: configure another name.`
    return [alarm('webhook-foreign', text), ...others]
  }
  const differences = webhookDifferences(wanted, found)
  return [
    ...(differences.length > 0
      ? [risk('webhook-differs', `Webhook ${found.name} differs in ${differences.join(', ')}.`)]
      : []),
    ...stateRisks(found),
    ...others,
  ]
}

function stateRisks({ name, handshake, paused, qos }: FoundWebhook): MeshRisk[] {
  const risks: MeshRisk[] = []
  if (handshake === 'failed') {
    risks.push(alarm('handshake-failed', `The handshake of ${name} failed: is this address reachable from the broker?`))
  }
  if (handshake === 'not-initiated' || handshake === 'requested') {
    risks.push(alarm('handshake-pending', `The handshake of ${name} is not completed: nothing is delivered yet.`))
  }
  if (handshake === 'exempted') {
    risks.push(
      risk('handshake-exempted', `${name} is exempted from the handshake: a wrong address would not be noticed.`),
    )
  }
  if (paused) risks.push(alarm('paused', `${name} is paused: messages wait in the queue and grow old.`))
  if (qos === 0) risks.push(risk('qos-0', `${name} delivers with QoS 0: what is not taken at once is gone.`))
  return risks
}

/** One line per step, for a dry run and for the log. */
export function describeStep(step: MeshStep): string {
  switch (step.step) {
    case 'create-queue':
    case 'update-queue':
      return `${step.step} ${step.queue} ${JSON.stringify(step.settings)}`
    case 'add-topic':
    case 'remove-topic':
      return `${step.step} ${step.queue} ${step.topic}`
    case 'create-webhook':
      return `${step.step} ${step.webhook.name} ${step.webhook.url}`
    case 'replace-webhook':
      return `${step.step} ${step.webhook.name} (${step.differences.join(', ') || 'renewed'})`
    default:
      return `${step.step} ${step.webhook}`
  }
}
