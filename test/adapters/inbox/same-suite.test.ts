import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect } from 'chai'

const IMPLEMENTATIONS = resolve(import.meta.dirname, '../../../adapters/inbox')

describe('implementations of the inbox', () => {
  const names = readdirSync(IMPLEMENTATIONS, { withFileTypes: true }).filter((entry) => entry.isDirectory())

  it('are more than the one that is used in development', () => {
    expect(names.map(({ name }) => name)).to.include.members(['memory', 'sqlite', 'postgres', 'cql'])
  })

  for (const { name } of names) {
    it(`peer defect 23: ${name} runs the same contract suite as all others, so that development is like production`, () => {
      const test = readFileSync(resolve(import.meta.dirname, `${name}.test.ts`), 'utf8')
      expect(test).to.match(/^\s*inboxSuite\(/m)
    })
  }
})
