import { existsSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { SluiceError, toFault } from '#domain/errors'
import type { Handler } from './runtime/handler.ts'

/** CommonJS and ESM alike; TypeScript only where the process runs it. */
const SCRIPTS = ['.ts', '/index.ts']
const EXTENSIONS = ['.js', '.mjs', '.cjs', '/index.js', ...(process.env.CDS_TYPESCRIPT ? SCRIPTS : [])]

/** Imports a module by its path. */
export type Load = (file: string) => Promise<Record<string, unknown>>

/**
 * Loads a subscription's module: its default export or the export `handler`.
 * @param load as the app loads its own modules: what runs its TypeScript may hook only that way
 * @throws SluiceError `configuration`
 */
export async function loadHandler(
  subscription: string,
  path: string,
  root: string,
  load: Load = (file) => import(pathToFileURL(file).href),
): Promise<Handler> {
  const base = isAbsolute(path) ? path : resolve(root, path)
  const file = [base, ...EXTENSIONS.map((extension) => base + extension)].find(
    (each) => /\.[cm]?[jt]s$/.test(each) && existsSync(each),
  )
  const setting = `sluice.subscriptions.${subscription}.handler`
  if (!file) throw missing(setting, path, base)
  const handler = pick(await loaded(file, setting, load))
  if (handler) return handler
  throw refused(
    setting,
    `${path} exports no handler.`,
    'Export a function as default: export default async (event, context) => { … }',
  )
}

function missing(setting: string, path: string, base: string): SluiceError {
  const script = SCRIPTS.find((extension) => existsSync(base + extension))
  return script
    ? refused(
        setting,
        `${path}${script} is TypeScript, which this process does not run.`,
        'Start it by cds watch, set CDS_TYPESCRIPT=true, or compile it before, as cds build does with cds-typer.',
      )
    : refused(setting, `there is no module ${path}.`, 'Write it from the project root, without extension.')
}

async function loaded(file: string, setting: string, load: Load): Promise<unknown> {
  try {
    return await load(file)
  } catch (thrown) {
    throw refused(setting, `${file} could not be loaded: ${toFault(thrown).message}`, remedyFor(thrown), thrown)
  }
}

/** What most often goes wrong with a new file: it is written in the other of the two module systems. */
function remedyFor(thrown: unknown): string {
  const said = thrown instanceof Error ? thrown.message : ''
  if (/token 'export'|import statement/.test(said)) {
    return 'Mend the module; in CommonJS write module.exports = async (event, context) => { … }, or "type": "module" into package.json.'
  }
  if (/^(module|exports|require) is not defined/.test(said)) {
    return 'Write export default async (event, context) => { … }, or name it .cjs.'
  }
  return 'Mend the module.'
}

/** Of what `import` gives, or `require`: a CommonJS module's exports arrive as its default, or as they are. */
function pick(module: unknown): Handler | undefined {
  const { default: fallback, handler } = Object(module)
  const { default: inner, handler: innermost } = Object(fallback)
  return [module, handler, fallback, innermost, inner].find((each): each is Handler => typeof each === 'function')
}

const refused = (setting: string, problem: string, remedy: string, cause?: unknown): SluiceError =>
  new SluiceError('configuration', `${setting}: ${problem}`, {
    retry: 'never',
    remedy,
    ...(cause === undefined ? {} : { cause }),
  })
