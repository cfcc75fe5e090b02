import { subscribe } from 'node:diagnostics_channel'
import type { ClientRequest } from 'node:http'
import type { Handler, Inbox, Source, Target } from 'cap-sluice'
import { reach, tell } from './failpoints.ts'

/** The inbox with a failpoint on each side of every call that a gateway makes in an event's life. */
export const watchedInbox = ({ intake, work, journal, admin, open, health, close }: Inbox): Inbox => ({
  open,
  health,
  admin,
  async close() {
    reach('closing')
    await close()
  },
  intake: {
    async store(batch) {
      reach('store')
      const outcomes = await intake.store(batch)
      reach('stored')
      return outcomes
    },
  },
  work: {
    ...work,
    async claim(request) {
      const lanes = await work.claim(request)
      if (lanes.some(({ recovered }) => recovered)) reach('recovered')
      if (lanes.length > 0) reach('claimed')
      return lanes
    },
    async settle(lanes) {
      reach('settle')
      const held = await work.settle(lanes)
      if (held.includes(false)) tell({ void: true })
      reach('settled')
      return held
    },
    async renew(lanes, leaseMs) {
      reach('renew')
      const held = await work.renew(lanes, leaseMs)
      reach('renewed')
      return held
    },
  },
  journal: {
    ...journal,
    async lease(name, owner, leaseMs) {
      const lease = await journal.lease(name, owner, leaseMs)
      if (lease) reach('poll-leased')
      return lease
    },
    async advance(step) {
      const outcomes = await journal.advance(step)
      if (step.deliveries.length > 0) reach('advanced')
      return outcomes
    },
  },
})

export const watchedSource = (source: Source): Source => ({
  ...source,
  verify(delivery, context) {
    reach('body-read')
    return source.verify(delivery, context)
  },
  normalize(delivery, verified) {
    const items = source.normalize(delivery, verified)
    reach('normalized')
    return items
  },
})

export function watchedTarget(target: Target): Target {
  const { changes } = target
  return {
    ...target,
    session(scope) {
      const session = target.session({
        ...scope,
        sent() {
          const refused = scope.sent()
          reach('write')
          return refused
        },
      })
      return {
        ...session,
        async create(...args) {
          const result = await session.create(...args)
          reach('written')
          return result
        },
        async upsert(...args) {
          const result = await session.upsert(...args)
          reach('written')
          return result
        },
      }
    },
    async fetch(...args) {
      reach('fetch')
      const record = await target.fetch(...args)
      reach('fetched')
      return record
    },
    ...(changes && {
      async changes(request) {
        const page = await changes(request)
        if (page.rows.length > 0) reach('poll-page')
        return page
      },
    }),
  }
}

/** Tells when a handler fails: a test that froze the process wants to know what its late write became. */
export const watchedHandler =
  (handler: Handler): Handler =>
  async (event, context) => {
    reach('handler')
    try {
      return await handler(event, context)
    } catch (thrown) {
      tell({ failed: event.id, code: (thrown as { code?: string }).code })
      throw thrown
    }
  }

const isWrite = ({ method }: ClientRequest): boolean => method === 'POST' || method === 'PATCH'

/** A write on its way, and one that the ERP has committed and answered while nobody has read a byte of that. */
export function watchWrites(): void {
  subscribe('http.client.request.start', (message) => {
    const { request } = message as { request: ClientRequest }
    if (isWrite(request)) request.once('finish', () => reach('write-sent'))
  })
  subscribe('http.client.response.finish', (message) => {
    if (isWrite((message as { request: ClientRequest }).request)) reach('write-answered')
  })
}
