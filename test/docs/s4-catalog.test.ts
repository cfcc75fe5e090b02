import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { S4_CATALOG } from '../../adapters/sources/s4-catalog.ts'

const lines = readFileSync(new URL('../../docs/s4-catalog.md', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => /^\| \d+ \|/.test(line))

describe('docs/s4-catalog.md', () => {
  it('has the rows of the catalog, and says of each what is only inferred', () => {
    expect(lines).to.have.length(S4_CATALOG.rows.length)
    for (const [index, { object, of, type, key, nature, apis, evidence }] of S4_CATALOG.rows.entries()) {
      const [, , name = '', kind, fields, states, services = ''] = (lines[index] ?? '')
        .split('|')
        .map((one) => one.trim())
      expect(name).to.equal(`${object}${of ? ' items' : ''}${evidence === 'inferred' ? ' *inferred*' : ''}`)
      expect([kind, fields, states]).to.deep.equal([`\`${type}.…\``, key.join(', ') || '—', nature])
      for (const api of apis) expect(services).to.include(`\`${api.service}\``).and.include(`\`${api.entity}\``)
      expect(services.match(/\*inferred\*/g)?.length ?? 0).to.equal(
        apis.filter((api) => api.evidence === 'inferred').length,
      )
    }
  })
})
