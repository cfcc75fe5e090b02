import { expect } from 'chai'
import type { EventAttributes } from '#domain/event'
import { wants } from '#domain/filter'

const event = (attributes: Partial<EventAttributes> = {}, origin = 'shop') => ({
  origin,
  attributes: { specversion: '1.0' as const, id: '1', source: '/shop', type: 'order.created.v1', ...attributes },
})

describe('wants', () => {
  for (const [what, filter, wanted] of [
    ['the exact type', { on: ['order.created.v1'] }, true],
    ['another type', { on: ['order.deleted.v1'] }, false],
    ['one of several types', { on: ['order.deleted.v1', 'order.created.v1'] }, true],
    ['a prefix', { on: ['order.*'] }, true],
    ['a prefix of something else', { on: ['payment.*'] }, false],
    ['everything', { on: ['*'] }, true],
    ['nothing', { on: [] }, false],
    ['the beginning of a type without a star', { on: ['order.created'] }, false],
    ["the provider's own word", { on: ['orders/create'] }, true],
    ["a prefix of the provider's own word", { on: ['orders/*'] }, true],
    ["a prefix of another of the provider's words", { on: ['customers/*'] }, false],
    ['its source', { on: ['*'], sources: ['other', 'shop'] }, true],
    ['other sources', { on: ['*'], sources: ['other'] }, false],
    ['no source at all', { on: ['*'], sources: [] }, false],
    ['its subject', { on: ['*'], subject: 'Order/4711' }, true],
    ['a prefix of its subject', { on: ['*'], subject: 'Order/*' }, true],
    ['another subject', { on: ['*'], subject: 'Order/1' }, false],
    ['type and source and subject, one of them wrong', { on: ['*'], sources: ['shop'], subject: 'Item/*' }, false],
  ] as const) {
    it(`${what}: ${wanted ? 'yes' : 'no'}`, () => {
      expect(wants(filter, event({ subject: 'Order/4711', providertype: 'orders/create' }))).to.equal(wanted)
    })
  }

  it('matches an absent subject with an open pattern only', () => {
    expect(wants({ on: ['*'], subject: '*' }, event())).to.equal(true)
    expect(wants({ on: ['*'], subject: 'Order/*' }, event())).to.equal(false)
  })

  it('takes no pattern for a regular expression', () => {
    expect(wants({ on: ['order.created.v.'] }, event())).to.equal(false)
    expect(wants({ on: ['(a+)+*'] }, event({ type: `${'a'.repeat(50)}b` }))).to.equal(false)
  })
})
