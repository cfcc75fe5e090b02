import { expect } from 'chai'
import { readConfig } from '../../srv/config.ts'

const entities = { A_SalesOrder: { key: ['SalesOrder'], readonly: true } }
const target = (more: object) => ({ targets: { erp: { kind: 'odata-v2', entities, ...more } } })
const source = (auth: object) => ({ sources: { s4: { kind: 'event-mesh', queue: 'q', auth } } })

describe('the configuration of a deployment', () => {
  it('takes a destination instead of an address, and a scope of the bound XSUAA', () => {
    const config = {
      ...target({ destination: 'S4HANA@subaccount', path: '/sap' }),
      ...source({ kind: 'xsuaa', scope: 'a' }),
    }
    expect(readConfig(config, {})).to.deep.equal(config)
  })

  const mistakes: [string, object, RegExp][] = [
    ['a target that is nowhere', target({}), /sluice\.targets\.erp: where is it\? Set "url", or "destination"/],
    [
      'two addresses',
      target({ destination: 'S4', url: 'http://a' }),
      /sluice\.targets\.erp\.url: the destination says it/,
    ],
    [
      'two kinds of credentials',
      target({ destination: 'S4', auth: { kind: 'none' } }),
      /sluice\.targets\.erp\.auth: the destination says it/,
    ],
    ['two logon clients', target({ destination: 'S4', sapClient: '100' }), /sluice\.targets\.erp\.sapClient: the dest/],
    ['an unknown level', target({ destination: 'S4@space' }), /sluice\.targets\.erp\.destination: must match pattern/],
    ['a callback without a scope', source({ kind: 'xsuaa' }), /sluice\.sources\.s4\.auth(\.scope|: .*scope)/],
  ]
  for (const [what, config, problem] of mistakes) {
    it(`is refused with ${what}`, () => {
      expect(() => readConfig(config, {})).to.throw(problem)
    })
  }
})
