import { expect } from 'chai'
import fc from 'fast-check'
import { belowPath, canonicalPath, httpPaths, isHttpPath } from '#domain/http-path'

const find = httpPaths(
  new Map([
    ['orders', 'orders'],
    ['below', 'orders/*'],
    ['erp', '/ERP/Orders/'],
    ['deep', 'erp/orders/items/*'],
  ]),
)

describe('paths below /http/', () => {
  for (const [path, name] of [
    ['/http/orders', 'orders'],
    ['/http/ORDERS', 'orders'],
    ['/http/orders/', 'orders'],
    ['/http/Orders/4711', 'below'],
    ['/http/orders/4711/items', 'below'],
    ['/http/erp/orders', 'erp'],
    ['/http/erp/orders/1', undefined],
    ['/http/erp/Orders/Items', 'deep'],
    ['/http/erp/orders/items/a/b', 'deep'],
    ['/http/%6Frders', 'orders'],
    ['/http/orders%2F4711', undefined],
    ['/http/orders/../erp', undefined],
    ['/http/orders/%2e%2e/erp', undefined],
    ['/http/orders/%', undefined],
    ['/http/orders/%00', undefined],
    ['/http/', undefined],
    ['/HTTP/orders', undefined],
    ['/webhooks/orders', undefined],
  ] as const) {
    it(`${path} → ${name ?? 'nobody'}`, () => {
      expect(find(path)).to.equal(name)
    })
  }

  it('the longest path wins, whatever the order they are configured in', () => {
    const entries = [
      ['all', '*'],
      ['a', 'a/*'],
      ['ab', 'a/b/*'],
      ['exact', 'a/b'],
    ] as const
    fc.assert(
      fc.property(fc.shuffledSubarray([...entries], { minLength: 4 }), (shuffled) => {
        const by = httpPaths(new Map(shuffled))
        expect(['/http/a/b', '/http/a/b/c', '/http/a/c', '/http/a'].map(by)).to.deep.equal(['exact', 'ab', 'a', 'a'])
      }),
    )
  })

  it('says what stands for the wildcard as the caller wrote it', () => {
    expect(belowPath('orders/*', '/http/Orders/AB-1/Items')).to.equal('AB-1/Items')
    expect(belowPath('orders/*', '/http/orders/a%20b')).to.equal('a b')
    expect(belowPath('orders/*', '/http/orders')).to.equal(undefined)
    expect(belowPath('orders', '/http/orders')).to.equal(undefined)
  })

  it('takes two spellings for one path', () => {
    expect(canonicalPath('/ERP/Orders/')).to.equal(canonicalPath('erp/orders'))
    expect(canonicalPath('erp/orders/*')).to.equal('erp/orders/*')
  })

  it('refuses what no request could reach', () => {
    for (const path of ['', '/', '*', 'a b', 'a/../b', './a', 'a/*/b', 'ä', 'a%2Fb', 'a?b']) {
      expect(isHttpPath(path), path).to.equal(false)
    }
  })
})
