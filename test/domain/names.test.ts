import { expect } from 'chai'
import { dispatchId, lanePartition, objectName } from '#domain/ports'
import { onlyHeader } from '#domain/source'
import { refuse } from '#domain/verification'

const event = (partitionkey?: string) => ({
  key: 'event-1',
  attributes: {
    specversion: '1.0' as const,
    id: '1',
    source: '/s',
    type: 't',
    ...(partitionkey === undefined ? {} : { partitionkey }),
  },
})

describe('lanePartition', () => {
  it('is the partition key', () => {
    for (const order of ['block', 'latest', 'park', undefined] as const) {
      expect(lanePartition(order, event('Order/1'))).to.equal('Order/1')
    }
  })

  it('is the event itself where nothing orders it', () => {
    expect(lanePartition('none', event('Order/1'))).to.equal('event-1')
    expect(lanePartition('block', event())).to.equal('event-1')
  })

  it('does not put all events without a key into one lane', () => {
    expect(lanePartition('block', event(''))).to.equal('event-1')
  })
})

describe('names', () => {
  it('tells dispatches and objects apart', () => {
    expect(dispatchId('event-1', 'orders', 2)).to.equal('event-1:orders:2')
    expect(objectName({ type: 'Order', key: '4711/10' })).to.equal('Order/4711/10')
  })
})

describe('onlyHeader', () => {
  it('is the value, undefined where absent, null where the sender was of two minds', () => {
    const headers = { one: ['a'], same: ['a', 'a'], doubled: ['a', 'b'], none: [] }
    const names = ['one', 'same', 'doubled', 'none', 'absent']
    expect(names.map((name) => onlyHeader(headers, name))).to.deep.equal(['a', 'a', null, undefined, undefined])
  })
})

describe('refuse', () => {
  it('is 401 unless said otherwise', () => {
    expect(refuse('token-missing')).to.deep.equal({ ok: false, reason: 'token-missing', status: 401 })
    expect(refuse('scope-missing', 403).status).to.equal(403)
  })
})
