import type { DesiredMesh, MeshSettings } from '#domain/plan-mesh'
import { type MeshClient, type MeshConnection, misconfigured } from './connection.ts'
import { createManager, type MeshManager } from './manager.ts'
import { createRest, type RestOptions } from './rest.ts'
import { checkWebhookAuth, publicParts, toSecuritySchema, type WebhookAuth } from './webhook-auth.ts'

/** What stands under `subscribe` of an event-mesh source. */
export interface SubscribeOptions {
  readonly topics: readonly string[]
  /** Removes topics from the queue that are not listed. */
  readonly exactTopics?: boolean
  readonly queue?: MeshSettings
  readonly webhook?: {
    /** The queue's if absent, as CAP names it. */
    readonly name?: string
    /** As the broker reaches it. */
    readonly url?: string
    readonly qos?: 0 | 1
    readonly exemptHandshake?: boolean
    readonly contentType?: string
    /** The broker's own client if absent, as CAP does it. */
    readonly auth?: WebhookAuth
  }
  /** Resumes what is paused; true. */
  readonly resume?: boolean
  /** Between two looks, in ms. */
  readonly watchMs?: number
}

/** A queue with its topic subscriptions and its webhook, as they should be. */
export interface ManagedMesh {
  readonly queue: string
  readonly connection: MeshConnection
  readonly subscribe: SubscribeOptions
  /** Where the webhook leads if `subscribe.webhook.url` does not say; undefined: the queue is pulled. */
  readonly webhookUrl?: string
}

const KNOWN = ['topics', 'exactTopics', 'queue', 'webhook', 'resume', 'watchMs']
const KNOWN_WEBHOOK = ['name', 'url', 'qos', 'exemptHandshake', 'contentType', 'auth']
const KNOWN_QUEUE = ['accessType', 'maxRedeliveryCount', 'maxTtl', 'deadMsgQueue']

/** Event Mesh names: help.sap.com/doc/75c9efd00fc14183abc4c613490c53f4. */
const QUEUE_NAME = /^[\w.-]{1,111}(?:\/[\w.-]{1,109}){0,19}$/
const MAX_TOPIC_LENGTH = 150
const MAX_SEGMENTS = 20

/**
 * Queue, topics and webhook as configuration wants them, ready to be compared and changed.
 * @throws SluiceError `configuration` with the setting and the remedy
 */
export function manageMesh(
  { queue, connection, subscribe, webhookUrl }: ManagedMesh,
  options?: RestOptions,
): MeshManager {
  checkNames('subscribe', subscribe, KNOWN)
  checkValues(subscribe)
  checkNames('subscribe.webhook', subscribe.webhook ?? {}, KNOWN_WEBHOOK)
  checkNames('subscribe.queue', subscribe.queue ?? {}, KNOWN_QUEUE)
  if (!QUEUE_NAME.test(queue)) throw misconfigured('queue is no queue name.', 'Use letters, digits, ". _ -" and "/".')
  for (const topic of subscribe.topics) checkTopic(topic)
  const { webhook = {}, topics, exactTopics = false, resume = true } = subscribe
  const url = webhook.url ?? webhookUrl
  const auth = checkWebhookAuth(webhook.auth ?? ownClient(connection.messaging.client))
  if (url !== undefined && !/^https?:\/\//.test(url)) {
    throw misconfigured('subscribe.webhook.url is no address.', 'Give it as the broker reaches it, with https.')
  }
  const desired: DesiredMesh = {
    queue,
    settings: subscribe.queue ?? {},
    topics,
    exactTopics,
    resume,
    ...(url
      ? {
          webhook: {
            name: webhook.name ?? queue,
            queue,
            url,
            qos: webhook.qos ?? 1,
            exemptHandshake: webhook.exemptHandshake ?? false,
            contentType: webhook.contentType ?? 'application/json',
            auth: publicParts(toSecuritySchema(auth)),
          },
        }
      : {}),
  }
  return createManager(createRest(connection, options), desired, auth)
}

/** As CAP does it: the scope `emcallback` is granted to the instance whose client this is. */
function ownClient({ tokenUrl, clientId, clientSecret, certificate, key }: MeshClient): WebhookAuth {
  if (certificate && key) return { kind: 'oauth2-x509', tokenUrl, clientId, certificate, key }
  return { kind: 'oauth2', tokenUrl, clientId, clientSecret: clientSecret ?? '' }
}

function checkNames(path: string, given: object, known: readonly string[]): void {
  const odd = Object.keys(given).find((name) => !known.includes(name))
  if (odd) throw misconfigured(`${path}.${odd} is not a setting.`, `Use one of ${known.join(', ')}.`)
}

/** Configuration is JSON, or text from the environment: "false" would remove topics, no time would ask without a rest. */
function checkValues({ topics, exactTopics, resume, watchMs, webhook = {} }: SubscribeOptions): void {
  const isBoolean = (value: unknown) => value === undefined || typeof value === 'boolean'
  const checks: readonly (readonly [setting: string, isRight: boolean, remedy: string])[] = [
    ['topics', Array.isArray(topics), 'Give a list, e.g. ["sap/S4HANAOD/hq01/ce/*"].'],
    ['exactTopics', isBoolean(exactTopics), 'Use true or false.'],
    ['resume', isBoolean(resume), 'Use true or false.'],
    ['watchMs', watchMs === undefined || (Number.isSafeInteger(watchMs) && watchMs > 0), 'Give whole milliseconds.'],
    ['webhook.qos', [undefined, 0, 1].includes(webhook.qos), 'Use 0 or 1.'],
    ['webhook.exemptHandshake', isBoolean(webhook.exemptHandshake), 'Use true or false.'],
  ]
  const wrong = checks.find(([, isRight]) => !isRight)
  if (wrong) throw misconfigured(`subscribe.${wrong[0]} has a value it cannot have.`, wrong[2])
}

/** `+` is one segment, `*` at the end the rest. */
function checkTopic(topic: string): void {
  const segments = topic.split('/')
  const isOdd = segments.some(
    (part, n) => part === '' || (part.includes('*') && !(part === '*' && n === segments.length - 1)),
  )
  if (topic.length <= MAX_TOPIC_LENGTH && segments.length <= MAX_SEGMENTS && !isOdd) return
  throw misconfigured(
    'subscribe.topics has one that is no topic.',
    'At most 150 characters and 20 segments; "+" is one segment, "*" stands at the end only.',
  )
}
