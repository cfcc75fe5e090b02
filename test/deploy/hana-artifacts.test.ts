import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { expect } from 'chai'
import { hanaArtifacts } from '../../scripts/hana-artifacts.js'

// Compiled, and looked at; no HANA is at hand to deploy it to.
describe('the HDI module for HANA', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-hdi-'))
  before(() => hanaArtifacts(folder))
  after(() => rmSync(folder, { recursive: true, force: true }))

  it('has a table for every stored noun', () => {
    const schema = readFileSync(new URL('../../db/schema.cds', import.meta.url), 'utf8')
    const entities = [...schema.matchAll(/^entity (\w+)/gm)].map(([, name]) => `sluice.${name}.hdbtable`)
    expect(entities).to.have.length.above(10)
    expect(readdirSync(join(folder, 'src/gen'))).to.include.members(entities)
  })

  it('names a plugin for every kind of file in it', () => {
    const { file_suffixes } = JSON.parse(readFileSync(join(folder, 'src/.hdiconfig'), 'utf8'))
    for (const file of readdirSync(join(folder, 'src/gen')))
      expect(file_suffixes).to.have.property(extname(file).slice(1))
  })

  it('starts HDI’s deployer', () => {
    const { scripts, dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    expect(dependencies).to.have.property('@sap/hdi-deploy')
    expect(scripts.start).to.include('@sap/hdi-deploy/deploy.js')
  })
})
