import { SluiceError } from '#domain/errors'
import type {
  DesiredMesh,
  FoundMesh,
  FoundWebhook,
  Handshake,
  MeshSettings,
  MeshStep,
  MeshWebhook,
} from '#domain/plan-mesh'
import { jsonOf } from './answers.ts'
import { misconfigured } from './connection.ts'
import { type MeshRest, segment } from './rest.ts'
import { publicParts, toSecuritySchema, type WebhookAuth } from './webhook-auth.ts'

/** Looks at one queue with its webhook, and changes them step by step. Every step may be repeated. */
export interface MeshManager {
  readonly desired: DesiredMesh
  look(signal?: AbortSignal): Promise<FoundMesh>
  carryOut(step: MeshStep, signal?: AbortSignal): Promise<void>
  close(): void
}

const json = { 'content-type': 'application/json' }

/** @throws SluiceError `configuration` where the binding does not allow management */
export function createManager(rest: MeshRest, desired: DesiredMesh, auth: WebhookAuth): MeshManager {
  const { management, messaging } = rest
  if (!management) throw misconfigured('the binding has no management.', 'Set "management": true in its descriptor.')
  const queuePath = (queue: string) => `/queues/${segment(queue)}`
  const topicPath = (queue: string, topic: string) => `${queuePath(queue)}/subscriptions/${segment(topic)}`
  const webhookPath = (name: string) => `/subscriptions/${segment(name)}`

  /** Integration Suite demands a body with every PUT and POST, be it empty; the classic service does not mind. */
  const put = (path: string, what: string, body: object, signal?: AbortSignal) =>
    management({ method: 'PUT', path, what, headers: json, body: JSON.stringify(body), ...withSignal(signal) })

  async function read(api: typeof messaging, path: string, what: string, signal?: AbortSignal): Promise<unknown> {
    const answer = await api({ method: 'GET', path, what, expect: [404], ...withSignal(signal) })
    return answer.status === 404 ? undefined : jsonOf(answer, what)
  }

  async function look(signal?: AbortSignal): Promise<FoundMesh> {
    const { queue, webhook } = desired
    const found = await read(management as typeof messaging, queuePath(queue), `queue ${queue}`, signal)
    const settings = found ? toSettings(found) : undefined
    const topics = settings
      ? await read(management as typeof messaging, `${queuePath(queue)}/subscriptions`, `topics of ${queue}`, signal)
      : []
    const all = list(await read(messaging, '/subscriptions', 'the webhooks', signal))
    const mine = webhook && all.find(({ name }) => name === webhook.name)
    return {
      ...(settings ? { settings } : {}),
      ...(settings?.deadMsgQueue ? await lookForDeadMsgQueue(settings.deadMsgQueue, signal) : {}),
      topics: list(topics).flatMap(({ topicPattern }) => (typeof topicPattern === 'string' ? [topicPattern] : [])),
      ...(mine ? { webhook: toWebhook(mine) } : {}),
      rivals: all.filter((one) => one !== mine && one.address === `queue:${queue}`).map(({ name }) => String(name)),
    }
  }

  /** It may be another client's, whose queues ours must not see: then nothing is known, and that is no fault. */
  async function lookForDeadMsgQueue(
    name: string,
    signal?: AbortSignal,
  ): Promise<Pick<FoundMesh, 'deadMsgQueueExists'>> {
    const [path, what] = [queuePath(name), `dead message queue ${name}`]
    const answer = await management?.({ method: 'GET', path, what, expect: [403, 404], ...withSignal(signal) })
    return answer?.status === 403 ? {} : { deadMsgQueueExists: answer?.status !== 404 }
  }

  async function createWebhook(webhook: MeshWebhook, signal?: AbortSignal): Promise<void> {
    await messaging({
      method: 'POST',
      path: '/subscriptions',
      what: `webhook ${webhook.name}`,
      headers: json,
      body: JSON.stringify(toBody(webhook, auth)),
      // Another instance was faster.
      expect: [409],
      ...withSignal(signal),
    })
  }

  async function deleteWebhook(name: string, signal?: AbortSignal): Promise<void> {
    const what = `webhook ${name}`
    await messaging({ method: 'DELETE', path: webhookPath(name), what, expect: [404], ...withSignal(signal) })
  }

  async function carryOut(step: MeshStep, signal?: AbortSignal): Promise<void> {
    refuseForeignNames(step, desired)
    switch (step.step) {
      case 'create-queue':
      case 'update-queue':
        await put(queuePath(step.queue), `queue ${step.queue}`, step.settings, signal)
        return
      case 'add-topic':
        await put(topicPath(step.queue, step.topic), `topic ${step.topic}`, {}, signal)
        return
      case 'remove-topic': {
        const [path, what] = [topicPath(step.queue, step.topic), `topic ${step.topic}`]
        await management?.({ method: 'DELETE', path, what, expect: [404], ...withSignal(signal) })
        return
      }
      case 'create-webhook':
        return createWebhook(step.webhook, signal)
      case 'replace-webhook':
        // There is no update. Messages wait in the queue meanwhile.
        await deleteWebhook(step.webhook.name, signal)
        return createWebhook(step.webhook, signal)
      case 'handshake': {
        const [path, what] = [`${webhookPath(step.webhook)}/handshake`, `handshake of ${step.webhook}`]
        await messaging({ method: 'POST', path, what, headers: json, body: '{}', ...withSignal(signal) })
        return
      }
      case 'resume': {
        const [path, what] = [`${webhookPath(step.webhook)}/state`, `state of ${step.webhook}`]
        await messaging({
          method: 'PUT',
          path,
          what,
          headers: json,
          body: '{"action":"resume"}',
          ...withSignal(signal),
        })
      }
    }
  }

  return { desired, look, carryOut, close: rest.close }
}

const withSignal = (signal: AbortSignal | undefined) => (signal ? { signal } : {})

/** The last line of defense: whatever planned a step, nothing outside the configured names is ever touched. */
function refuseForeignNames(step: MeshStep, { queue, webhook }: DesiredMesh): void {
  const names = 'queue' in step ? [step.queue, queue] : [nameOf(step.webhook), webhook?.name]
  if (names[0] === names[1]) return
  throw new SluiceError('mesh-foreign', 'A step names something that is not configured here.', { retry: 'never' })
}

const nameOf = (webhook: string | MeshWebhook): string => (typeof webhook === 'string' ? webhook : webhook.name)

const toBody = ({ name, queue, url, qos, exemptHandshake, contentType }: MeshWebhook, auth: WebhookAuth) => ({
  name,
  address: `queue:${queue}`,
  qos,
  pushConfig: {
    type: 'webhook',
    endpoint: url,
    exemptHandshake,
    defaultContentType: contentType,
    securitySchema: toSecuritySchema(auth),
  },
})

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

const list = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.filter(isObject) : [])

const SETTINGS = ['accessType', 'maxRedeliveryCount', 'maxTtl', 'deadMsgQueue'] as const

const toSettings = (found: unknown): MeshSettings =>
  isObject(found) ? Object.fromEntries(SETTINGS.flatMap((name) => (name in found ? [[name, found[name]]] : []))) : {}

function toWebhook(found: Json): FoundWebhook {
  const push = isObject(found.pushConfig) ? found.pushConfig : {}
  return {
    name: String(found.name),
    queue: String(found.address).replace(/^queue:/, ''),
    url: String(push.endpoint ?? ''),
    qos: Number(found.qos) === 0 ? 0 : 1,
    exemptHandshake: push.exemptHandshake === true,
    contentType: String(push.defaultContentType ?? 'application/json'),
    auth: publicParts(push.securitySchema),
    handshake: toHandshake(found.handshakeStatus),
    paused: word(found.subscriptionStatus) === 'paused',
  }
}

/** `NOT_INITIATED`, `Not Initiated`, `notInitiated`: SAP's documents spell states in several ways. */
const word = (value: unknown): string =>
  String(value ?? '')
    .toLowerCase()
    .replaceAll(/[^a-z]/g, '')

const HANDSHAKES: Readonly<Record<string, Handshake>> = {
  notinitiated: 'not-initiated',
  requested: 'requested',
  completed: 'completed',
  failed: 'failed',
  exempted: 'exempted',
}

const toHandshake = (status: unknown): Handshake => HANDSHAKES[word(status)] ?? 'unknown'
