import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { type EventMeshBroker, eventMeshBroker } from '../../../testing/index.ts'
import { type CrashStore, STORES } from '../../crash/helpers/stores.ts'
import { connectionTo, S4_TOPIC, s4Event } from '../../helpers/mesh.ts'
import type { MeshConsumerOptions } from '../../helpers/mesh-consumer-process.ts'
import { until } from '../../testing/support.ts'

const CHILD = fileURLToPath(new URL('../../helpers/mesh-consumer-process.ts', import.meta.url))
const MINUTE_MS = 60_000

/** kill -9 of a process that pulls. The judges are the sender's own list and the rows in the store. */
for (const { short, open } of STORES)
  describe(`kill -9 of a consumer: ${short}`, function () {
    this.timeout(60_000)
    let broker: EventMeshBroker
    let store: CrashStore
    let children: ChildProcess[]

    beforeEach(async function () {
      children = []
      store = await open(this)
      broker = await eventMeshBroker()
      await broker.queue('q', ['sap/S4HANAOD/hq01/ce/*'])
    })
    afterEach(async () => {
      for (const child of children) {
        if (child.exitCode === null && child.signalCode === null) {
          const exited = once(child, 'exit')
          child.kill('SIGKILL')
          await exited
        }
      }
      await broker?.stop()
      await store?.remove()
    })

    const start = (more: Pick<MeshConsumerOptions, 'dies' | 'mutation'> = {}): ChildProcess => {
      const options: MeshConsumerOptions = {
        connection: connectionTo(broker),
        queue: 'q',
        store: store.inbox,
        ...more,
      }
      const child = spawn(process.execPath, [...process.execArgv, CHILD, JSON.stringify(options)], {
        stdio: ['pipe', 'ignore', 'inherit'],
      })
      children.push(child)
      return child
    }
    const killed = async (child: ChildProcess) => {
      if (child.signalCode === null) await once(child, 'exit')
      expect(child.signalCode).to.equal('SIGKILL')
    }
    const queue = async () => (await broker.state()).queues[0]
    const sent = ['evt-1', 'evt-2', 'evt-3', 'evt-4', 'evt-5']
    const stored = async (): Promise<string[]> => {
      const rows = await store.sql<{ id: string }>('SELECT id FROM sluice_Events ORDER BY id')
      return rows.map(({ id }) => id)
    }

    /** Dies once with a message, is started again, and gets back what the broker still holds. */
    async function crash(more: Pick<MeshConsumerOptions, 'dies' | 'mutation'>): Promise<string[]> {
      for (const id of sent) await broker.publish(S4_TOPIC, s4Event(id))
      await killed(start(more))
      start()
      await until(async () => (await queue())?.ready === 0)
      await broker.advance(15 * MINUTE_MS)
      await until(async () => (await queue())?.acked === sent.length)
      return stored()
    }

    for (const [dies, when] of [
      ['consumed', 'with a message handed out and not committed'],
      ['stored', 'with a message committed and not acknowledged'],
      ['acknowledged', 'with a message acknowledged'],
    ] as const) {
      it(`loses and doubles nothing ${when}`, async () => {
        expect(await crash({ dies })).to.deep.equal(sent)
      })
    }

    // The proof that the tests above can fail: with the acknowledgement before the commit, a message is gone.
    if (short === 'sqlite')
      it('would lose a message if it were acknowledged before its commit', async () => {
        expect(await crash({ dies: 'consumed', mutation: 'acknowledge-first' })).to.deep.equal(sent.slice(1))
      })
  })
