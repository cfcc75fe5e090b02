import { expect } from 'chai'
import { topicsMeet } from '#domain/topic'

describe('topicsMeet', () => {
  for (const [one, other, meet] of [
    ['a/b', 'a/b', true],
    ['a/b', 'a/c', false],
    ['a/b', 'a/b/c', false],
    ['a/+', 'a/b', true],
    ['a/+/c', 'a/b/d', false],
    ['+/b', 'a/+', true],
    ['a/*', 'a/b/c', true],
    ['a/*', 'a', false],
    ['*', 'a/b', true],
    ['a/*', 'a/+/c', true],
    ['a/b/*', 'a/c/*', false],
    ['+/+/+/ce/*', 'default/my.app/1/ce/sales/order/*', true],
    ['+/+/+/ce/*', 'default/my.app/1/orders', false],
    ['a/*/c', 'a/b/c', false],
  ] as const) {
    it(`${one} and ${other}: ${meet ? 'some topic' : 'none'}`, () => {
      expect([topicsMeet(one, other), topicsMeet(other, one)]).to.deep.equal([meet, meet])
    })
  }
})
