import { readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type cds from '@sap/cds'
import { SluiceError } from '#domain/errors'
import { usage } from './exit.ts'
import { setAt } from './signing/pointer.ts'

/** A CAP project as its own `@sap/cds` reads it: profiles, bindings, `.env` and all. */
export interface Project {
  readonly folder: string
  /** The project's copy of `@sap/cds`. */
  readonly facade: typeof cds
  readonly requires: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** `cds.requires.sluice`, unchecked and with `env:NAME` as written. */
  readonly sluice: Readonly<Record<string, unknown>> | undefined
}

/** @throws SluiceError `no-project` where the folder has no `@sap/cds`; `configuration` where that cannot read its files */
export function loadProject(folder: string): Project {
  const require = createRequire(join(folder, 'package.json'))
  if (!resolveFrom(folder, '@sap/cds')) {
    throw new SluiceError('no-project', `${folder} is no CAP project: @sap/cds is not installed there.`, {
      retry: 'never',
      remedy: 'Go to the folder of the project, or run npm install.',
    })
  }
  const facade = require('@sap/cds') as typeof cds
  facade.root = folder
  const requires = requiresOf(facade)
  return { folder, facade, requires, sluice: requires.sluice || undefined }
}

function requiresOf(facade: typeof cds): Project['requires'] {
  try {
    return JSON.parse(JSON.stringify(facade.env.requires ?? {}))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SluiceError('configuration', `CAP cannot read the configuration: ${why.replace(/\.?$/, '.')}`, {
      retry: 'never',
      remedy: 'Mend package.json or .cdsrc.json.',
      cause,
    })
  }
}

/** The real folder of a package as a file in `folder` would load it. */
export function resolveFrom(folder: string, name: string): string | undefined {
  try {
    return realpathSync(dirname(createRequire(join(folder, 'package.json')).resolve(`${name}/package.json`)))
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw thrown
  }
}

export const versionIn = (folder: string): string =>
  (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version

export interface SourceChoice {
  readonly kind: string
  readonly options: Readonly<Record<string, unknown>>
  /** As configured: `env:NAME`. */
  readonly secrets: readonly string[]
}

/**
 * The kind, options and secrets that a command speaks of: from the project's configuration, from the command line, or
 * both, the command line winning.
 */
export function chooseSource(
  kind: string | undefined,
  source: string | undefined,
  options: readonly string[] = [],
  folder: string,
): SourceChoice {
  const configured = source === undefined ? undefined : sourceOf(loadProject(folder), source)
  const { kind: configuredKind, secrets, ...rest } = configured ?? {}
  const chosen = kind ?? (configuredKind as string | undefined)
  if (chosen === undefined) throw usage('Which kind?', 'Name one (sluice send stripe), or give --source.')
  return {
    kind: chosen,
    options: { ...rest, ...parseOptions(options) },
    secrets: Array.isArray(secrets) ? secrets.map(String) : [],
  }
}

export function sourcesOf(project: Project): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  return (project.sluice?.sources ?? {}) as Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

function sourceOf(project: Project, name: string): Readonly<Record<string, unknown>> {
  const sources = sourcesOf(project)
  const found = Object.hasOwn(sources, name) ? sources[name] : undefined
  if (found) return found
  const known = Object.keys(sources).join(', ') || 'none'
  throw usage(`--source: ${project.folder} configures no source "${name}".`, `There are: ${known}.`)
}

/** `timestamp.from=X-Time` → `{ timestamp: { from: 'X-Time' } }`; numbers, lists and objects as in JSON. */
export function parseOptions(options: readonly string[]): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const option of options) {
    const [, name, value] = /^([\w.]+)=(.*)$/s.exec(option) ?? []
    if (name === undefined || value === undefined) {
      throw usage(`-o ${option.split('=')[0]}: this is no option.`, 'Write -o name=value.')
    }
    if (name === 'secrets') throw usage('-o secrets: a secret is not given here.', 'Give --secret env:NAME.')
    setAt(result, `/${name.replaceAll('.', '/')}`, parseValue(value))
  }
  return result
}

function parseValue(value: string): unknown {
  if (!/^([[{]|-?\d+$|true$|false$)/.test(value)) return value
  try {
    return JSON.parse(value)
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return value
    throw thrown
  }
}
