import { randomUUID } from 'node:crypto'
import { Refusal } from '../routes.ts'
import type { TopicRules } from './options.ts'
import type { SimTime } from './sim-time.ts'

export interface Message {
  readonly id: string
  /** `topic:<topic>`, or `queue:<queue>` where it was sent to the queue itself. */
  readonly address: string
  readonly contentType: string | undefined
  readonly body: Buffer
  readonly expiresAt: number
  redeliveries: number
}

/** As the management API has it; TTL in seconds. */
export interface QueueConfig {
  readonly accessType: 'EXCLUSIVE' | 'NON_EXCLUSIVE'
  /** 0: until the TTL. */
  readonly maxRedeliveryCount: number
  readonly maxTtl: number
  readonly deadMsgQueue: string
}

const maxTtlSeconds = 7 * 86_400
const standard: QueueConfig = {
  accessType: 'NON_EXCLUSIVE',
  maxRedeliveryCount: 0,
  maxTtl: maxTtlSeconds,
  deadMsgQueue: '',
}

export interface Queue {
  readonly name: string
  config: QueueConfig
  readonly topics: Set<string>
  ready: Message[]
  /** Delivered and not acknowledged, those that wait for their next try included. */
  readonly unacked: Map<string, Message>
  readonly counts: {
    enqueued: number
    acked: number
    nacked: number
    redelivered: number
    dead: number
    purged: number
  }
}

/** `+` is one segment, `*` at the end the rest. */
const topicMatches = (pattern: string, topic: string): boolean => {
  const segments = topic.split('/')
  const wanted = pattern.split('/')
  const rest = wanted.at(-1) === '*'
  if (rest ? segments.length < wanted.length : segments.length !== wanted.length) return false
  return wanted.every((part, n) => part === '+' || part === segments[n] || (rest && n === wanted.length - 1))
}

/** The queues of one message client. */
export class Queues {
  readonly #queues = new Map<string, Queue>()
  readonly #time: SimTime
  readonly #rules: TopicRules | undefined
  /** Published to topics that no queue has subscribed to: gone, as at Event Mesh. */
  unrouted = 0

  constructor(time: SimTime, rules: TopicRules | undefined) {
    this.#time = time
    this.#rules = rules
  }

  all(): readonly Queue[] {
    return [...this.#queues.values()]
  }

  /** @throws Refusal 404 */
  get(name: string): Queue {
    const queue = this.#queues.get(name)
    if (!queue) throw new Refusal(404, `Queue ${name} does not exist`)
    return queue
  }

  /** @returns whether it is new. */
  put(name: string, config: Partial<QueueConfig>): boolean {
    if (!/^[\w.-]{1,111}(?:\/[\w.-]{1,109}){0,19}$/.test(name)) throw new Refusal(400, `Invalid queue name ${name}`)
    this.#check('queues', name)
    if ((config.maxTtl ?? 0) > maxTtlSeconds) throw new Refusal(400, 'maxTtl is at most 7 days')
    if ((config.maxRedeliveryCount ?? 0) > 255) throw new Refusal(400, 'maxRedeliveryCount is at most 255')
    const known = this.#queues.get(name)
    if (known) known.config = { ...known.config, ...config }
    else this.#queues.set(name, newQueue(name, { ...standard, ...config }))
    return !known
  }

  delete(name: string): void {
    this.#queues.delete(this.get(name).name)
  }

  /** @returns whether it is new. */
  subscribe(name: string, topic: string): boolean {
    const { topics } = this.get(name)
    this.#check('subscribe', topic)
    const isNew = !topics.has(topic)
    topics.add(topic)
    return isNew
  }

  /** What the descriptor does not allow is answered 403, also to a publisher. */
  #check(rule: keyof TopicRules, name: string): void {
    const allowed = this.#rules?.[rule] ?? ['*']
    if (allowed.some((pattern) => topicMatches(pattern, name))) return
    throw new Refusal(403, `The rules of the message client do not allow ${name}`)
  }

  publish(topic: string, contentType: string | undefined, body: Buffer): readonly Queue[] {
    if (topic.length > 150 || topic.split('/').length > 20) throw new Refusal(400, 'Topic name is too long')
    this.#check('publish', topic)
    const matching = this.all().filter(({ topics }) => [...topics].some((pattern) => topicMatches(pattern, topic)))
    if (matching.length === 0) this.unrouted++
    for (const queue of matching) this.enqueue(queue, `topic:${topic}`, contentType, body)
    return matching
  }

  enqueue(queue: Queue, address: string, contentType: string | undefined, body: Buffer): void {
    if (body.length > 1_048_576) throw new Refusal(413, 'A message is at most 1 MB')
    const expiresAt = this.#time.now() + queue.config.maxTtl * 1000
    queue.ready.push({ id: randomUUID(), address, contentType, body, expiresAt, redeliveries: 0 })
    queue.counts.enqueued++
  }

  /** Removes what has outlived its time to live. */
  expire(queue: Queue): void {
    const now = this.#time.now()
    const expired = queue.ready.filter(({ expiresAt }) => expiresAt <= now)
    if (expired.length === 0) return
    queue.ready = queue.ready.filter(({ expiresAt }) => expiresAt > now)
    for (const message of expired) this.bury(queue, message)
  }

  /** To the dead message queue, where there is one. */
  bury(queue: Queue, message: Message): void {
    queue.unacked.delete(message.id)
    const grave = this.#queues.get(queue.config.deadMsgQueue)
    if (!grave) {
      queue.counts.purged++
      return
    }
    queue.counts.dead++
    this.enqueue(grave, message.address, message.contentType, message.body)
  }
}

const newQueue = (name: string, config: QueueConfig): Queue => ({
  name,
  config,
  topics: new Set(),
  ready: [],
  unacked: new Map(),
  counts: { enqueued: 0, acked: 0, nacked: 0, redelivered: 0, dead: 0, purged: 0 },
})
