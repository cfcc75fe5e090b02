import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { expect } from 'chai'
import ts from 'typescript5'
import { consumer } from './helpers/consumer.ts'
import { plainEnv } from './helpers/packed.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const STRICT = {
  strict: true,
  skipLibCheck: false,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  target: 'es2022',
  lib: ['es2022'],
  types: ['node'],
}

/** Nothing but Node's types is installed there: no types of Express, no `@sap/cds`, none of this package's libraries. */
const ONLY = ['@types/node', 'undici-types']

describe('door: types of the SDK', function () {
  this.timeout(300_000)
  let home: string
  before(() => {
    home = mkdtempSync(join(tmpdir(), 'sluice-types-'))
  })
  after(() => rmSync(home, { recursive: true, force: true }))

  /** @param names of the files that hold the consumer's code: `.mts` and `.cts` are modules of either kind. */
  async function check(compiler: string, names: readonly string[], compilerOptions: object): Promise<string> {
    const { folder } = await consumer(['typed.ts'], { home, modules: ONLY })
    for (const name of names) copyFileSync(join(folder, 'typed.ts'), join(folder, name))
    return compile(compiler, folder, compilerOptions, names)
  }

  function compile(
    compiler: string,
    folder: string,
    compilerOptions: object,
    files: readonly string[] = ['typed.ts'],
  ): Promise<string> {
    const config = { compilerOptions: { ...STRICT, ...compilerOptions }, files }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const tsc = join(ROOT, 'node_modules', compiler, 'bin/tsc')
    return new Promise((done) => {
      execFile(process.execPath, [tsc, '-p', folder], { cwd: folder, env: plainEnv() }, (_error, stdout, stderr) =>
        done(stdout + stderr),
      )
    })
  }

  for (const compiler of ['typescript5', 'typescript']) {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'node_modules', compiler, 'package.json'), 'utf8'))
    for (const [what, names, options] of [
      [
        'ESM and CommonJS with nodenext',
        ['typed.mts', 'typed.cts'],
        { module: 'nodenext', moduleResolution: 'nodenext' },
      ],
      ['a bundled project', ['typed.ts'], { module: 'esnext', moduleResolution: 'bundler' }],
    ] as const) {
      it(`check in ${what}, TypeScript ${version}`, async () => {
        expect(await check(compiler, names, options)).to.equal('')
      })
    }
  }

  it('of every entry check with nothing but what is installed with the package', async () => {
    const { dependencies, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>
      exports: Record<string, unknown>
    }
    const { folder } = await consumer([], { home, modules: ONLY, links: Object.keys(dependencies) })
    const typed = Object.entries(exports).flatMap(([name, one]) => (isTyped(one) ? [name.slice(2)] : []))
    const lines = typed.map((name, at) => `export * as e${at} from '${['cap-sluice', name].filter(Boolean).join('/')}'`)
    expect(lines.length).to.be.above(5)
    // Without CAP's types, the plugin's own hold.
    lines.push(
      `declare const sluice: import('cap-sluice/plugin').SluiceService`,
      `sluice.on('x', { name: 'y' }, (event, { log }) => log.info(event.id))`,
      `// @ts-expect-error unknown data has no members`,
      `sluice.on('x', (event) => event.data.total)`,
    )
    writeFileSync(join(folder, 'typed.ts'), lines.join('\n'))
    expect(await compile('typescript5', folder, { module: 'nodenext' })).to.equal('')
  })

  it('would not, did they lean on types that only we have installed', async () => {
    const { folder } = await consumer(['typed.ts'], { home, modules: ONLY })
    const file = join(folder, 'node_modules/cap-sluice/dist/srv/gateway.d.ts')
    const lines = ['express', '@sap/cds'].map((library) => `export type * from '${library}'\n`)
    const text = readFileSync(file, 'utf8')
    rmSync(file)
    writeFileSync(file, [text, ...lines].join('\n'))
    const broken = await compile('typescript', folder, { module: 'nodenext' })
    expect(broken).to.include("'express'").and.include("'@sap/cds'")
  })

  it('explain every public export', async () => {
    const { folder } = await consumer([], { home, modules: ONLY })
    const installed = join(folder, 'node_modules/cap-sluice')
    const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
      exports: Record<string, unknown>
    }
    const entries = Object.values(exports).flatMap((one) => (isTyped(one) ? [one.types] : []))
    expect(entries).to.include('./dist/srv/gateway.d.ts')
    const program = ts.createProgram(
      entries.map((entry) => join(installed, entry)),
      { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, types: [] },
    )
    expect(entries.flatMap((entry) => unexplained(program, join(installed, entry)))).to.deep.equal([])
  })
})

const isTyped = (entry: unknown): entry is { types: string } =>
  typeof entry === 'object' && entry !== null && 'types' in entry

/** Exports of a module without a doc comment where they are declared. */
function unexplained(program: ts.Program, file: string): string[] {
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(file)
  const module = source && checker.getSymbolAtLocation(source)
  if (!module) throw new Error(`${file} is no module`)
  return checker
    .getExportsOfModule(module)
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
    .filter((symbol) => symbol.getDocumentationComment(checker).length === 0)
    .map(({ name }) => `${basename(dirname(file))}/${basename(file)}: ${name}`)
}
