import { expect } from 'chai'
import { aliasName, isBelowAliasRoot, takerOf } from '#domain/alias'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { eventHub, eventMesh } from '../../adapters/sources/index.ts'
import { createGateway } from '../../srv/gateway.ts'

const CAP = '/messaging/enterprise-messaging'
const takers = new Map([
  [aliasName({ path: CAP, queue: 'ns/a' }), 'a'],
  [aliasName({ path: '/-/hub' }), 'hub'],
])

describe('aliases', () => {
  for (const [path, query, taker] of [
    [CAP, 'q=ns/a', 'a'],
    [CAP, 'q=ns%2Fa&other=1', 'a'],
    [`${CAP}/`, 'q=ns/a', 'a'],
    ['/Messaging/Enterprise-Messaging', 'q=ns/a', 'a'],
    [CAP, 'q=ns/b', undefined],
    [CAP, 'q=NS/A', undefined],
    [CAP, 'q=ns/a&q=ns/a', undefined],
    [CAP, '', undefined],
    [CAP, 'q=', undefined],
    [`${CAP}/deploy`, 'q=ns/a', undefined],
    ['/-/hub', '', 'hub'],
    ['/-/hub', 'q=anything', 'hub'],
    ['/-/hub2', '', undefined],
  ] as const) {
    it(`${path}?${query} leads to ${taker ?? 'nobody of ours'}`, () => {
      expect(takerOf(path, query, takers)).to.equal(taker)
    })
  }

  it('lie below their own roots', () => {
    expect(
      [CAP, '/-/cds/event-broker/webhook', '/webhooks/a', '/-', '/messagingx/'].map(isBelowAliasRoot),
    ).to.deep.equal([true, true, false, false, false])
  })

  it('are refused at start where two sources take over the same', () => {
    const auth = { kind: 'none' } as const
    const start = (sources: object) => () => createGateway({ inbox: memoryInbox(), sources: sources as never })
    const [a, b] = [eventMesh({ queue: 'ns/a', auth }), eventMesh({ queue: 'ns/b', auth })]
    expect(start({ a, b, hub: eventHub({ auth }) })).to.not.throw()
    expect(start({ a, b: a })).to.throw(/sources\.b: sources\.a takes over/)
    expect(start({ a: eventHub({ auth }), b: eventHub({ auth }) })).to.throw(/sources\.b: sources\.a takes over/)
    expect(start({ a: { ...a, aliases: [{ path: '/odata/v4/x' }] } })).to.throw(/\/odata\/v4\/x is no path that CAP/)
  })
})
