import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { SluiceError } from '#domain/errors'
import type { Log } from '#domain/ports'
import type { AppParts } from '../../srv/wiring.ts'
import type { Project } from '../project.ts'
import { plural } from '../text.ts'
import { broken, type Finding, fault, ok, skipped, warning } from './finding.ts'

type Env = Readonly<Record<string, string | undefined>>

/** Everything that would keep the gateway from starting with this configuration; handlers are loaded for it. */
export async function checkConfiguration(project: Project, env: Env): Promise<Finding[]> {
  const { sluice } = project
  if (!sluice)
    return [skipped('configuration', 'no cds.requires.sluice: the gateway is configured in code, or not at all')]
  const secrets = checkSecrets(sluice, env)
  const complete = secrets.some(({ level }) => level === 'broken') ? withPlaceholders(sluice, env) : env
  return [...secrets, await tryOut(project, complete)]
}

/** The same checks as at start, on an inbox in memory; nothing is started, nobody is called. */
async function tryOut({ sluice, folder, facade }: Project, env: Env): Promise<Finding> {
  if (existsSync(join(folder, 'tsconfig.json'))) runTypeScript(folder)
  const [{ readConfig }, { capParts, wire }, { memoryInbox }] = await Promise.all([
    import('../../srv/config.ts'),
    import('../../srv/wiring.ts'),
    import('../../adapters/inbox/index.ts'),
  ])
  try {
    const config = readConfig(sluice, env)
    const { metrics, bindings, services, load } = capParts(facade)
    await wire({
      config,
      inbox: memoryInbox(),
      log: SILENT,
      root: folder,
      meter: metrics.meter,
      bindings,
      services,
      load,
      app: NO_APP,
    })
    const parts = (['source', 'subscription', 'target', 'poll'] as const).map((noun) =>
      plural(Object.keys(config[`${noun}s`] ?? {}).length, noun),
    )
    return ok('configuration', parts.join(', '))
  } catch (thrown) {
    if (!(thrown instanceof SluiceError)) throw thrown
    return fault('configuration', thrown, 'Mend the setting; srv/config.schema.json explains each.')
  }
}

/**
 * As `cds watch` does, by the project's tsx where it has one: Node alone knows no enums. Handlers are found only by a
 * process that is told it runs them (srv/handlers.ts).
 */
function runTypeScript(folder: string): void {
  process.env.CDS_TYPESCRIPT ??= 'true'
  const require = createRequire(join(folder, 'package.json'))
  const { type } = require('./package.json') as { type?: string }
  try {
    require(type === 'module' ? 'tsx/esm' : 'tsx/cjs')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw thrown
  }
}

/** Handlers that emit to a service of the app find it only where the app runs. */
const NO_APP: AppParts = { subscriptions: [], within: (handler) => handler, emitter: async () => async () => undefined }

const SILENT: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

const MIN_SECRET_LENGTH = 12

function checkSecrets(sluice: unknown, env: Env): Finding[] {
  return [...variablesIn(sluice)].map(([name, path]) => {
    const value = env[name]
    if (!value)
      return broken(
        'secrets',
        `${path}: ${name} is ${value === '' ? 'empty' : 'not set'}.`,
        `Set ${name} in the environment, or in .env for development.`,
      )
    if (
      /secret|password/i.test(path) &&
      (value.length < MIN_SECRET_LENGTH || /^(change|replace|example|secret)/i.test(value))
    ) {
      return warning('secrets', `${path}: ${name} is short, or a placeholder.`, 'Take the one the provider shows.')
    }
    return ok('secrets', `${name} is set`)
  })
}

/** Every `env:NAME`, with the path of the first setting that wants it. */
function variablesIn(value: unknown, path = 'sluice', found = new Map<string, string>()): Map<string, string> {
  if (typeof value === 'string' && value.startsWith('env:')) {
    const name = value.slice('env:'.length)
    if (!found.has(name)) found.set(name, path)
  } else if (value && typeof value === 'object') {
    for (const [key, each] of Object.entries(value)) variablesIn(each, `${path}.${key}`, found)
  }
  return found
}

/** So that a secret that is not set does not hide the other mistakes. 32 bytes in base64 suit every kind. */
function withPlaceholders(sluice: unknown, env: Env): Env {
  const placeholder = Buffer.alloc(32, 1).toString('base64')
  const missing = [...variablesIn(sluice).keys()].filter((name) => !env[name])
  return { ...env, ...Object.fromEntries(missing.map((name) => [name, placeholder])) }
}
