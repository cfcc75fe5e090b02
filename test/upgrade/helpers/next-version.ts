import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { World } from '../../crash/helpers/world.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
/** Everything that a gateway's process loads, and the processes themselves. */
const PARTS = ['srv', 'adapters', 'db', 'index.cds', 'package.json', 'test/crash', 'test/upgrade/deployer.ts']

interface NextVersion {
  readonly root: string
  readonly version: number
  remove(): void
}

/**
 * The version after this one: a copy of the package whose store has one version more, with a new column that fills
 * itself and a new table. It lies within the checkout, so that both find the same libraries.
 */
function nextVersion(): NextVersion {
  mkdirSync(join(ROOT, '.tmp'), { recursive: true })
  const root = mkdtempSync(join(ROOT, '.tmp', 'next-version-'))
  for (const part of PARTS) cpSync(join(ROOT, part), join(root, part), { recursive: true })
  const version = storeVersion()
  const column = (type: string) => `ALTER TABLE sluice_Events ADD COLUMN region ${type} DEFAULT 'here'`
  change(root, 'adapters/inbox/ddl.ts', [
    [`STORE_VERSION = ${version}`, `STORE_VERSION = ${version + 1}`],
    [
      '{ sqlite: {}, postgres: {} }',
      `{ sqlite: { ${version + 1}: [\`${column('NVARCHAR(40)')}\`] }, postgres: { ${version + 1}: [\`${column('VARCHAR(40)')}\`] } }`,
    ],
  ])
  change(root, 'db/schema.cds', [
    [
      'entity Events {',
      `entity Regions { key name : String(40); events : Integer; }\n\nentity Events {\n  region : String(40) default 'here';`,
    ],
  ])
  return { root, version: version + 1, remove: () => rmSync(root, { recursive: true, force: true }) }
}

/** The next version, built once for a suite. */
export function useNextVersion(): () => NextVersion {
  let next: NextVersion
  before(() => {
    next = nextVersion()
  })
  after(() => next?.remove())
  return () => next
}

/** What every test of an upgrade has: the next version, and a world that ends with its test. */
export function useUpgrade() {
  const next = useNextVersion()
  const use = {
    world: undefined as World | undefined,
    get next() {
      return next()
    },
  }
  afterEach(async () => {
    await use.world?.close()
    use.world = undefined
  })
  return use
}

function storeVersion(): number {
  const [, version] = /STORE_VERSION = (\d+)/.exec(readFileSync(join(ROOT, 'adapters/inbox/ddl.ts'), 'utf8')) ?? []
  return Number(version)
}

/** @throws where the text is not there once: the copy would be no other version */
function change(root: string, path: string, replacements: readonly (readonly [string, string])[]): void {
  let text = readFileSync(join(root, path), 'utf8')
  for (const [from, to] of replacements) {
    if (text.split(from).length !== 2) throw new Error(`${path} does not contain this once: ${from}`)
    text = text.replace(from, () => to)
  }
  writeFileSync(join(root, path), text)
}
