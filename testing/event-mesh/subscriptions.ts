import { Refusal } from '../routes.ts'
import { type DeliveryStyle, styleOf } from './delivery-style.ts'
import type { Message, Queue, Queues } from './queues.ts'
import { checkSchema, withoutSecrets } from './security-schema.ts'
import type { SimTime } from './sim-time.ts'
import { type SubscriptionRequest, type Webhook, type WebhookOptions, webhook } from './webhook.ts'

/** Messages under way to one webhook at a time: one that fails keeps its place until it is acknowledged or dead. */
const slots = 18

type HandshakeStatus = 'NOT_INITIATED' | 'REQUESTED' | 'COMPLETED' | 'FAILED' | 'EXEMPTED'

interface Subscription {
  readonly request: SubscriptionRequest
  readonly queue: Queue
  readonly webhook: Webhook
  readonly style: DeliveryStyle
  readonly underway: Set<Message>
  handshake: HandshakeStatus
  paused: boolean
}

export interface DeliveryOptions extends WebhookOptions {
  readonly duplicateEvery: number
  /** 0 ≤ n < 1; picks the next message of a queue. */
  readonly pick: () => number
}

/** Webhook subscriptions: handshakes, deliveries, redeliveries. SAP: Event Mesh, "Create a Webhook Subscription". */
export class Subscriptions {
  readonly #all = new Map<string, Subscription>()
  readonly #queues: Queues
  readonly #time: SimTime
  readonly #options: DeliveryOptions
  #delivered = 0
  handshakes = 0

  constructor(queues: Queues, time: SimTime, options: DeliveryOptions) {
    this.#queues = queues
    this.#time = time
    this.#options = options
  }

  /** Paused until the handshake it starts with has succeeded. */
  create(request: SubscriptionRequest): void {
    const { name, pushConfig } = request
    if (!name || pushConfig?.type !== 'webhook' || !pushConfig.endpoint) throw new Refusal(400, 'Not a subscription')
    if (this.#all.has(name)) throw new Refusal(409, `Subscription ${name} exists already`, 'CONFLICT')
    if (pushConfig.securitySchema) checkSchema(pushConfig.securitySchema)
    const style = styleOf(request.style ?? 'event-mesh')
    const exempt = pushConfig.exemptHandshake === true || !style.shakesHands
    const subscription: Subscription = {
      request,
      queue: this.#queues.get(request.address.replace(/^queue:/, '')),
      style,
      webhook: webhook(request, style, this.#options),
      underway: new Set(),
      handshake: exempt ? 'EXEMPTED' : 'NOT_INITIATED',
      paused: !exempt,
    }
    this.#all.set(name, subscription)
    if (exempt) this.#pump(subscription)
    else void this.#shake(subscription).then((allowed) => allowed && this.#setPaused(subscription, false))
  }

  /** A handshake asked for later; the subscription stays paused until it is resumed. */
  async handshake(name: string): Promise<void> {
    await this.#shake(this.#get(name))
  }

  setState(name: string, action: string): void {
    const subscription = this.#get(name)
    if (action !== 'pause' && action !== 'resume') throw new Refusal(400, `Unknown action ${action}`)
    const isShaken = subscription.handshake === 'COMPLETED' || subscription.handshake === 'EXEMPTED'
    if (action === 'resume' && !isShaken) throw new Refusal(400, 'The handshake has not been completed')
    this.#setPaused(subscription, action === 'pause')
  }

  delete(name: string): void {
    const subscription = this.#get(name)
    subscription.paused = true
    this.#all.delete(name)
  }

  list() {
    return [...this.#all.keys()].map((name) => this.describe(name))
  }

  describe(name: string) {
    const { request, handshake, paused, underway } = this.#get(name)
    const subscriptionStatus = paused ? 'PAUSED' : 'ACTIVE'
    const securitySchema = withoutSecrets(request.pushConfig.securitySchema)
    return {
      ...request,
      pushConfig: { ...request.pushConfig, securitySchema },
      subscriptionStatus,
      handshakeStatus: handshake,
      slotsUsed: underway.size,
    }
  }

  /** Something arrived, or the time moved. */
  pump(): void {
    for (const queue of this.#queues.all()) this.#queues.expire(queue)
    for (const subscription of this.#all.values()) this.#pump(subscription)
  }

  async #shake(subscription: Subscription): Promise<boolean> {
    subscription.handshake = 'REQUESTED'
    this.handshakes++
    const allowed = await subscription.webhook.handshake()
    subscription.handshake = allowed ? 'COMPLETED' : 'FAILED'
    return allowed
  }

  #setPaused(subscription: Subscription, paused: boolean): void {
    subscription.paused = paused
    this.#pump(subscription)
  }

  #pump(subscription: Subscription): void {
    const { queue, underway } = subscription
    while (!subscription.paused && underway.size < slots && queue.ready.length > 0) {
      const [message] = queue.ready.splice(Math.floor(this.#options.pick() * queue.ready.length), 1)
      if (!message) return
      queue.unacked.set(message.id, message)
      underway.add(message)
      void this.#deliver(subscription, message)
    }
  }

  async #deliver(subscription: Subscription, message: Message): Promise<void> {
    const { queue, underway, request, webhook, style } = subscription
    const twice = this.#options.duplicateEvery > 0 && ++this.#delivered % this.#options.duplicateEvery === 0
    const answers = await Promise.all([webhook.deliver(message), ...(twice ? [webhook.deliver(message)] : [])])
    if (answers.every(Boolean) || request.qos === 0) {
      queue.counts.acked++
      queue.unacked.delete(message.id)
      underway.delete(message)
      this.#pump(subscription)
      return
    }
    queue.counts.nacked++
    const retryAt = this.#time.now() + style.retryMs(message.redeliveries)
    const { maxRedeliveryCount } = queue.config
    const isSpent = maxRedeliveryCount > 0 && message.redeliveries >= maxRedeliveryCount
    const at = isSpent ? this.#time.now() : Math.min(retryAt, message.expiresAt)
    this.#time.at(at, () => this.#again(subscription, message, isSpent || retryAt >= message.expiresAt))
  }

  #again(subscription: Subscription, message: Message, isDead: boolean): void {
    const { queue, underway } = subscription
    if (isDead || subscription.paused) {
      underway.delete(message)
      queue.unacked.delete(message.id)
      if (isDead) this.#queues.bury(queue, message)
      else queue.ready.unshift(message)
      this.pump()
      return
    }
    message.redeliveries++
    queue.counts.redelivered++
    void this.#deliver(subscription, message)
  }

  #get(name: string): Subscription {
    const subscription = this.#all.get(name)
    if (!subscription) throw new Refusal(404, `Subscription ${name} does not exist`)
    return subscription
  }
}
