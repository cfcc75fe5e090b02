import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect } from 'chai'
import { environmentDestinations } from '../../adapters/btp/environment.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const GUIDE = join(ROOT, 'docs/guides/deploy-to-btp.md')
const guide = readFileSync(GUIDE, 'utf8')

describe('the guide “Deploy to SAP BTP”', () => {
  it('links to files that are there', () => {
    const links = [...guide.matchAll(/\]\((?!https:)([^)#]+)\)/g)].map(([, link = '']) => link)
    expect(links).to.have.length.above(7)
    for (const link of links) expect(existsSync(join(dirname(GUIDE), link)), link).to.equal(true)
  })

  it('runs npm scripts and commands of the package that are there', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    for (const [, name = ''] of guide.matchAll(/npm run ([\w:]+)/g)) expect(scripts).to.have.property(name)
    for (const [, command = ''] of guide.matchAll(/cap-sluice\/dist\/(\S+)\.js/g)) {
      expect(existsSync(join(ROOT, `${command}.ts`)), command).to.equal(true)
    }
  })

  it('writes local destinations in a form that is read', () => {
    const [, text] = /export destinations='(.*)'/.exec(guide) ?? []
    expect([...environmentDestinations(text).keys()]).to.deep.equal(['S4HANA'])
  })

  it('shows the source and the target as deploy/app has them', () => {
    const app = readFileSync(join(ROOT, 'deploy/app/.cdsrc.json'), 'utf8').replaceAll(/\s/g, '')
    const shown = (pattern: RegExp) => (pattern.exec(guide)?.[0] ?? '-').replaceAll(/\s/g, '')
    expect(app).to.include(shown(/"s4": \{.*\} \}/).slice(0, -1))
    expect(app).to.include(shown(/"erp": \{.*_SRV"/))
  })
})
