import { randomBytes } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type cds from '@sap/cds'
import {
  cloudFoundryParts,
  EDITOR_SETTINGS,
  EXAMPLE,
  handlerStub,
  MODEL,
  OPERATOR,
  SECRET,
  SECURITY,
} from './add-files.ts'

/** What cds-dk gives to facets. https://cap.cloud.sap/docs/node.js/cds-plugins#cds-add */
interface AddFacets {
  readonly Plugin: new () => object
  register(name: string, facet: unknown): void
  merge(source: object): { into(file: string, semantics?: object): Promise<unknown> }
  readProject(facet?: string): Readonly<Record<string, unknown>>
}

interface ProjectManifest {
  readonly type?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly cds?: { readonly requires?: Requires & { readonly '[development]'?: Requires } }
}

interface Requires {
  readonly sluice?: object
  readonly auth?: unknown
}

/** Offers `cds add sluice`, where cds-dk runs; elsewhere there is no `cds.add`. */
export function registerFacet(facade: typeof cds): void {
  const { add } = facade as unknown as { add?: AddFacets }
  if (add?.register) add.register('sluice', facetOf(add, facade))
}

const facetOf = (add: AddFacets, facade: typeof cds) =>
  class extends add.Plugin {
    static help() {
      return 'inbox for webhooks and Event Mesh events (cap-sluice)'
    }

    static hasInProduction(env: { requires?: { sluice?: unknown } }): boolean {
      return Boolean(env.requires?.sluice)
    }

    /** Writes what is not there yet; nothing of the app's own is replaced. */
    async run(): Promise<void> {
      const inProject = (path: string) => join(facade.root, path)
      const manifest = JSON.parse(readFileSync(inProject('package.json'), 'utf8')) as ProjectManifest
      const typescript = Boolean(manifest.devDependencies?.typescript ?? manifest.dependencies?.typescript)
      const { sluice, auth, '[development]': development } = manifest.cds?.requires ?? {}
      if (!sluice || !(auth ?? development?.auth)) await add.merge(OPERATOR).into('package.json')
      if (!sluice) {
        await add.merge(EXAMPLE).into('package.json')
        const stub = handlerStub({ typescript, esm: typescript || manifest.type === 'module' })
        createFile(inProject(stub.path), stub.text)
        appendLine(inProject('.env'), `${SECRET}=whsec_${randomBytes(24).toString('base64')}`, SECRET)
      }
      if (!hasDatabase(manifest)) await add.merge({ dependencies: { [SQLITE]: ownRange(SQLITE) } }).into('package.json')
      for (const line of ['.env', 'sluice.db*']) appendLine(inProject('.gitignore'), line, line)
      createFile(inProject(MODEL.path), MODEL.text)
      await add.merge(EDITOR_SETTINGS).into('.vscode/settings.json')
    }

    /** Completes what other facets made: `mta.yaml` and `xs-security.json`, whichever comes first. */
    async combine(name: string): Promise<void> {
      const project = add.readProject(name)
      if (existsSync(join(facade.root, 'mta.yaml'))) {
        const { path } = project.srv as { path: string }
        const { parts, semantics } = cloudFoundryParts(String(project.appName), path)
        await add.merge(parts).into('mta.yaml', semantics)
      }
      if (existsSync(join(facade.root, 'xs-security.json'))) {
        await add.merge(SECURITY.parts).into('xs-security.json', SECURITY.semantics)
      }
    }
  }

const SQLITE = '@cap-js/sqlite'

/** A package that brings `sluice-db`: an app of `cds init --add typescript` has none. */
const hasDatabase = ({ dependencies, devDependencies }: ProjectManifest): boolean =>
  Object.keys({ ...dependencies, ...devDependencies }).some((name) => /^@cap-js\/(sqlite|postgres|hana)$/.test(name))

const ownRange = (name: string): string =>
  createRequire(import.meta.url)('cap-sluice/package.json').peerDependencies[name]

function createFile(path: string, text: string): void {
  if (existsSync(path)) return
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** Unless the file has a line that begins so. */
function appendLine(path: string, line: string, begins: string): void {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  if (text.split(/\r?\n/).some((each) => each.startsWith(begins))) return
  appendFileSync(path, `${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`)
}
