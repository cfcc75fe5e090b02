import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { sources as kinds } from '../../../adapters/sources/index.ts'
import { readConfig } from '../../../srv/config.ts'

const guide = readFileSync(new URL('../../../docs/guides/brokers.md', import.meta.url), 'utf8')
const examples = [...guide.matchAll(/```jsonc\n(.*?)```/gs)].map(([, text = '']) => text)

/** Every variable is set; a fingerprint has its form. */
const env = new Proxy<Record<string, string>>(
  {},
  { get: (_, name) => (String(name).endsWith('SHA256') ? 'ab'.repeat(32) : 'set') },
)

describe('the guide to brokers', () => {
  it('has examples', () => {
    expect(examples.length).to.be.above(5)
  })

  for (const [index, text] of examples.entries()) {
    it(`shows configuration that starts (${index + 1}: ${/"([\w-]+)"/.exec(text)?.[1]})`, () => {
      const sources = JSON.parse(`{${text.replaceAll(/ \/\/ .*$/gm, '')}}`)
      const config = readConfig({ sources }, env)
      for (const { kind, retired: _, auth, ...options } of Object.values(config.sources ?? {})) {
        // The binding that `xsuaa` takes the rest from is the platform's.
        const known = auth && 'kind' in auth && auth.kind === 'xsuaa' ? { kind: 'none' } : auth
        const make = kinds[kind as keyof typeof kinds] as (options: object) => { kind: string }
        expect(make({ ...options, auth: known }).kind).to.equal(kind)
      }
    })
  }
})
