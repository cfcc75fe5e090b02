import { expect } from 'chai'
import { knownRecords } from '../../../adapters/odata/known-records.ts'

describe('known records', () => {
  it('are the 2,000 learned last', () => {
    const known = knownRecords()
    for (let n = 0; n < 2_000; n += 1) known.learn('A', `${n}`, { etag: `${n}` })
    known.learn('A', '0', { etag: 'learned again' })
    known.learn('B', '0', { etag: 'one too many' })
    expect(known.get('A', '1')).to.equal(undefined)
    expect(known.get('A', '0')).to.deep.equal({ etag: 'learned again' })
    expect(known.get('A', '2')).to.deep.equal({ etag: '2' })
    expect(known.get('B', '0')).to.deep.equal({ etag: 'one too many' })
  })

  it('are none that have no etag: nothing would tell that they have changed', () => {
    const known = knownRecords()
    known.learn('A', '1', { etag: '1' })
    known.learn('A', '1', { version: '2' })
    expect(known.get('A', '1')).to.equal(undefined)
  })
})
