import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { freePort } from '../../../demo/free-port.ts'
import { type GatewayProcess, gatewayProcess } from '../../../demo/gateway-process.ts'
import { until } from '../../testing/support.ts'

/** A CAP app whose Event Mesh is out of reach. CAP's own messaging ends its process on the same network error. */
describe('an app without its Event Mesh', function () {
  this.timeout(60_000)
  let folder: string
  let app: GatewayProcess
  let output = ''

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-mesh-'))
    const nobody = `http://127.0.0.1:${await freePort()}`
    const mesh = {
      kind: 'event-mesh',
      queue: 'q',
      consume: 'pull',
      broker: { url: nobody, tokenUrl: `${nobody}/oauth/token`, clientId: 'client', clientSecret: 'env:MESH_SECRET' },
      idleMs: 50,
      subscribe: { topics: ['a/*'], watchMs: 100 },
    }
    const requires = {
      db: false,
      'sluice-db': { kind: 'sqlite', credentials: { url: join(folder, 'sluice.db') } },
      auth: { kind: 'mocked', users: { viewer: { roles: ['SluiceViewer'] } } },
      sluice: { sources: { s4: mesh } },
    }
    app = await gatewayProcess({ requires }, { MESH_SECRET: 'not-for-the-log' }, await freePort(), (text) => {
      output += text
    })
  })
  after(async () => {
    await app?.kill()
    rmSync(folder, { recursive: true, force: true })
  })

  const risks = async () => {
    const headers = { authorization: `Basic ${btoa('viewer:')}` }
    const answer = await fetch(`${app.url}/odata/v4/cockpit/Sources`, { headers })
    const { value } = (await answer.json()) as { value: { name: string; risks: string | null }[] }
    return value.find(({ name }) => name === 's4')?.risks ?? ''
  }

  it('lives, and shows the alarm to its operators', async () => {
    await until(async () => (await risks()).split('\n').length === 2)
    expect(await risks()).to.match(/^alarm: .*cannot be reached/)
    const ready = await fetch(`${app.url}/health/ready`)
    expect([ready.status, await ready.json()]).to.deep.equal([200, { status: 'UP', risks: 2 }])
    const metrics = await (await fetch(`${app.url}/metrics`)).text()
    expect(metrics).to.include('sluice_source_risks{source="s4",risk="unreachable",severity="alarm"} 2')
    expect(output).to.include('cannot be reached').and.not.include('not-for-the-log')
  })
})
