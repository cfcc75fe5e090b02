import { parseArgs } from 'node:util'
import { announceReady } from '../simulator-process.ts'
import type { EventMeshOptions } from './options.ts'
import { startEventMesh } from './server.ts'

// Run alone: node testing/event-mesh/main.ts --port 4020
const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    /** Everything as JSON, as `eventMeshBroker()` sends it. */
    options: { type: 'string', default: '{}' },
    /** End with the standard input. */
    attached: { type: 'boolean', default: false },
  },
})

const given: EventMeshOptions = {
  ...(JSON.parse(values.options) as EventMeshOptions),
  ...(values.port && { port: Number(values.port) }),
}

announceReady(values.attached, await startEventMesh(given))
