import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { environmentDestinations } from '../../adapters/btp/environment.ts'
import { readGuide } from '../helpers/guide.ts'

const guide = readGuide('docs/guides/deploy-to-btp.md')

describe('the guide “Deploy to SAP BTP”', () => {
  it('writes local destinations in a form that is read', () => {
    const line = guide.commands().find((command) => command.startsWith('export destinations='))
    const text = execFileSync('bash', ['-c', `${line}; printenv destinations`], { encoding: 'utf8' })
    expect([...environmentDestinations(text).keys()]).to.deep.equal(['S4HANA'])
  })

  it('shows the source and the target as deploy/app has them', () => {
    const app = readFileSync(new URL('../../deploy/app/.cdsrc.json', import.meta.url), 'utf8').replaceAll(/\s/g, '')
    const shown = (pattern: RegExp) => (pattern.exec(guide.text)?.[0] ?? '-').replaceAll(/\s/g, '')
    expect(app).to.include(shown(/"s4": \{.*\} \}/).slice(0, -1))
    expect(app).to.include(shown(/"erp": \{.*_SRV"/))
  })
})
