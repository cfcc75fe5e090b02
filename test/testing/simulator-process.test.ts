import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { expect } from 'chai'
import { isCut, until } from './support.ts'

const testing = path.resolve(import.meta.dirname, '../../testing/index.ts')

describe('simulator processes', () => {
  // Fails without the child's watch on its standard input.
  it('end with the process that started them, also when that is killed', async () => {
    const script = `
      import { eventMeshBroker } from ${JSON.stringify(testing)}
      const broker = await eventMeshBroker()
      console.log(broker.url)
      setInterval(() => {}, 1000)`
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [url] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
    expect((await fetch(`${url}/token_keys`)).status).to.equal(200)
    parent.kill('SIGKILL')
    await until(() => isCut(fetch(`${url}/token_keys`)))
  })
})
