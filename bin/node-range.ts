import { createRequire } from 'node:module'

/** The versions of Node that the package runs on, of the forms `>=22.12`. */
export const nodeRange = (): string =>
  (createRequire(import.meta.url)('cap-sluice/package.json') as { engines: { node: string } }).engines.node

/** Whether a version is in a range of the forms `>=22.12` and `^10.1.0`. */
export function isInRange(version: string, range: string): boolean {
  const [, caret = '', major = '0', minor = '0', patch = '0'] =
    /^(\^|>=)(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(range) ?? []
  const [a = 0, b = 0, c = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  if (caret === '^' && a !== Number(major)) return false
  const difference = a - Number(major) || b - Number(minor) || c - Number(patch)
  return difference >= 0
}
