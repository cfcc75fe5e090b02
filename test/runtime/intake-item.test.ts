import { expect } from 'chai'
import type { EventDraft } from '#domain/event'
import type { Item } from '#domain/source'
import { toNewItem } from '../../srv/runtime/intake-item.ts'

const RECEIVED = new Date('2026-01-01T00:00:00.000Z')

const toItem = (item: Item) => toNewItem(item, RECEIVED, { authlevel: 'body' })

function eventOf(attributes: Record<string, unknown> = {}, more: Record<string, unknown> = {}) {
  const sound = { id: 'evt-1', source: '/shop', type: 'order.created.v1', ...attributes }
  const draft = { identity: { id: 'evt-1' }, attributes: sound, nature: 'fact', data: '{}', ...more } as EventDraft
  const item = toItem({ ok: true, draft })
  return item.kind === 'event' ? item.event : expect.fail(JSON.stringify(item))
}

describe('an item on its way into the store', () => {
  it('has no attribute that was neither checked nor bounded', () => {
    expect(eventOf({ myextension: 'x'.repeat(100_000), specversion: '0.3' }).attributes).to.deep.equal({
      specversion: '1.0',
      id: 'evt-1',
      source: '/shop',
      type: 'order.created.v1',
      recordedtime: RECEIVED.toISOString(),
      authlevel: 'body',
    })
  })

  it('was recorded when it came here, whatever its sender says', () => {
    expect(eventOf({ recordedtime: '1999-01-01T00:00:00Z' }).attributes.recordedtime).to.equal(RECEIVED.toISOString())
  })

  it('is as well proved as its delivery, or less where its source says so', () => {
    expect(eventOf().attributes.authlevel).to.equal('body')
    expect(eventOf({ authlevel: 'partial' }).attributes.authlevel).to.equal('partial')
  })

  it('has another content where type, subject or data differ, and the same whatever else does', () => {
    const { contentHash } = eventOf({ subject: '1' })
    for (const other of [
      eventOf({ subject: '2' }),
      eventOf(),
      eventOf({ subject: '1', type: 'order.changed.v1' }),
      eventOf({ subject: '1' }, { data: '{ }' }),
    ]) {
      expect(other.contentHash).to.not.equal(contentHash)
    }
    expect(eventOf({ subject: '1', time: '2026-01-01T00:00:00Z', source: '/b' }).contentHash).to.equal(contentHash)
  })

  it('is recognized by its content, marked as such, where its sender has no id', () => {
    const { contentHash, identity, identityWindowMs } = eventOf({}, { identity: { hash: true, windowMs: 10 } })
    expect([identity, identityWindowMs]).to.deep.equal([`hash:${contentHash}`, 10])
    expect(eventOf().identity).to.equal('id:evt-1')
    expect(eventOf({}, { identity: { none: true } })).to.not.have.any.keys('identity', 'identityWindowMs')
  })

  it('says in bounded words why it is none', () => {
    const long = 'x'.repeat(256)
    expect(toItem({ ignored: long })).to.deep.equal({ kind: 'ignored', reason: long.slice(1) })
    expect(toItem({ ok: false, reason: 'not-json', detail: long })).to.deep.equal({
      kind: 'bad',
      reason: 'not-json',
      detail: long.slice(1),
    })
  })
})
