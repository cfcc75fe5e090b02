import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '..')
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
const json = (path) => JSON.parse(readFileSync(path, 'utf8'))

/** What the deployed project needs beside the package: CAP, its database drivers, and what its XSUAA check asks for. */
const LIBRARIES = ['@sap/cds', '@cap-js/postgres', '@cap-js/hana', '@sap/xssec']

/**
 * A project that uses the packed package as any user does: `deploy/app`, the tarball, a lock file with the versions this
 * checkout was tested with.
 * @param {{ tarball: string, out: string, lock?: boolean }} options
 */
export function deployable({ tarball, out, lock = true }) {
  const own = json(join(ROOT, 'package.json'))
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  cpSync(join(ROOT, 'deploy/app'), out, { recursive: true })
  copyFileSync(tarball, join(out, basename(tarball)))
  const project = {
    ...json(join(out, 'package.json')),
    dependencies: {
      'cap-sluice': `file:${basename(tarball)}`,
      ...Object.fromEntries(LIBRARIES.map((name) => [name, own.devDependencies[name]])),
    },
    overrides: own.overrides,
  }
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(project, null, 2)}\n`)
  if (lock) lockVersions(out)
}

/** npm keeps the versions of a lock file that it finds, and drops what this project does not use. */
function lockVersions(out) {
  copyFileSync(join(ROOT, 'package-lock.json'), join(out, 'package-lock.json'))
  const args = ['install', '--package-lock-only', '--prefer-offline', '--omit=dev', '--no-audit', '--no-fund']
  const { NODE_OPTIONS: _options, ...env } = process.env
  execFileSync(npm, args, { cwd: out, env, stdio: ['ignore', 'ignore', 'inherit'] })
}
