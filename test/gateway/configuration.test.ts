import { expect } from 'chai'
import type { Source } from '#domain/source'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { createGateway, type GatewayParts, type PollPolicy, type Subscription } from '../../srv/gateway.ts'
import { thrownBy } from '../helpers/faults.ts'
import { frontDoor } from '../helpers/front-door.ts'
import { hmacSource } from '../helpers/hmac-source.ts'
import { pollPolicy } from '../helpers/poll-policy.ts'
import { never } from '../helpers/turns.ts'

const target = { kind: 'test', entities: {}, session: never as never, fetch: never }
const polled = { ...target, changes: never }
const subscription = (more: Partial<Subscription> = {}): Subscription => ({
  name: 'book',
  on: ['*'],
  handler: () => {},
  ...more,
})
const subscribed = (more: Partial<Subscription>) => ({ subscriptions: [subscription(more)] })
const polling = (more: Partial<PollPolicy>) => ({ targets: { erp: polled }, polls: [pollPolicy(more)] })
const limited = (maxBytes: number): Source => hmacSource({ limits: { maxBytes } })

describe('createGateway refuses', () => {
  for (const [what, parts, path, remedy] of [
    ['a subscription without a name', subscribed({ name: '' }), 'subscriptions.', 'Use up to 100'],
    ['a name with a blank', subscribed({ name: 'a b' }), 'subscriptions.a b', 'Use up to 100'],
    ['a name of 101 characters', subscribed({ name: 'x'.repeat(101) }), 'subscriptions.x', 'Use up to 100'],
    [
      'two subscriptions of one name',
      { subscriptions: [subscription(), subscription()] },
      'subscriptions.book',
      'choose another',
    ],
    ['a subscription to nothing', subscribed({ on: [] }), 'subscriptions.book.on', '"*" for all'],
    ['a subscription to an empty type', subscribed({ on: [''] }), 'subscriptions.book.on', '"*" for all'],
    ['a handler that is none', subscribed({ handler: {} as never }), 'subscriptions.book.handler', 'Pass async'],
    ['an unknown order', subscribed({ order: 'fifo' as never }), 'subscriptions.book.order', 'Choose block'],
    [
      'a time-out as long as the lease',
      subscribed({ timeoutMs: 60_000 }),
      'subscriptions.book.timeoutMs',
      'worker.leaseMs',
    ],
    ['a time-out of nothing', subscribed({ timeoutMs: 0 }), 'subscriptions.book.timeoutMs', 'Shorten it'],
    ['a time-out that is none', subscribed({ timeoutMs: Number.NaN }), 'subscriptions.book.timeoutMs', 'Shorten it'],
    ['no concurrency', subscribed({ concurrency: 0 }), 'subscriptions.book.concurrency', 'Write 1 or more'],
    ['half a concurrency', subscribed({ concurrency: 1.5 }), 'subscriptions.book.concurrency', 'Write 1 or more'],
    ['no attempts', subscribed({ retry: { attempts: 0 } }), 'subscriptions.book.retry.attempts', 'Write 1 or more'],
    [
      'endless attempts',
      subscribed({ retry: { attempts: Number.POSITIVE_INFINITY } }),
      'subscriptions.book.retry.attempts',
      'Write 1',
    ],
    ['a negative delay', subscribed({ retry: { scheduleMs: [1, -1] } }), 'subscriptions.book.retry', 'milliseconds'],
    [
      'an endless delay',
      subscribed({ retry: { capMs: Number.POSITIVE_INFINITY } }),
      'subscriptions.book.retry',
      'milliseconds',
    ],
    [
      'a backoff that shrinks',
      subscribed({ retry: { factor: 0.5 } }),
      'subscriptions.book.retry.factor',
      'Write 1 or more',
    ],
    [
      'a fetch from nowhere',
      subscribed({ fetch: { target: 'erp' } }),
      'subscriptions.book.fetch.target',
      'Add it to targets',
    ],
    ['a source nobody could name in a URL', { sources: { 'a/b': hmacSource() } }, 'sources.a/b', 'Use up to 100'],
    [
      'a source that takes no byte',
      { sources: { shop: limited(0) } },
      'sources.shop.limits.maxBytes',
      'would be refused for ever',
    ],
    [
      'a source whose bodies never fit',
      { sources: { shop: limited(2_000) }, limits: { budgetBytes: 1_000 } },
      'sources.shop.limits.maxBytes',
      'raise the budget',
    ],
    ['a poll without a name', polling({ name: '' }), 'polls.', 'Use up to 100'],
    [
      'two polls of one name',
      { targets: { erp: polled }, polls: [pollPolicy(), pollPolicy()] },
      'polls.orders',
      'choose another',
    ],
    [
      'a poll with the name of a source',
      { ...polling({}), sources: { orders: hmacSource() } },
      'polls.orders',
      'choose another',
    ],
    ['a poll of nothing', { polls: [pollPolicy()] }, 'polls.orders.target', 'Add it to targets'],
    [
      'a poll of what cannot be polled',
      { targets: { erp: target }, polls: [pollPolicy()] },
      'polls.orders.target',
      'Poll an OData target',
    ],
    ['a watch over nobody', polling({ when: 'stale' }), 'polls.orders.when', 'Set backs'],
    [
      'a watch without a time',
      polling({ when: 'stale', backs: 's4', staleAfterMs: 0 }),
      'polls.orders.when',
      'staleAfterMs',
    ],
    [
      'a watch over an unknown source',
      { ...polling({ backs: 's4' }), sources: { shop: hmacSource() } },
      'polls.orders.backs',
      'Mend its name',
    ],
    ['pages of no rows', polling({ pageSize: 0 }), 'polls.orders.pageSize', 'Write 1 or more'],
    ['a negative overlap', polling({ overlapMs: -1 }), 'polls.orders.overlapMs', 'milliseconds'],
    ['a beginning nobody wrote', polling({ startFrom: '' }), 'polls.orders.startFrom', 'now, beginning'],
  ] as const satisfies readonly (readonly [string, Omit<GatewayParts, 'inbox'>, string, string])[]) {
    it(`${what}, naming ${path} and what to do`, () => {
      const fault = thrownBy(() => createGateway({ inbox: memoryInbox(), ...parts }))
      expect(fault).to.include({ code: 'configuration', retry: 'never' })
      expect(fault.message.startsWith(path), fault.message).to.equal(true)
      expect(fault.remedy).to.include(remedy)
      expect(fault.message).to.include(remedy)
    })
  }

  it('the same of on()', () => {
    const gateway = createGateway({ inbox: memoryInbox() })
    gateway.on('*', { name: 'book' }, () => {})
    expect(thrownBy(() => gateway.on('*', { name: 'book' }, () => {})).message).to.match(/^subscriptions\.book: /)
  })
})

describe('createGateway takes', () => {
  it('everything at its limits', () => {
    createGateway({
      inbox: memoryInbox(),
      sources: { 'Shop-1.eu_west': limited(1_000) },
      limits: { budgetBytes: 1_000, maxBytes: 1_000 },
      targets: { erp: polled },
      subscriptions: [
        subscription({ name: 'x'.repeat(100), timeoutMs: 59_999, concurrency: 1, fetch: { target: 'erp' } }),
        subscription({ retry: { attempts: 1, baseMs: 0, capMs: 0, factor: 1 }, order: 'none' }),
      ],
      polls: [pollPolicy({ overlapMs: 0, pageSize: 1, startFrom: 'beginning' })],
    })
  })

  it('a watch over a source that another instance takes in', () => {
    createGateway({ inbox: memoryInbox(), roles: ['poller'], ...polling({ when: 'stale', backs: 's4' }) })
  })

  it('nothing but an inbox', () => {
    createGateway({ inbox: memoryInbox() })
  })
})

describe('a source that needs what the gateway was not given', () => {
  for (const [what, handshake] of [
    [
      'authentication',
      (delivery, context) => context.authenticate(delivery, { kind: 'basic', users: {} }).then(() => undefined),
    ],
    ['fetch', (_delivery, context) => context.fetch('https://example.test').then(() => undefined)],
  ] as const satisfies readonly (readonly [string, Source['handshake']])[]) {
    it(`${what}: 503, and the log names the remedy`, async () => {
      const door = await frontDoor({ sources: { shop: hmacSource({ handshake }) } })
      expect((await door.send()).status).to.equal(503)
      expect(door.log.lines.find(({ level }) => level === 'error')?.fields.message).to.include('Pass createGateway({')
      await door.close()
    })
  }
})
