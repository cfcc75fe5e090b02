import { writeSync } from 'node:fs'
import { createGateway } from 'cap-sluice'
import type { Pull } from '#domain/pull'
import { type MeshConnection, meshPull } from '../../adapters/event-mesh/index.ts'
import { type CdsInboxOptions, cdsInbox } from '../../adapters/inbox/index.ts'
import { eventMesh } from '../../adapters/sources/index.ts'

export interface MeshConsumerOptions {
  readonly connection: MeshConnection
  readonly queue: string
  readonly store: CdsInboxOptions
  /** Where it kills itself: with a message in hand, with it committed, or with it acknowledged. */
  readonly dies?: 'consumed' | 'stored' | 'acknowledged'
  /** Breaks the order on purpose: acknowledges as soon as a message is there. */
  readonly mutation?: 'acknowledge-first'
}

// A gateway that pulls, and dies where it is told to. What it is asked for is its argument.
const { connection, queue, store, dies, mutation } = JSON.parse(process.argv[2] ?? '') as MeshConsumerOptions

/** Nothing after this line happens. */
const die = (where: NonNullable<MeshConsumerOptions['dies']>): void => {
  if (dies !== where) return
  writeSync(1, `${JSON.stringify({ died: where })}\n`)
  process.kill(process.pid, 'SIGKILL')
}

const inbox = cdsInbox(store)
const pull = meshPull(connection, queue)
const watched: Pull = {
  ...pull,
  async consume(signal) {
    const message = await pull.consume(signal)
    if (message && mutation === 'acknowledge-first') await pull.acknowledge(message.id, signal)
    if (message) die('consumed')
    return message
  },
  async acknowledge(id, signal) {
    await pull.acknowledge(id, signal)
    die('acknowledged')
  },
}

const gateway = createGateway({
  inbox: {
    ...inbox,
    intake: {
      async store(batch) {
        const outcomes = await inbox.intake.store(batch)
        die('stored')
        return outcomes
      },
    },
  },
  consumers: [
    { name: 's4', source: eventMesh({ queue, auth: { kind: 'none' } }), pull: watched, consumers: 1, idleMs: 100 },
  ],
})

// The test is gone, however it went.
process.stdin.resume().once('close', () => process.exit(0))
await gateway.start()
writeSync(1, `${JSON.stringify({ ready: true })}\n`)
