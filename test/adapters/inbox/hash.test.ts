import { expect } from 'chai'
import fc from 'fast-check'
import { identityHash, laneId } from '../../../adapters/inbox/hash.ts'
import { newKey } from '../../../srv/runtime/ids.ts'

const KEY_LENGTH = 56
const seed = Math.floor(Math.random() * 2 ** 31)

describe(`keys of the store, seed ${seed}`, () => {
  it('stand in the order in which their ids were made, so that a commit writes few pages', () => {
    const events = Array.from({ length: 100 }, newKey)
    const identities = events.map((id) => identityHash('shop', `id:${id}`))
    expect(identities).to.deep.equal([...identities].sort())
    const lanes = events.map((event) => laneId('orders', event))
    expect(lanes).to.deep.equal([...lanes].sort())
  })

  it('fit their column, whatever a sender calls its event', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (id) => {
        const key = identityHash('shop', `id:${id}`)
        expect(key)
          .to.match(/^[!-~]{32,}$/)
          .and.to.have.length.at.most(KEY_LENGTH)
      }),
      { seed },
    )
  })

  it('differ where the source, the subscription or anything behind the first characters differs', () => {
    const long = 'x'.repeat(40)
    expect(identityHash('a', `id:${long}1`)).not.to.equal(identityHash('a', `id:${long}2`))
    expect(identityHash('a', 'id:1')).not.to.equal(identityHash('b', 'id:1'))
    expect(identityHash('a', 'id:1')).not.to.equal(identityHash('a', 'hash:1'))
    expect(laneId('a', 'order/1')).not.to.equal(laneId('b', 'order/1'))
    expect(laneId('a', 'b/c')).not.to.equal(laneId('a', 'b/d'))
  })
})
