import { expect } from 'chai'
import { describeStep, planMesh } from '#domain/plan-mesh'
import { type MeshManager, manageMesh, type SubscribeOptions } from '../../../adapters/event-mesh/index.ts'
import { applyMesh } from '../../../srv/runtime/mesh-watch.ts'
import { type EventMeshBroker, eventMeshBroker } from '../../../testing/index.ts'
import { faultOf } from '../../helpers/faults.ts'
import { connectionTo, S4_TOPIC, s4Event } from '../../helpers/mesh.ts'
import { reply, scriptedServer } from '../../helpers/scripted-server.ts'
import { type Receiver, receiver, until } from '../../testing/support.ts'

const TOPIC = 'sap/S4HANAOD/hq01/ce/*'

for (const dialect of ['event-mesh', 'integration-suite'] as const) {
  describe(`Event Mesh management: ${dialect}`, () => {
    let broker: EventMeshBroker
    let hook: Receiver
    let managers: MeshManager[]

    beforeEach(async () => {
      managers = []
      broker = await eventMeshBroker()
      hook = await receiver(() => 200)
    })
    afterEach(async () => {
      for (const manager of managers) manager.close()
      await Promise.all([broker.stop(), hook.stop()])
    })

    const manage = (subscribe: Partial<SubscribeOptions> = {}, queue = 'q/orders', pulled = false): MeshManager => {
      const manager = manageMesh({
        queue,
        connection: connectionTo(broker, { dialect }),
        subscribe: { topics: [TOPIC], queue: { maxTtl: 86_400 }, ...subscribe },
        ...(pulled ? {} : { webhookUrl: hook.url }),
      })
      managers.push(manager)
      return manager
    }
    const webhook = async () => (await broker.state()).subscriptions[0]
    const isActive = () => until(async () => (await webhook())?.subscriptionStatus === 'ACTIVE')
    const writes = async () => (await broker.calls()).filter((call) => !/^GET|oauth/.test(call))
    const plan = async (manager: MeshManager) => planMesh(manager.desired, await manager.look()).steps.map(describeStep)
    const put = async (path: string, body: object) => {
      const headers = { authorization: `Bearer ${await broker.token()}`, 'content-type': 'application/json' }
      const answer = await fetch(`${broker.url}/${path}`, { method: 'PUT', headers, body: JSON.stringify(body) })
      expect(answer.ok, `${path} ${answer.status}`).to.equal(true)
    }

    it('shows the difference without changing anything', async () => {
      expect(await plan(manage())).to.deep.equal([
        'create-queue q/orders {"maxTtl":86400}',
        `add-topic q/orders ${TOPIC}`,
        `create-webhook q/orders ${hook.url}`,
      ])
      expect(await writes()).to.deep.equal([])
    })

    it('brings about queue, topic and webhook, by which events then arrive', async () => {
      const { done } = await applyMesh(manage())
      expect(done).to.have.length(3)
      await isActive()
      await broker.publish(S4_TOPIC, s4Event('1'))
      await until(() => hook.deliveries().length === 1)
      expect(hook.deliveries()[0]?.headers.authorization).to.match(/^Bearer ey/)
    })

    it('writes nothing at all where nothing differs', async () => {
      await applyMesh(manage())
      await isActive()
      const before = await writes()
      const { done, plan: left } = await applyMesh(manage())
      expect(done).to.deep.equal([])
      expect(left.risks.map(({ code }) => code)).to.deep.equal(['no-dead-message-queue'])
      expect(await writes()).to.deep.equal(before)
    })

    it('looks whether the dead message queue is there', async () => {
      const risks = async () => {
        const manager = manage({ queue: { deadMsgQueue: 'q/dead' } })
        return planMesh(manager.desired, await manager.look()).risks.map(({ code }) => code)
      }
      await applyMesh(manage({ queue: { deadMsgQueue: 'q/dead' } }))
      await isActive()
      expect(await risks()).to.deep.equal(['dead-message-queue-missing'])
      await applyMesh(manage({ topics: [] }, 'q/dead', true))
      expect(await risks()).to.deep.equal([])
    })

    // Mutation tried: where 403 is a fault, neither topic nor webhook comes about.
    it('does its work though the dead message queue is not ours to see', async () => {
      await broker.switch({ faults: [{ match: 'GET .*/queues/others%2Fdead$', answer: 403 }] })
      const manager = manage({ queue: { deadMsgQueue: 'others/dead' } })
      const { done, plan: left } = await applyMesh(manager)
      expect(done.map(({ step }) => step)).to.deep.equal(['create-queue', 'add-topic', 'create-webhook'])
      expect(left.risks.map(({ code }) => code)).to.not.include('dead-message-queue-missing')
      expect((await broker.calls()).filter((call) => call.endsWith('others%2Fdead'))).to.not.deep.equal([])
      expect(await manager.look(), 'nothing is known').to.not.have.property('deadMsgQueueExists')
    })

    it('changes only what differs', async () => {
      await applyMesh(manage())
      await isActive()
      const { done } = await applyMesh(manage({ queue: { maxTtl: 3_600, maxRedeliveryCount: 10 } }))
      expect(done.map(describeStep)).to.deep.equal(['update-queue q/orders {"maxTtl":3600,"maxRedeliveryCount":10}'])
      expect((await broker.state()).handshakes).to.equal(1)
    })

    it('replaces a webhook that leads elsewhere, and loses no message meanwhile', async () => {
      const old = await receiver(() => 500)
      await applyMesh(manage({ webhook: { url: old.url } }))
      await isActive()
      await put('messagingrest/v1/subscriptions/q%2Forders/state', { action: 'pause' })
      await broker.publish(S4_TOPIC, s4Event('1'))
      const { done } = await applyMesh(manage())
      expect(done.map(({ step }) => step)).to.deep.equal(['replace-webhook'])
      await until(() => hook.deliveries().length === 1)
      await old.stop()
    })

    it('leaves other owners’ queues, topics and webhooks alone', async () => {
      const base = dialect === 'event-mesh' ? 'hub/rest/api/v1/management/messaging' : 'sap-event-mesh/rest/api/v1'
      await put(`${base}/queues/others`, { maxTtl: 60 })
      await put(`${base}/queues/others/subscriptions/${encodeURIComponent('x/*')}`, {})
      await broker.subscribe('others', hook.url)
      await applyMesh(manage({ exactTopics: true }))
      const { queues, subscriptions } = await broker.state()
      expect(queues.find(({ name }) => name === 'others')?.topics).to.deep.equal(['x/*'])
      expect(subscriptions.map(({ name }) => name)).to.have.members(['others', 'q/orders'])
      expect((await writes()).filter((call) => call.startsWith('DELETE'))).to.deep.equal([])
    })

    it('does not take over a webhook of its name that belongs to another queue', async () => {
      await broker.queue('others')
      await broker.subscribe('others', hook.url, { name: 'q/orders' })
      const { plan: left } = await applyMesh(manage())
      expect(left.risks.map(({ code }) => code)).to.include('webhook-foreign')
      expect((await writes()).filter((call) => call.startsWith('DELETE'))).to.deep.equal([])
    })

    it('refuses a step for a name that is not configured, whoever planned it', async () => {
      const manager = manage()
      for (const step of [
        { step: 'create-queue', queue: 'others', settings: {} },
        { step: 'remove-topic', queue: 'others', topic: 'x' },
        { step: 'resume', webhook: 'others' },
      ] as const) {
        expect((await faultOf(manager.carryOut(step))).code).to.equal('mesh-foreign')
      }
      expect(await writes()).to.deep.equal([])
    })

    it('resumes what is paused, or leaves it so where that is wanted', async () => {
      await applyMesh(manage())
      await isActive()
      await put('messagingrest/v1/subscriptions/q%2Forders/state', { action: 'pause' })
      const kept = await applyMesh(manage({ resume: false }))
      expect(kept.done).to.deep.equal([])
      expect(kept.plan.risks.map(({ code }) => code)).to.include('paused')
      const { done, plan: left } = await applyMesh(manage())
      expect(done.map(({ step }) => step)).to.deep.equal(['resume'])
      expect(left.risks.map(({ code }) => code)).to.not.include('paused')
    })

    it('starts a failed handshake again, and resumes after it', async () => {
      const door = await scriptedServer((_, response) => reply(response, 403))
      const mine = () => manage({ webhook: { url: door.url } })
      await applyMesh(mine())
      await until(async () => (await webhook())?.handshakeStatus === 'FAILED')
      const failed = await applyMesh(mine())
      expect(failed.done.map(({ step }) => step)).to.deep.equal(['handshake'])
      expect(failed.plan.risks.map(({ code }) => code)).to.include.members(['handshake-failed', 'paused'])
      door.script = (_, response) => reply(response, 200, undefined, { 'webhook-allowed-origin': '*' })
      const { done } = await applyMesh(mine())
      expect(done.map(({ step }) => step)).to.deep.equal(['handshake', 'resume'])
      await door.close()
      expect(await webhook()).to.include({ subscriptionStatus: 'ACTIVE', handshakeStatus: 'COMPLETED' })
    })

    it('renews a webhook for a new secret, which no broker shows', async () => {
      await applyMesh(manage())
      await isActive()
      const { done } = await applyMesh(manage(), { renew: true })
      expect(done.map(describeStep)).to.deep.equal(['replace-webhook q/orders (renewed)'])
    })

    it('lets two instances create the same webhook', async () => {
      const [first, second] = await Promise.all([applyMesh(manage()), applyMesh(manage())])
      expect([first.plan.steps, second.plan.steps].flat().filter(({ step }) => step !== 'resume')).to.deep.equal([])
      expect((await broker.state()).subscriptions).to.have.length(1)
    })

    it('asks for no webhook where the queue is pulled', async () => {
      const { done } = await applyMesh(manage({}, 'q/pulled', true))
      expect(done.map(({ step }) => step)).to.deep.equal(['create-queue', 'add-topic'])
    })
  })
}

describe('Event Mesh management: authentication of the webhook', () => {
  let broker: EventMeshBroker
  let hook: Receiver

  beforeEach(async () => {
    broker = await eventMeshBroker()
    hook = await receiver(() => 200)
  })
  afterEach(() => Promise.all([broker.stop(), hook.stop()]))

  const applied = async (webhook: SubscribeOptions['webhook']) => {
    const connection = connectionTo(broker)
    const options = { queue: 'q', connection, subscribe: { topics: [TOPIC], ...(webhook && { webhook }) } }
    const manager = manageMesh({ ...options, webhookUrl: hook.url })
    try {
      await applyMesh(manager)
      await until(async () => (await broker.state()).subscriptions[0]?.handshakeStatus === 'COMPLETED')
      return (await applyMesh(manager)).done
    } finally {
      manager.close()
    }
  }

  it('is known again, so that nothing is replaced', async () => {
    expect(await applied({ auth: { kind: 'none' } })).to.deep.equal([])
    expect(hook.received[0]?.headers).to.not.have.property('authorization')
    expect(await applied({ auth: { kind: 'basic', user: 'mesh', password: 'word' } })).to.deep.equal([])
    expect(hook.received.at(-1)?.headers.authorization).to.equal(`Basic ${btoa('mesh:word')}`)
    expect(await applied({ auth: { kind: 'api-key', name: 'x-api-key', value: 'k' } })).to.deep.equal([])
    expect(hook.received.at(-1)?.headers['x-api-key']).to.equal('k')
  })

  it('is refused at start where something is missing', () => {
    const connection = connectionTo(broker)
    for (const auth of [
      { kind: 'basic', user: 'u', password: '' },
      { kind: 'oauth2', tokenUrl: 'https://x.example', clientId: 'c' },
      { kind: 'kerberos' },
    ]) {
      const subscribe = { topics: [], webhook: { auth: auth as never } }
      expect(() => manageMesh({ queue: 'q', connection, subscribe, webhookUrl: hook.url })).to.throw(/webhook\.auth/)
    }
  })
})
