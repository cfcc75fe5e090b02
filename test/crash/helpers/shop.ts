import { createHmac } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { ShopMessage } from './business.ts'

/** What the shop remembers of a message: its own log, made from nothing but what it sent and what came back. */
export interface SentMessage extends ShopMessage {
  readonly source: 'orders' | 'stock'
  readonly id: string
  acknowledged: boolean
}

/** Providers take minutes where this shop takes milliseconds; like them it goes on for much longer than any outage. */
const RETRY_MS = 20
const ANSWER_WITHIN_MS = 1_000
const GIVE_UP_MS = 300_000

/**
 * A sender that knows nothing of Sluice: signs its messages, tries until it gets a 2xx, sends the messages about one key
 * in their order, and now and then sends one twice at once or an old one again.
 */
export class Shop {
  readonly name: string
  readonly log: SentMessage[] = []
  /** Every status it was ever answered with; 0 for none. */
  readonly statuses = new Set<number>()
  readonly #secret: string
  readonly #url: () => string | undefined
  readonly #byKey: ReadonlyMap<string, SentMessage[]>

  /**
   * @param name tells this shop's keys and ids from others' in the same ERP
   * @param keys of facts and of states
   */
  constructor(
    secret: string,
    name: string,
    url: () => string | undefined,
    { orders, stock } = { orders: 2, stock: 2 },
  ) {
    this.name = name
    this.#secret = secret
    this.#url = url
    const keys = [...Array(orders).keys()].map((n) => `${name}:o${n}`)
    keys.push(...[...Array(stock).keys()].map((n) => `${name}:s${n}`))
    this.#byKey = new Map(keys.map((key) => [key, []]))
  }

  get keys(): readonly string[] {
    return [...this.#byKey.keys()]
  }

  /** One more message about each key; resolves when all are acknowledged. */
  async round(): Promise<void> {
    await Promise.all(this.keys.map((key) => this.next(key)))
  }

  /** The next message about a key. Every third goes out twice at once, every fourth together with an old one. */
  async next(key: string): Promise<void> {
    const before = this.#byKey.get(key) ?? []
    const seq = before.length + 1
    const message: SentMessage = { ...typeOf(key), key, seq, id: `${key}:${seq}`, acknowledged: false }
    const copies = [message, ...(seq % 3 === 0 ? [message] : []), ...(seq % 4 === 0 ? before.slice(-2, -1) : [])]
    before.push(message)
    this.log.push(message)
    await Promise.all(copies.map((one) => this.#deliver(one)))
  }

  /** A message that no gateway may believe. @returns the status it got */
  async forge(key: string): Promise<number> {
    return this.#post({ ...typeOf(key), key, seq: 0, id: `${key}:forged` }, 'a guess')
  }

  /** A message outside of any order, sent until it is taken. */
  async send(type: ShopMessage['type'], key: string): Promise<void> {
    await this.#deliver({ source: 'orders', type, key, seq: 0, id: `${key}:${type}`, acknowledged: false })
  }

  async #deliver(message: SentMessage): Promise<void> {
    const giveUpAt = Date.now() + GIVE_UP_MS
    for (;;) {
      const status = await this.#post(message, this.#secret)
      this.statuses.add(status)
      if (status >= 200 && status < 300) break
      if (status >= 400 && status < 500) throw new Error(`${message.id} was refused with ${status}`)
      if (Date.now() > giveUpAt) throw new Error(`nobody takes ${message.id}: ${status || 'no answer'}`)
      await pause(RETRY_MS)
    }
    message.acknowledged = true
  }

  /** 0: no answer. */
  async #post({ source, type, key, seq, id }: Omit<SentMessage, 'acknowledged'>, secret: string): Promise<number> {
    const url = this.#url()
    if (url === undefined) return 0
    const body = JSON.stringify({ type, key, seq })
    const headers = {
      'content-type': 'application/json',
      'x-shop-id': id,
      'x-shop-signature': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    }
    try {
      const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
      const answer = await fetch(`${url}/webhooks/${source}`, { method: 'POST', headers, body, signal })
      await answer.arrayBuffer()
      return answer.status
    } catch (gone) {
      if (gone instanceof TypeError || gone instanceof DOMException) return 0
      throw gone
    }
  }
}

const typeOf = (key: string) =>
  /:o\d+$/.test(key)
    ? ({ source: 'orders', type: 'order.created' } as const)
    : ({ source: 'stock', type: 'stock.changed' } as const)
