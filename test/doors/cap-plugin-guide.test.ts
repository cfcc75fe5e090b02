import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect } from 'chai'
import { type CapApp, capApp } from './helpers/cap-app.ts'

const GUIDE = readFileSync(resolve(import.meta.dirname, '../../docs/guides/cap-plugin.md'), 'utf8')

/** Blocks whose first line names a file: "```js srv/orders-service.js". */
const files = (): Record<string, string> =>
  Object.fromEntries([...GUIDE.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)].map(([, file, text]) => [file, text]))

describe('the guide of the CAP plugin', function () {
  this.timeout(120_000)
  let app: CapApp | undefined
  afterEach(async () => {
    await app?.cleanUp()
    app = undefined
  })

  it('describes an app that works', async () => {
    const { 'package.json': manifest = '', ...sources } = files()
    expect(Object.keys(sources)).to.have.length(3)
    app = await capApp({ cds: JSON.parse(manifest).cds, files: sources })
    const running = await app.start({ command: 'watch', env: { SHOP_SECRET: 'of the shop' } })
    const body = '{"amount":12}'
    const signature = createHmac('sha256', 'of the shop').update(body).digest('hex')
    const headers = { 'x-event-id': 'o-1', 'x-event-type': 'order.created', 'x-signature': signature }
    const answer = await fetch(`${running.url}/webhooks/shop`, {
      method: 'POST',
      body,
      headers: { ...headers, 'content-type': 'application/json' },
    })
    expect(answer.status).to.equal(200)
    expect((await running.rows('/odata/v4/orders/Orders', 1))[0]).to.include({ ID: 'o-1', amount: 12 })
    await running.says(/booked \{ order: 'o-1' \}/)
  })
})
