import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { inspect } from './helpers/house.ts'
import { importsOf } from './helpers/imports.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SOURCES = '{srv,adapters,testing,bin,demo,bench,app,scripts,db}/**/*.{ts,js,mjs,cjs,cds,html,css}'

const house = () =>
  new Map(
    globSync(SOURCES, { cwd: ROOT, exclude: (path) => path.includes('node_modules') })
      .map((path) => path.replaceAll('\\', '/'))
      .map((path) => [path, readFileSync(`${ROOT}/${path}`, 'utf8')]),
  )

const found = (files: Record<string, string>) => inspect(new Map(Object.entries(files)))

describe('architecture', () => {
  it('is as drawn: no arrow up or sideways, no cycle, no long file, no impure decision', () => {
    const tree = house()
    expect(tree.size, 'files found').to.be.above(40)
    expect(inspect(tree)).to.deep.equal([])
  })
})

describe('architecture test', () => {
  it('reads every kind of import', () => {
    const text = `
      import a from './a.ts'
      import type { B } from "./b.ts"
      import './c.ts'
      import {
        d,
        type D,
      } from './d.ts'
      export * from './e.ts'
      export type { F } from './f.ts'
      export { g } from './g.ts'
      const h = await import('./h.ts')
      const i = require('./i.ts')
      type J = typeof import('./j.ts')
      import k, { l } from 'library'; import m from './m.ts'
      import data from './n.json' with { type: 'json' }
      // import o from './comment.ts'
      /* import p from './comment.ts' */
      const url = 'https://example.test' // import q from './comment.ts'
      export const r = 'from'
      export const s = 's'`
    const names = importsOf(text).map(({ specifier, typeOnly }) => (typeOnly ? `type ${specifier}` : specifier))
    expect(names).to.have.members([
      './a.ts',
      'type ./b.ts',
      './c.ts',
      './d.ts',
      './e.ts',
      'type ./f.ts',
      './g.ts',
      './h.ts',
      './i.ts',
      'type ./j.ts',
      'library',
      './m.ts',
      './n.json',
    ])
  })

  for (const [what, files, problem] of [
    ['domain → runtime', { 'srv/domain/a.ts': "import '../runtime/b.ts'" }, '(domain) imports srv/runtime/b.ts'],
    [
      'domain → adapters, types only',
      { 'srv/domain/a.ts': "import type { B } from '../../adapters/x/b.ts'" },
      '(adapters)',
    ],
    ['domain → library', { 'srv/domain/a.ts': "import { v7 } from 'uuid'" }, 'imports the library uuid'],
    ['domain → node', { 'srv/domain/a.ts': "import { hash } from 'node:crypto'" }, '(domain) imports node:crypto'],
    [
      'runtime → adapters',
      { 'srv/runtime/a.ts': "import('../../adapters/x/b.ts')" },
      '(runtime) imports adapters/x/b.ts',
    ],
    ['runtime → door', { 'srv/runtime/a.ts': "import '../gateway.ts'" }, '(runtime) imports srv/gateway.ts'],
    ['runtime → library', { 'srv/runtime/a.ts': "import axios from 'axios'" }, 'imports the library axios'],
    [
      'adapters → runtime',
      { 'adapters/x/a.ts': "import '../../srv/runtime/b.ts'" },
      '(adapters) imports srv/runtime/b.ts',
    ],
    ['adapters sideways', { 'adapters/x/a.ts': "export * from '../y/b.ts'" }, '(adapters/x) imports adapters/y/b.ts'],
    ['adapters → roof', { 'adapters/x/a.ts': "import '../../srv/config.ts'" }, '(adapters) imports srv/config.ts'],
    ['adapters → testing', { 'adapters/x/a.ts': "import '../../testing/b.ts'" }, '(adapters) imports testing/b.ts'],
    ['door → @sap/cds', { 'srv/gateway.ts': "import cds from '@sap/cds'" }, 'imports the library @sap/cds'],
    ['door → adapters', { 'srv/door.ts': "import '../adapters/x/a.ts'" }, '(door) imports adapters/x/a.ts'],
    ['door → roof', { 'srv/http.ts': "import './config.ts'" }, '(door) imports srv/config.ts'],
    ['door → wiring', { 'srv/gateway.ts': "import './wiring.ts'" }, '(door) imports srv/wiring.ts'],
    ['roof → testing', { 'srv/plugin.ts': "import '../testing/a.ts'" }, '(roof) imports testing/a.ts'],
    [
      'a second wiring',
      { 'srv/plugin.ts': "import '../adapters/x/a.ts'\nimport type { Gateway } from './gateway.ts'" },
      'only wiring.ts does',
    ],
    ['bin → the inside of an adapter', { 'bin/a.ts': "import '../adapters/x/b.ts'" }, '(bin) imports adapters/x/b.ts'],
    [
      'signing → what verifies',
      { 'bin/signing/a.ts': "import '../../adapters/sources/index.ts'" },
      '(bin) imports adapters/sources/index.ts',
    ],
    [
      'signing → what verifies, in the tests',
      { 'testing/signing/a.ts': "import type { B } from '../../adapters/sources/index.ts'" },
      '(signing) imports adapters/sources/index.ts',
    ],
    [
      'a server that signs',
      { 'srv/plugin.ts': "import '../testing/signing/a.ts'" },
      '(roof) imports testing/signing/a.ts',
    ],
    ['testing → adapters', { 'testing/a.ts': "import '../adapters/x/b.ts'" }, '(testing) imports adapters/x/b.ts'],
    [
      'testing → runtime',
      { 'testing/x/a.ts': "import '../../srv/runtime/b.ts'" },
      '(testing) imports srv/runtime/b.ts',
    ],
    ['testing → code of the domain', { 'testing/a.ts': "import { wants } from '#domain/filter'" }, 'more than types'],
    [
      'simulation → an adapter that is not the inbox in memory',
      { 'testing/simulate/a.ts': "import '../../adapters/sources/stripe.ts'" },
      '(simulation) imports adapters/sources/stripe.ts',
    ],
    [
      'simulation → runtime',
      { 'testing/simulate/a.ts': "import '../../srv/runtime/b.ts'" },
      '(simulation) imports srv/runtime/b.ts',
    ],
    ['an import out of the repository', { 'bin/a.ts': "import '../../other.ts'" }, 'outside the repository'],
    ['an import of nowhere', { 'bin/a.ts': "import '../lib/a.ts'" }, 'on no floor'],
    [
      'a cycle',
      { 'bin/a.ts': "import './b.ts'", 'bin/b.ts': "import './a.ts'" },
      'import cycle: bin/a.ts → bin/b.ts → bin/a.ts',
    ],
    [
      'a cycle of types through #domain',
      { 'srv/domain/a.ts': "import type { B } from './b.ts'", 'srv/domain/b.ts': "import type { A } from '#domain/a'" },
      'import cycle',
    ],
    ['a file of 301 lines', { 'demo/a.ts': 'x\n'.repeat(301) }, 'too long: demo/a.ts has 301 lines'],
    ['a long page', { 'app/cockpit/index.html': 'x\n'.repeat(301) }, 'too long'],
    ['Date.now', { 'srv/domain/a.ts': 'const t = Date.now()' }, 'is not pure'],
    ['new Date()', { 'srv/domain/a.ts': 'const t = new Date( )' }, 'is not pure'],
    ['Math.random', { 'srv/domain/a.ts': 'const r = Math.random()' }, 'is not pure'],
    ['process.env', { 'srv/domain/a.ts': 'const e = process.env.X' }, 'is not pure'],
    ['a timer', { 'srv/domain/a.ts': 'setTimeout(run, 1)' }, 'is not pure'],
    [
      'another word for a dispatch',
      { 'srv/runtime/a.ts': 'export interface JobRunner {}' },
      'calls something JobRunner',
    ],
    ['another word in the store', { 'db/schema.cds': 'entity Queues { key ID : UUID }' }, 'calls something Queues'],
  ] as const) {
    it(`fails on ${what}`, () => {
      const problems = found(files)
      expect(problems).to.have.length(1)
      expect(problems[0]).to.include(problem)
    })
  }

  it('takes what is allowed', () => {
    const problems = found({
      'srv/domain/a.ts': "import type { B } from './b.ts' // Date.now() is not for us\nexport const at = new Date(0)",
      'srv/domain/b.ts': 'export interface B { processed: boolean }',
      'srv/runtime/c.ts':
        "import { a } from '#domain/a'\nimport { v7 } from 'uuid'\nimport { hash } from 'node:crypto'",
      'adapters/x/d.ts': "import { a } from '#domain/a'\nimport axios from 'axios'\nimport './deep/e.ts'",
      'adapters/x/deep/e.ts': "import { f } from '../f.ts'",
      'srv/gateway.ts': "import './runtime/c.ts'\nimport './door.ts'\nimport { hostname } from 'node:os'",
      'srv/wiring.ts': "import './gateway.ts'\nimport '../adapters/x/d.ts'\nimport './config.ts'",
      'srv/config.ts': "import type { Role } from './gateway.ts'\nimport schema from './config.schema.json'",
      'srv/plugin.ts': "import cds from '@sap/cds'\nimport './wiring.ts'",
      'testing/g.ts': "import type { Clock } from '#domain/ports'\nimport express from 'express'",
      'testing/simulate/g.ts':
        "import '../../srv/gateway.ts'\nimport '../../adapters/inbox/memory/index.ts'\nimport '../signing/i.ts'",
      'testing/signing/i.ts': "import { createHmac } from 'node:crypto'\nimport './j.ts'",
      'bin/signing/k.ts': "import '../../testing/signing/i.ts'",
      'demo/h.ts': `import '../testing/g.ts'\nimport '../srv/gateway.ts'\nimport '../adapters/x/d.ts'\n${'x\n'.repeat(297)}`,
    })
    expect(problems).to.deep.equal([])
  })
})
