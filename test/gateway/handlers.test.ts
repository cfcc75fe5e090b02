import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { loadHandler } from '../../srv/handlers.ts'

describe('handler modules in the other module system', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'sluice-handlers-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  // What a new user meets first: the file of a guide in a package of the other kind.
  for (const [type, text, remedy] of [
    ['commonjs', 'export default async () => {}', /in CommonJS write module\.exports = .*"type": "module"/],
    ['commonjs', "import fs from 'node:fs'\nmodule.exports = async () => fs", /in CommonJS write module\.exports = /],
    ['module', 'module.exports = async () => {}', /Write export default .*\.cjs/],
    ['module', "const fs = require('node:fs')\nexport default async () => fs", /Write export default /],
    ['module', 'throw new Error("not today")', /not today.* Mend the module\.$/],
  ] as const) {
    it(`says so: ${JSON.stringify(text)} in a package of type ${type}`, async () => {
      writeFileSync(join(root, 'package.json'), JSON.stringify({ type }))
      writeFileSync(join(root, 'orders.js'), text)
      const loading = loadHandler('orders', 'orders', root)
      const fault = await loading.then(
        () => undefined,
        (thrown: Error) => thrown,
      )
      expect(fault?.message).to.match(remedy).and.include('sluice.subscriptions.orders.handler: ')
    })
  }
})
