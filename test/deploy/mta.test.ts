import { expect } from 'chai'
import { type Descriptors, inspectMta, readDescriptors } from './helpers/mta.ts'

const find = <T extends { name: string }>(list: readonly T[], name: string): T => {
  const found = list.find((each) => each.name === name)
  if (!found) throw new Error(`no ${name}`)
  return found
}

describe('the descriptors of the MTA', () => {
  it('fit their schemas, one another, the app and what is built', () => {
    expect(inspectMta(readDescriptors())).to.deep.equal([])
  })

  const mistakes: [string, (all: Descriptors) => void, RegExp][] = [
    [
      'a binding to a resource that is not there',
      ({ mta }) => mta.modules[0]?.requires?.push({ name: 'sluice-redis' }),
      /^sluice-srv requires sluice-redis$/,
    ],
    [
      'an order after a module that is not there',
      ({ mta }) => mta.modules[0]?.['deployed-after']?.push('db'),
      /^sluice-srv after db$/,
    ],
    [
      'an unknown parameter',
      ({ mta }) => Object.assign(find(mta.modules, 'sluice-srv').parameters ?? {}, { 'health-check-path': '/' }),
      /unknown parameter health-check-path/,
    ],
    [
      'a wrong value',
      ({ mta }) => Object.assign(find(mta.modules, 'sluice-srv').parameters ?? {}, { memory: 'much' }),
      /memory must match/,
    ],
    [
      'a module that is not built',
      ({ mta }) => Object.assign(mta.modules[0] ?? {}, { path: 'gen/pg' }),
      /sluice-srv: no path gen\/pg/,
    ],
    [
      'a descriptor that is not there',
      ({ mta }) => Object.assign(find(mta.resources, 'sluice-xsuaa').parameters ?? {}, { path: './xs-app.json' }),
      /sluice-xsuaa: no file/,
    ],
    [
      'a task that runs what is not in the package',
      ({ mta }) => {
        const command = 'node node_modules/cap-sluice/dist/bin/deploy.js'
        Object.assign(find(mta.modules, 'sluice-store-deployer').parameters ?? {}, { tasks: [{ name: 'x', command }] })
      },
      /a command runs cap-sluice\/dist\/bin\/deploy.js/,
    ],
    [
      'a scope granted to another instance',
      ({ security }) =>
        Object.assign(security.scopes[0] ?? {}, { 'grant-as-authority-to-apps': ['$XSSERVICENAME(em)'] }),
      /granted to em, which is no Event Mesh|not processed after em/,
    ],
    [
      'an XSUAA that may be made before the Event Mesh it names',
      ({ mta }) => delete find(mta.resources, 'sluice-xsuaa')['processed-after'],
      /xsuaa is not processed after sluice-event-mesh/,
    ],
    ['an Event Mesh that takes no grants', ({ mesh }) => delete mesh.authorities, /does not accept the scope/],
    [
      'a role without its scope',
      ({ security }) => security.scopes.pop(),
      /role SluiceOperator has no scope .*|the cockpit asks for SluiceOperator/,
    ],
    [
      'a callback whose scope has another name',
      ({ app }) => Object.assign(app.requires.sluice.sources.s4?.auth ?? {}, { scope: 'callback' }),
      /source s4 asks for callback/,
    ],
    [
      'a queue outside of the namespace',
      ({ mesh }) => Object.assign(mesh, { namespace: 'default/other/1' }),
      /queue default\/sluice\/1\/orders is outside/,
    ],
    [
      'a service that the app asks for and nobody binds',
      ({ mta }) => mta.modules[0]?.requires?.splice(0, 1),
      /cds\.requires\.auth needs xsuaa/,
    ],
    [
      'an extension of something else',
      ({ hana }) => Object.assign(hana.modules[0] ?? {}, { name: 'srv' }),
      /the extension changes srv, which is not there/,
    ],
    [
      'a router that knows nobody',
      ({ mta }) => find(mta.modules, 'sluice-router').requires?.splice(0, 1),
      /the router has no XSUAA/,
    ],
    [
      'a router that keeps the token to itself',
      ({ mta }) => delete find(mta.modules, 'sluice-router').requires?.at(-1)?.properties?.forwardAuthToken,
      /the router keeps the token from srv-api/,
    ],
    [
      'a router that XSUAA does not send people back to',
      ({ mta }) => Object.assign(find(mta.resources, 'sluice-xsuaa').parameters ?? {}, { config: {} }),
      /would not send people back/,
    ],
    [
      'a route that goes nowhere',
      ({ router }) => Object.assign(router.routes[0] ?? {}, { destination: 'srv' }),
      /the router knows no srv/,
    ],
    [
      'a route without log-on',
      ({ router }) => Object.assign(router.routes[0] ?? {}, { authenticationType: 'none' }),
      /a route of the router is open/,
    ],
    ['another version than the package', ({ mta }) => Object.assign(mta, { version: '9.9.9' }), /has version 9.9.9/],
    [
      'a stop that takes longer than the platform waits',
      ({ mta }) => {
        const { properties } = find(mta.modules, 'sluice-srv')
        if (properties) properties.CDS_CONFIG = '{"requires":{"sluice":{"stopTimeoutMs":60000}}}'
      },
      /sluice-srv takes 60000 ms to stop/,
    ],
  ]
  for (const [what, spoil, problem] of mistakes) {
    it(`would be refused with ${what}`, () => {
      const all = readDescriptors()
      spoil(all)
      const problems = inspectMta(all)
      expect(problems).to.have.length.above(0)
      for (const each of problems) expect(each).to.match(problem)
    })
  }
})
