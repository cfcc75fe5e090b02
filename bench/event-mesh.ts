import { type EventMeshBroker, eventMeshBroker } from 'cap-sluice/testing'
import { startGateway } from './gateway.ts'
import { latency, rates } from './intake.ts'
import type { LoadResult } from './load.ts'
import type { MeshLoad } from './mesh-deliveries.ts'
import { fileIn, inFolder, load, loadFloor, type Measure, NO_OP, rotate, type Scale } from './run.ts'
import { median } from './statistics.ts'

/** Deliveries of an Event Mesh whose token is checked each time against its issuer's keys; beside the floor. */
export async function eventMesh(scale: Scale): Promise<Measure[]> {
  const broker = await eventMeshBroker()
  try {
    const token = await broker.token()
    const { floor, sources, subscription, poison } = await rotate(scale.rotations, {
      floor: () => loadFloor(scale),
      sources: () => loadMesh(scale, broker, { token }),
      subscription: () => loadMesh(scale, broker, { token }, { roles: ['intake'], subscriptions: NO_OP }),
      poison: () => loadMesh(scale, broker, { token, poison: true }, { roles: ['intake'], subscriptions: NO_OP }),
    })
    const ratio = (results: readonly LoadResult[], to: string, base: readonly LoadResult[], bar: number) => ({
      to,
      value: median(rates(results)) / median(rates(base)),
      bar,
    })
    return [
      { name: 'floor', unit: 'deliveries/s', values: rates(floor) },
      ...latency('floor', floor),
      {
        name: 'sources only',
        unit: 'deliveries/s',
        values: rates(sources),
        ratio: ratio(sources, 'floor', floor, 0.35),
      },
      ...latency('sources only', sources),
      {
        name: 'one subscription',
        unit: 'deliveries/s',
        values: rates(subscription),
        ratio: ratio(subscription, 'floor', floor, 0.35),
      },
      ...latency('one subscription', subscription),
      {
        name: 'nothing but poison',
        unit: 'deliveries/s',
        values: rates(poison),
        ratio: ratio(poison, 'one subscription', subscription, 1),
      },
    ]
  } finally {
    await broker.stop()
  }
}

const loadMesh = (
  scale: Scale,
  { jwksUrl, tokenUrl, client }: EventMeshBroker,
  mesh: MeshLoad,
  settings: object = {},
): Promise<LoadResult> =>
  inFolder(async (folder) => {
    const [audience, scope] = [client.audience[0], client.scopes[0]]
    const auth = { kind: 'jwt', jwksUrl, issuer: tokenUrl, audience, scope }
    const sources = { s4: { kind: 'event-mesh', queue: 'bench/s4', auth } }
    const gateway = await startGateway(fileIn(folder), { sources, ...settings })
    try {
      return await load(scale, { port: gateway.port, path: '/webhooks/s4' }, mesh)
    } finally {
      await gateway.stop()
    }
  })
