import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { planMesh } from '#domain/plan-mesh'
import { capBindings } from '../../../adapters/btp/index.ts'
import { memoryInbox } from '../../../adapters/inbox/memory/index.ts'
import { readConfig } from '../../../srv/config.ts'
import type { Gateway } from '../../../srv/gateway.ts'
import { applyMesh } from '../../../srv/runtime/mesh-watch.ts'
import { NO_METER } from '../../../srv/runtime/untold.ts'
import { managedMeshes } from '../../../srv/wire-mesh.ts'
import { wire } from '../../../srv/wiring.ts'
import { type EventMeshBroker, eventMeshBroker } from '../../../testing/index.ts'
import { faultOf, thrownBy } from '../../helpers/faults.ts'
import { S4_TOPIC, s4Event } from '../../helpers/mesh.ts'
import { recordingLog } from '../../helpers/recording-log.ts'
import { until } from '../../testing/support.ts'

const namespace = 'default/my.app/1'

/** From the configuration an app writes, with a binding as the platform gives it, to a broker that obeys. */
describe('Event Mesh by configuration', () => {
  let broker: EventMeshBroker
  let gateway: Gateway | undefined
  let server: Server | undefined

  beforeEach(async () => {
    broker = await eventMeshBroker()
  })
  afterEach(async () => {
    await gateway?.stop({ timeoutMs: 2_000 })
    server?.closeAllConnections()
    server?.close()
    gateway = undefined
    server = undefined
    await broker.stop()
  })

  const services = (name: string) => {
    if (name !== 'messaging') return undefined
    const { clientId: clientid, clientSecret: clientsecret } = broker.client
    const oa2 = { clientid, clientsecret, tokenendpoint: broker.tokenUrl }
    const uri = broker.url
    return { credentials: { namespace, messaging: [{ protocol: ['httprest'], uri, oa2 }], management: [{ uri, oa2 }] } }
  }
  const env = { MESH_SECRET: 'event-mesh-secret' }
  const address = () => ({
    url: broker.url,
    tokenUrl: broker.tokenUrl,
    clientId: broker.client.clientId,
    clientSecret: 'env:MESH_SECRET',
    namespace,
  })

  async function wired(sluice: object) {
    const inbox = memoryInbox()
    const log = recordingLog()
    const bindings = capBindings(() => ({}))
    gateway = await wire({
      config: readConfig(sluice, env),
      inbox,
      log,
      meter: NO_METER,
      root: '.',
      bindings,
      services,
    })
    return { inbox, log, gateway }
  }

  it('pulls, sets its queue up, and passes events on', async () => {
    await broker.queue('sniffer', [`${namespace}/*`])
    const {
      inbox,
      log,
      gateway: wiredUp,
    } = await wired({
      sources: {
        s4: {
          kind: 'event-mesh',
          queue: `${namespace}/s4`,
          consume: 'pull',
          broker: 'messaging',
          idleMs: 50,
          subscribe: { topics: ['sap/S4HANAOD/hq01/ce/*'], watchMs: 100 },
        },
      },
      targets: { mesh: { kind: 'event-mesh', broker: address() } },
      subscriptions: {
        out: { on: 'sap.s4.beh.*', publish: { target: 'mesh', topic: '$namespace/orders' } },
        again: { on: 'sap.s4.beh.*', publish: { target: 'mesh' } },
      },
    })
    await wiredUp.start()
    await until(async () =>
      (await broker.state()).queues.some(({ topics }) => topics.includes('sap/S4HANAOD/hq01/ce/*')),
    )
    await broker.publish(S4_TOPIC, s4Event('evt-1'))
    await until(async () => (await broker.state()).queues.find(({ name }) => name === 'sniffer')?.ready === 2)
    expect([...inbox.state.events.values()].map(({ attributes }) => attributes.id)).to.deep.equal(['evt-1'])
    expect(log.text(), 'nobody asked for a queue that was being made').not.to.include('mesh-not-found')
    const topics = (await broker.calls()).filter((call) => call.includes('/topics/')).map(decodeURIComponent)
    expect(topics.some((call) => call.includes(`${namespace}/orders/messages`))).to.equal(true)
    expect(topics.some((call) => call.includes(`${namespace}/ce/sales/order/changed/v1/`))).to.equal(true)
    await until(
      async () => ((await inbox.journal.sourceState('s4', 'risks:mesh')) as unknown[] | undefined)?.length === 1,
    )
  })

  it('passes nothing on that it sent itself and got back, unless an operator asks, or nobody here had it', async () => {
    await broker.queue(`${namespace}/in`, ['sap/S4HANAOD/hq01/ce/*'])
    await broker.queue(`${namespace}/back`, [`${namespace}/ce/*`])
    const pulled = { kind: 'event-mesh', consume: 'pull', broker: 'messaging', idleMs: 50 }
    const { inbox, gateway: wiredUp } = await wired({
      sources: { s4: { ...pulled, queue: `${namespace}/in` }, back: { ...pulled, queue: `${namespace}/back` } },
      targets: { mesh: { kind: 'event-mesh', broker: 'messaging' } },
      subscriptions: {
        out: { on: 'sales.order.*', publish: { target: 'mesh' } },
        copy: { on: 'sales.order.*', sources: ['back'], publish: { target: 'mesh', topic: 'elsewhere/orders' } },
      },
    })
    await wiredUp.start()
    await broker.publish(S4_TOPIC, s4Event('evt-1'))
    const ends = () =>
      [...inbox.state.dispatches.values()].map(
        ({ subscription, status, reason }) => `${subscription} ${reason ?? status}`,
      )
    const over = (count: number) => until(() => ends().filter((end) => /done|echo/.test(end)).length === count)
    await over(3)
    expect(ends()).to.have.members(['out done', 'out echo', 'copy done'])
    const [, returned = ''] = inbox.state.events.keys()
    await wiredUp.admin.replay(returned, 'out', 'operator')
    await over(6)
    expect(ends().slice(-3)).to.have.members(['out done', 'out echo', 'copy echo'])
    const published = (await broker.calls()).filter((call) => /topics.*%2Fce%2F/.test(call))
    expect(published, 'the one of the test, ours, and the one that was asked for').to.have.length(3)
  })

  it('subscribes its webhook, which then delivers, and lets a person see the difference first', async () => {
    server = createServer((request, response) => gateway?.express()(request, response)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const publicUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const sluice = {
      publicUrl,
      sources: {
        s4: {
          kind: 'event-mesh',
          queue: `${namespace}/s4`,
          auth: { kind: 'jwt', jwksUrl: broker.jwksUrl, audience: 'sluice!t1', scope: 'sluice!t1.emcallback' },
          broker: 'messaging',
          subscribe: { topics: ['sap/S4HANAOD/hq01/ce/*'], watchMs: 3_600_000 },
        },
      },
    }
    const { inbox, gateway: wiredUp } = await wired(sluice)
    await wiredUp.start()
    const [managed] = managedMeshes(readConfig(sluice, env), services)
    if (!managed) throw new Error('nothing is managed')
    expect(planMesh(managed.mesh.desired, await managed.mesh.look()).steps.map(({ step }) => step)).to.deep.equal([
      'create-queue',
      'add-topic',
      'create-webhook',
    ])
    await applyMesh(managed.mesh)
    await until(async () => (await broker.state()).subscriptions[0]?.subscriptionStatus === 'ACTIVE')
    await broker.publish(S4_TOPIC, s4Event('evt-1'))
    await until(() => inbox.state.events.size === 1)
    managed.mesh.close()
  })

  it('is what the guide shows', async () => {
    const guide = readFileSync(new URL('../../../docs/guides/behind-a-firewall-pull.md', import.meta.url), 'utf8')
    const guideEnv = {
      MESH_URL: 'https://mesh.example',
      MESH_TOKEN_URL: 'https://token.example/oauth/token',
      MESH_CLIENT_ID: 'client',
      MESH_CLIENT_SECRET: 'secret',
    }
    const blocks = [...guide.matchAll(/```json[^\n]*\n([\s\S]+?)```/g)].map(([, text = '']) => JSON.parse(text))
    expect(blocks).to.have.length(4)
    for (const { cds } of blocks) {
      const inbox = memoryInbox()
      const { subscriptions, ...sluice } = cds.requires.sluice
      const published = subscriptions?.['to-mesh'] ? { subscriptions } : {}
      const config = readConfig({ ...sluice, ...published }, guideEnv)
      const bindings = capBindings(() => ({}))
      await wire({ config, inbox, log: recordingLog(), meter: NO_METER, root: '.', bindings, services })
    }
  })

  it('takes no deliveries for a queue that is pulled, unless it can check who delivers', async () => {
    const mesh = { kind: 'event-mesh', queue: 'q', consume: 'pull', broker: 'messaging', idleMs: 50 }
    const auth = { kind: 'basic', users: { mesh: 'word' } }
    const { inbox, gateway: wiredUp } = await wired({ sources: { closed: mesh, open: { ...mesh, auth } } })
    await wiredUp.start()
    const push = (source: string) =>
      wiredUp.receive({
        method: 'POST',
        url: `/webhooks/${source}`,
        headers: { 'content-type': 'application/cloudevents+json' },
        body: Buffer.from(JSON.stringify(s4Event('forged'))),
      })
    expect([(await push('closed')).status, (await push('open')).status]).to.deep.equal([404, 401])
    expect(inbox.state.events.size).to.equal(0)
  })

  it('starts and goes on without the broker', async () => {
    const { url, tokenUrl } = broker
    await broker.stop()
    const mesh = { kind: 'event-mesh', queue: 'q', broker: { ...address(), url, tokenUrl }, idleMs: 50 }
    const {
      log,
      inbox,
      gateway: wiredUp,
    } = await wired({
      sources: { s4: { ...mesh, consume: 'pull', subscribe: { topics: [], watchMs: 50 } } },
    })
    await wiredUp.start()
    await until(
      async () => ((await inbox.journal.sourceState('s4', 'risks:mesh')) as unknown[] | undefined)?.length === 1,
    )
    await until(
      async () => ((await inbox.journal.sourceState('s4', 'risks:pull')) as unknown[] | undefined)?.length === 1,
    )
    const { ok, risks = [] } = await wiredUp.health()
    expect(ok).to.equal(true)
    expect(risks.map(({ source, code, severity }) => [source, code, severity])).to.deep.equal(
      Array(2).fill(['s4', 'unreachable', 'alarm']),
    )
    expect(log.text()).to.not.include(env.MESH_SECRET)
    expect(log.messages('error').length).to.be.greaterThan(0)
  })

  const wrong: readonly (readonly [string, RegExp, object])[] = [
    ['a pull without a broker', /sluice\.sources\.s4: .*broker/, { consume: 'pull' }],
    ['a service that is not bound', /sluice\.sources\.s4: .*another/, { consume: 'pull', broker: 'another' }],
    ['no consumers', /consumers is 0/, { consume: 'pull', broker: 'messaging', consumers: 0 }],
    ['neither push nor pull', /sluice\.sources\.s4: consume/, { consume: 'poll', auth: { kind: 'none' } }],
    ...(
      [
        ['topics', { topics: 'a/*' }],
        ['topics', {}],
        ['exactTopics', { topics: [], exactTopics: 'false' }],
        ['resume', { topics: [], resume: 'false' }],
        ['watchMs', { topics: [], watchMs: 0 }],
        ['webhook.qos', { topics: [], webhook: { qos: 2 } }],
        ['webhook.exemptHandshake', { topics: [], webhook: { exemptHandshake: 'no' } }],
      ] as const
    ).map(
      ([setting, subscribe]) =>
        [
          `subscribe.${setting} in ${JSON.stringify(subscribe)}`,
          new RegExp(`sluice\\.sources\\.s4: .*subscribe\\.${setting}`),
          { consume: 'pull', broker: 'messaging', subscribe },
        ] as const,
    ),
    [
      'a webhook that nobody can reach',
      /sluice\.sources\.s4: subscribe.*publicUrl/,
      { auth: { kind: 'none' }, broker: 'messaging', subscribe: { topics: [] } },
    ],
    [
      'a setting that is none',
      /subscribe\.topic /,
      { consume: 'pull', broker: 'messaging', subscribe: { topics: [], topic: 'x' } },
    ],
    ['neither push with a proof nor pull', /sluice\.sources\.s4: .*auth/, { broker: 'messaging' }],
  ]
  for (const [what, message, source] of wrong) {
    it(`refuses ${what}`, async () => {
      const fault = await faultOf(wired({ sources: { s4: { kind: 'event-mesh', queue: 'q', ...source } } }))
      expect(fault.code).to.equal('configuration')
      expect(fault.message).to.match(message)
    })
  }

  const loops: readonly (readonly [string, object, object, RegExp | undefined])[] = [
    [
      'by its own topic',
      { publish: { target: 'mesh', topic: '$namespace/orders' } },
      {},
      /sources\.s4 subscribes to .*1\/\*/,
    ],
    ['by the convention', { publish: { target: 'mesh' } }, { topics: ['+/+/+/ce/*'] }, /subscriptions\.out\.publish/],
    [
      'by a type that a wildcard cuts',
      { on: 'commerce.ord*' },
      { topics: [`${namespace}/ce/commerce/order/*`] },
      /comes back/,
    ],
    ['no more where it names other sources', { sources: ['shop'] }, {}, undefined],
    ['not by another type', { on: 'sales.*' }, { topics: [`${namespace}/ce/commerce/order/*`] }, undefined],
    ['not by a longer topic', { on: 'commerce.order.created.v1' }, { topics: [`${namespace}/ce/commerce`] }, undefined],
  ]
  for (const [what, subscription, subscribe, message] of loops) {
    it(`${message ? 'refuses' : 'allows'} a subscription that feeds itself ${what}`, async () => {
      const s4 = { kind: 'event-mesh', queue: 'q', consume: 'pull', broker: 'messaging' }
      const config = {
        sources: {
          s4: { ...s4, subscribe: { topics: [`${namespace}/*`], ...subscribe } },
          shop: { kind: 'cloudevents', auth: { kind: 'none' } },
        },
        targets: { mesh: { kind: 'event-mesh', broker: address() } },
        subscriptions: { out: { on: 'commerce.order.*', publish: { target: 'mesh' }, ...subscription } },
      }
      const wiring = wired(config)
      if (message) expect((await faultOf(wiring)).message).to.match(message)
      else await wiring
    })
  }

  const targets = { mesh: { kind: 'event-mesh', broker: 'messaging' } }
  const refused: readonly (readonly [string, RegExp, object])[] = [
    ['a target without a broker', /targets\.mesh\.broker/, { targets: { mesh: { kind: 'event-mesh' } } }],
    [
      'a broker setting that is none',
      /targets\.mesh\.broker/,
      { targets: { mesh: { kind: 'event-mesh', broker: { x: 1 } } } },
    ],
    [
      'publishing to nowhere',
      /subscriptions\.out\.publish: no target erp/,
      { targets, subscriptions: { out: { on: '*', publish: { target: 'erp' } } } },
    ],
    [
      'a subscription that both handles and publishes',
      /subscriptions\.out: write one of/,
      { targets, subscriptions: { out: { on: '*', handler: 'x', publish: { target: 'mesh' } } } },
    ],
  ]
  for (const [what, message, sluice] of refused) {
    it(`refuses ${what}`, () => expect(thrownBy(() => readConfig(sluice, env)).message).to.match(message))
  }
})
