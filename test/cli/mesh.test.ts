import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { type EventMeshBroker, eventMeshBroker } from '../../testing/index.ts'
import { endAll, ROOT, sluice as run } from './helpers/cli.ts'

const QUEUE = 'default/sluice.test/1/orders'

describe('sluice mesh', function () {
  this.timeout(60_000)
  let broker: EventMeshBroker
  let folder: string

  before(async () => {
    broker = await eventMeshBroker()
  })
  after(() => broker.stop())

  beforeEach(() => {
    mkdirSync(join(ROOT, '.tmp'), { recursive: true })
    folder = mkdtempSync(join(ROOT, '.tmp/mesh-'))
    const { url, tokenUrl, client } = broker
    const sluice = {
      sources: {
        s4: {
          kind: 'event-mesh',
          queue: QUEUE,
          consume: 'pull',
          broker: { url, tokenUrl, clientId: client.clientId, clientSecret: 'env:MESH_SECRET' },
          subscribe: { topics: ['sap/S4HANAOD/hq01/ce/*'] },
        },
      },
    }
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'app', cds: { requires: { sluice } } }))
  })
  afterEach(() => {
    endAll()
    rmSync(folder, { recursive: true, force: true })
  })

  const sluice = (...args: string[]) => run(args, { cwd: folder, env: { MESH_SECRET: broker.client.clientSecret } })

  it('shows what differs, sets it up, and finds nothing more to do', async () => {
    const planned = await sluice('mesh', 'plan', '--json')
    expect(planned.code, planned.stderr).to.equal(1)
    const [plan] = JSON.parse(planned.stdout) as { source: string; steps: string[] }[]
    expect(plan?.source).to.equal('s4')
    expect(plan?.steps.join('\n')).to.include(QUEUE)

    const applied = await sluice('mesh', 'apply')
    expect(applied.stdout, applied.stderr).to.include('s4: did')
    const again = await sluice('mesh', 'plan', '--json')
    expect(JSON.parse(again.stdout)).to.have.nested.property('[0].steps').that.is.empty
    expect(planned.stdout + applied.stdout + again.stdout).not.to.include(broker.client.clientSecret)
  })

  it('says so where nothing is managed', async () => {
    const ended = await sluice('mesh', 'plan', '--source', 'other')
    expect(ended.code).to.equal(2)
    expect(ended.stderr).to.include('The source other has no "subscribe".')
  })
})
