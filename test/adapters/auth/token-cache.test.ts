import { expect } from 'chai'
import { TokenCache } from '../../../adapters/auth/token-cache.ts'
import { NOW } from '../../helpers/deliveries.ts'

describe('token cache', () => {
  const principal = { name: 'a', scopes: [] }
  const later = NOW.getTime() + 1_000

  it('forgets at the moment a token expires', () => {
    const cache = new TokenCache(10)
    cache.set('s', 't', principal, later)
    expect(cache.get('s', 't', new Date(later - 1))).to.equal(principal)
    expect(cache.get('s', 't', new Date(later))).to.equal(undefined)
    expect(cache.get('s', 't', NOW), 'and does not come back').to.equal(undefined)
  })

  it('is bounded: the oldest goes first', () => {
    const cache = new TokenCache(2)
    for (const token of ['1', '2', '3']) cache.set('s', token, principal, later)
    expect(['1', '2', '3'].map((token) => cache.get('s', token, NOW) !== undefined)).to.deep.equal([false, true, true])
  })

  it('holds no token in memory', () => {
    const cache = new TokenCache(2)
    cache.set('s', 'a-secret-token', principal, later)
    expect(JSON.stringify(cache)).to.not.include('a-secret-token')
  })
})
