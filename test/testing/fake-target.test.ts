import { type FakeTarget, fakeTarget } from '../../testing/index.ts'
import { targetSuite } from '../suites/target.suite.ts'

const entities = {
  Orders: {
    key: ['SalesOrder'],
    object: 'SalesOrder',
    version: 'ChangedAt',
    reference: 'Reference',
    guard: 'SourceVersion',
  },
}

let target: FakeTarget
let release = () => {}

describe('testing: fake target', () => {
  before(() => {
    target = fakeTarget({ entities })
  })

  targetSuite('fake', () => ({
    target,
    entity: 'Orders',
    settleMs: 60_000,
    sample: (value) => ({ SoldToParty: '17100001', Note: value }),
    changing: 'Note',
    values: async (reference) =>
      target
        .rows('Orders')
        .filter((row) => row.Reference === reference)
        .map(({ Note }) => String(Note)),
    changeBehind: async (key, value) => target.put('Orders', { ...key, Note: value }),
    loseNextAnswer: async () => target.loseNext(),
    holdNextCommit: async () => {
      release = target.holdNext()
    },
    release: async () => release(),
    requests: async () => target.calls,
  }))
})
