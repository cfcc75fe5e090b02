import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { apiReference } from '../../scripts/api-reference.js'

describe('docs/api.md', () => {
  it('is what the docstrings say; `npm run api` writes it', () => {
    const written = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8')
    expect(written === apiReference(), 'docs/api.md is behind the docstrings: npm run api').to.equal(true)
  })
})
