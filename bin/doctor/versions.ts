import { existsSync, globSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { isInRange, nodeRange } from '../node-range.ts'
import { resolveFrom, versionIn } from '../project.ts'
import { broken, type Finding, ok, skipped, warning } from './finding.ts'

interface OwnPackage {
  readonly peerDependencies: Readonly<Record<string, string>>
}

const own = (): OwnPackage => createRequire(import.meta.url)('cap-sluice/package.json') as OwnPackage

export function checkNode(version: string = process.versions.node): Finding {
  const node = nodeRange()
  return isInRange(version, node)
    ? ok('node', `Node ${version}`)
    : broken('node', `Node ${version} is too old: Sluice needs ${node}.`, 'Install a newer Node.')
}

/** Two copies of `@sap/cds` are two `cds` facades: what one configures the other does not know. */
export function checkCds(folder: string): Finding[] {
  const home = resolveFrom(folder, '@sap/cds')
  if (!home) return [broken('cds', '@sap/cds is not installed here.', 'Run npm install, or npm add @sap/cds.')]
  const version = versionIn(home)
  const range = own().peerDependencies['@sap/cds'] ?? '>=10'
  const findings = [
    isInRange(version, range)
      ? ok('cds', `@sap/cds ${version}`)
      : broken('cds', `@sap/cds ${version} is not what Sluice is made for (${range}).`, `npm add @sap/cds@"${range}"`),
  ]
  const others = copiesOf(folder).filter((each) => each !== home)
  if (others.length > 0) {
    const list = others.map((each) => `${versionIn(each)} in ${each}`).join(', ')
    findings.push(
      broken(
        'cds-copies',
        `There are other copies of @sap/cds: ${list}.`,
        'Run npm dedupe; npm ls @sap/cds shows who wants which.',
      ),
    )
  }
  return findings
}

/** Every copy that a package of the project would load, but for those of the development kit, which runs alone. */
function copiesOf(folder: string): string[] {
  const nested = ['node_modules/*/node_modules/@sap/cds', 'node_modules/@*/*/node_modules/@sap/cds']
  const found = globSync(nested, { cwd: folder })
    .filter((path) => !path.replaceAll('\\', '/').startsWith('node_modules/@sap/cds-dk/'))
    .map((path) => realpathSync(join(folder, path)))
  const plugin = resolveFrom(folder, 'cap-sluice')
  const ofPlugin = plugin && resolveFrom(plugin, '@sap/cds')
  return [...new Set([...found, ...(ofPlugin ? [ofPlugin] : [])])]
}

export function checkPackage(folder: string): Finding {
  const home = resolveFrom(folder, 'cap-sluice')
  if (home) return ok('cap-sluice', `cap-sluice ${versionIn(home)}`)
  return existsSync(join(folder, 'node_modules'))
    ? warning('cap-sluice', 'cap-sluice is not installed here.', 'npm add cap-sluice')
    : skipped('cap-sluice', 'nothing is installed yet: run npm install')
}
