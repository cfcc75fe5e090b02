import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { expect } from 'chai'
import type { Source } from '#domain/source'
import { sources } from '../../../adapters/sources/index.ts'

const folder = new URL('../../../adapters/sources/', import.meta.url)
const camelCase = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())

/** The least configuration of each kind; a new kind adds a line. */
const LEAST: Readonly<Record<keyof typeof sources, object>> = {
  github: { secrets: ['s'] },
  stripe: { secrets: ['s'] },
  shopify: { secrets: ['s'] },
  'standard-webhooks': { secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'] },
  hmac: { secrets: ['s'], header: 'x-signature', id: '/id' },
  cloudevents: { auth: { kind: 'none' } },
  http: { path: 'orders', auth: { kind: 'none' } },
  'event-mesh': { queue: 'q', auth: { kind: 'none' } },
  'event-hub': { auth: { kind: 'none' } },
  'event-broker': { auth: { kind: 'none' } },
  'advanced-event-mesh': { queue: 'q', auth: { kind: 'none' } },
}

describe('the registry of sources', () => {
  it('has every file of the folder that exports a factory of its own name, and nothing else', async () => {
    const kinds: string[] = []
    for (const file of readdirSync(folder).filter((one) => one.endsWith('.ts'))) {
      const name = basename(file, '.ts')
      const module = (await import(new URL(file, folder).href)) as Record<string, unknown>
      if (typeof module[camelCase(name)] !== 'function') continue
      kinds.push(name)
      expect(sources[name as keyof typeof sources], name).to.equal(module[camelCase(name)])
    }
    expect(Object.keys(sources).sort()).to.deep.equal(kinds.sort())
  })

  for (const [kind, make] of Object.entries(sources)) {
    const factory = make as (options: never) => Source
    const least = LEAST[kind as keyof typeof sources]

    it(`builds ${kind} from JSON; the source knows its kind`, () => {
      expect(factory(JSON.parse(JSON.stringify({ kind, ...least })) as never).kind).to.equal(kind)
    })

    it(`refuses an unknown option of ${kind} and names it`, () => {
      expect(() => factory({ ...least, secert: 'x' } as never))
        .to.throw(new RegExp(`"${kind}".*"secert" is not known.*Remove it or use one of`))
        .with.property('code', 'configuration')
    })

    it(`refuses ${kind} without options and says what is missing`, () => {
      expect(() => factory({} as never))
        .to.throw(/option "[\w.]+"/)
        .with.property('code', 'configuration')
    })
  }
})
