import { expect } from 'chai'
import {
  type DesiredMesh,
  describeStep,
  type FoundMesh,
  type FoundWebhook,
  type MeshWebhook,
  planMesh,
} from '#domain/plan-mesh'

const hook: MeshWebhook = {
  name: 'q/orders',
  queue: 'q/orders',
  url: 'https://app.example/webhooks/s4',
  qos: 1,
  exemptHandshake: false,
  contentType: 'application/json',
  auth: { type: 'oauth2', clientId: 'client', tokenUrl: 'https://uaa.example/oauth/token' },
}
const desired: DesiredMesh = {
  queue: 'q/orders',
  settings: { maxTtl: 604_800 },
  topics: ['a/b/c/ce/*'],
  exactTopics: false,
  webhook: hook,
  resume: true,
}
const foundHook: FoundWebhook = { ...hook, handshake: 'completed', paused: false }
const settled: FoundMesh = {
  settings: { maxTtl: 604_800, maxRedeliveryCount: 0, deadMsgQueue: 'q/dead' },
  topics: ['a/b/c/ce/*'],
  webhook: foundHook,
  rivals: [],
}
const steps = (found: FoundMesh, wanted = desired, options = {}) =>
  planMesh(wanted, found, options).steps.map(describeStep)
const codes = (found: FoundMesh, wanted = desired) => planMesh(wanted, found).risks.map(({ code }) => code)
const alarms = (found: FoundMesh) =>
  planMesh(desired, found)
    .risks.filter(({ severity }) => severity === 'alarm')
    .map(({ code }) => code)

describe('planMesh', () => {
  it('changes nothing and sees no risk where all is as configured', () => {
    expect(planMesh(desired, settled)).to.deep.equal({ steps: [], risks: [] })
  })

  it('creates what is missing, in an order in which it can be done', () => {
    const nothing: FoundMesh = { topics: [], rivals: [] }
    expect(steps(nothing)).to.deep.equal([
      'create-queue q/orders {"maxTtl":604800}',
      'add-topic q/orders a/b/c/ce/*',
      'create-webhook q/orders https://app.example/webhooks/s4',
    ])
    expect(alarms(nothing)).to.deep.equal(['queue-missing', 'webhook-missing'])
  })

  it('changes only the settings that differ, and none that nobody configured', () => {
    const found = { ...settled, settings: { ...settled.settings, maxTtl: 60 } }
    expect(steps(found)).to.deep.equal(['update-queue q/orders {"maxTtl":604800}'])
    expect(steps(found, { ...desired, settings: {} })).to.deep.equal([])
  })

  it('leaves topics of others alone, unless the list is meant to be exact', () => {
    const found = { ...settled, topics: ['a/b/c/ce/*', 'x/y'] }
    expect(steps(found)).to.deep.equal([])
    expect(codes(found)).to.deep.equal(['topic-foreign'])
    expect(steps(found, { ...desired, exactTopics: true })).to.deep.equal(['remove-topic q/orders x/y'])
  })

  it('names a topic that is missing an alarm: its events are gone', () => {
    expect(steps({ ...settled, topics: [] })).to.deep.equal(['add-topic q/orders a/b/c/ce/*'])
    expect(alarms({ ...settled, topics: [] })).to.deep.equal(['topic-missing'])
  })

  const differences: readonly [string, Partial<FoundWebhook>][] = [
    ['url', { url: 'https://old.example' }],
    ['qos', { qos: 0 }],
    ['exemptHandshake', { exemptHandshake: true }],
    ['contentType', { contentType: 'text/plain' }],
    ['auth.clientId', { auth: { ...hook.auth, clientId: 'another' } }],
    ['auth.type', { auth: { type: 'none' } }],
  ]
  for (const [name, difference] of differences) {
    it(`replaces a webhook that differs in ${name}`, () => {
      const found = { ...settled, webhook: { ...foundHook, ...difference } }
      expect(steps(found)).to.deep.equal([`replace-webhook q/orders (${name})`])
      expect(codes(found)).to.include('webhook-differs')
    })
  }

  it('does not take for a difference what the broker does not tell', () => {
    expect(steps({ ...settled, webhook: { ...foundHook, auth: {} } })).to.deep.equal([])
  })

  it('replaces without a difference only where asked to', () => {
    expect(steps(settled, desired, { renew: true })).to.deep.equal(['replace-webhook q/orders (renewed)'])
  })

  it('never touches a webhook of its name that belongs to another queue', () => {
    const found = {
      ...settled,
      webhook: { ...foundHook, queue: 'another/queue', paused: true, url: 'https://x.example' },
    }
    expect(steps(found)).to.deep.equal([])
    expect(steps(found, desired, { renew: true })).to.deep.equal([])
    expect(alarms(found)).to.deep.equal(['webhook-foreign'])
  })

  it('shows a second webhook on the queue and leaves it alone', () => {
    const found = { ...settled, rivals: ['older'] }
    expect(steps(found)).to.deep.equal([])
    expect(codes(found)).to.deep.equal(['webhook-rival'])
  })

  for (const handshake of ['failed', 'not-initiated'] as const) {
    it(`starts the handshake again when it is ${handshake}, before anything is resumed`, () => {
      const found = { ...settled, webhook: { ...foundHook, handshake, paused: true } }
      expect(steps(found)).to.deep.equal(['handshake q/orders'])
      expect(alarms(found)).to.deep.equal([handshake === 'failed' ? 'handshake-failed' : 'handshake-pending', 'paused'])
    })
  }

  it('waits for a handshake under way', () => {
    const found = { ...settled, webhook: { ...foundHook, handshake: 'requested' as const, paused: true } }
    expect(steps(found)).to.deep.equal([])
    expect(alarms(found)).to.deep.equal(['handshake-pending', 'paused'])
  })

  it('resumes what is paused, unless that is somebody’s wish', () => {
    const found = { ...settled, webhook: { ...foundHook, paused: true } }
    expect(steps(found)).to.deep.equal(['resume q/orders'])
    expect(steps(found, { ...desired, resume: false })).to.deep.equal([])
    expect(alarms(found)).to.deep.equal(['paused'])
  })

  const risky: readonly [string, FoundMesh][] = [
    ['qos-0', { ...settled, webhook: { ...foundHook, qos: 0 } }],
    ['handshake-exempted', { ...settled, webhook: { ...foundHook, handshake: 'exempted' } }],
    ['ttl-short', { ...settled, settings: { ...settled.settings, maxTtl: 900 } }],
    ['redeliveries-few', { ...settled, settings: { ...settled.settings, maxRedeliveryCount: 5 } }],
    ['no-dead-message-queue', { ...settled, settings: { ...settled.settings, deadMsgQueue: '' } }],
    ['dead-message-queue-missing', { ...settled, deadMsgQueueExists: false }],
  ]
  for (const [code, found] of risky) it(`shows the risk ${code}`, () => expect(codes(found)).to.include(code))

  it('knows the bounds of a risk', () => {
    const { settings } = settled
    expect(codes({ ...settled, settings: { ...settings, maxTtl: 901, maxRedeliveryCount: 6 } })).to.deep.equal([])
    expect(codes({ ...settled, settings: { ...settings, maxTtl: 0 } })).to.deep.equal([])
    expect(codes({ ...settled, deadMsgQueueExists: true })).to.deep.equal([])
  })

  it('asks for no webhook where the queue is pulled, and says who competes', () => {
    const { webhook, ...pulled } = desired
    expect(steps({ topics: [], rivals: ['older'] }, pulled)).to.deep.equal([
      'create-queue q/orders {"maxTtl":604800}',
      'add-topic q/orders a/b/c/ce/*',
    ])
    expect(codes({ ...settled, rivals: ['older'] }, pulled)).to.deep.equal(['webhook-rival'])
  })
})
