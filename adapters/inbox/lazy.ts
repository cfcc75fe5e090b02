import { SluiceError } from '#domain/errors'
import type { Inbox } from '#domain/ports'

/** An inbox on a database, connected. */
export interface OpenInbox extends Omit<Inbox, 'open'> {
  /** Creates the tables of a model (CSN) that are missing, and its views, replaced where they changed. */
  deploy(model: object): Promise<void>
  /** The CAP database service underneath, where there is one: SQLite has a thread instead. */
  readonly service?: object
}

/** An inbox whose database is connected by `open()`, and again after `close()`. Its ports may be handed on before. */
export interface CdsInbox extends Inbox {
  deploy(model: object): Promise<void>
  /** The CAP database service underneath, once open; none on SQLite. */
  readonly service: object | undefined
}

/** @param connect loads libraries and connects; nothing happens before `open()`. */
export function lazyInbox(connect: () => Promise<OpenInbox>): CdsInbox {
  let current: OpenInbox | undefined
  let opening: Promise<OpenInbox> | undefined

  const inbox = (): OpenInbox => {
    if (current) return current
    throw new SluiceError('store-unavailable', 'The inbox is not open.', { remedy: 'Await open() first.' })
  }

  return {
    intake: { store: async (batch) => inbox().intake.store(batch) },
    work: {
      claim: async (request) => inbox().work.claim(request),
      settle: async (lanes) => inbox().work.settle(lanes),
      renew: async (lanes, leaseMs) => inbox().work.renew(lanes, leaseMs),
      release: async (lanes) => inbox().work.release(lanes),
      effects: async (keys) => inbox().work.effects(keys),
      payload: async (delivery) => inbox().work.payload(delivery),
      delivery: async (key) => inbox().work.delivery(key),
      ends: async (event) => inbox().work.ends(event),
      nextDueAt: async (subscriptions) => inbox().work.nextDueAt(subscriptions),
      backlog: async (subscriptions, bounds) => inbox().work.backlog(subscriptions, bounds),
    },
    journal: {
      lease: async (name, owner, leaseMs) => inbox().journal.lease(name, owner, leaseMs),
      releaseLease: async (lease) => inbox().journal.releaseLease(lease),
      checkpoint: async (poll) => inbox().journal.checkpoint(poll),
      advance: async (step) => inbox().journal.advance(step),
      sourceState: async (source, key) => inbox().journal.sourceState(source, key),
      setSourceState: async (source, key, value) => inbox().journal.setSourceState(source, key, value),
      lastDeliveryAt: async (source) => inbox().journal.lastDeliveryAt(source),
      countRejections: async (counts) => inbox().journal.countRejections(counts),
    },
    admin: {
      register: async (subscriptions) => inbox().admin.register(subscriptions),
      unregister: async (name, by) => inbox().admin.unregister(name, by),
      replay: async (event, subscription, by) => inbox().admin.replay(event, subscription, by),
      retry: async (dispatch, by) => inbox().admin.retry(dispatch, by),
      discard: async (dispatch, by) => inbox().admin.discard(dispatch, by),
      pause: async (subscription, by) => inbox().admin.pause(subscription, by),
      resume: async (subscription, by) => inbox().admin.resume(subscription, by),
      retain: async (policy) => inbox().admin.retain(policy),
    },
    async open() {
      opening ??= connect()
      try {
        current = await opening
      } catch (thrown) {
        opening = undefined
        throw thrown
      }
    },
    async close() {
      const open = current
      current = undefined
      opening = undefined
      await open?.close()
    },
    health: async () => (current ? current.health() : { ok: false, reason: 'closed' }),
    deploy: async (model) => inbox().deploy(model),
    get service() {
      return current?.service
    },
  }
}
