import { existsSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { usage } from '../exit.ts'

/** A messaging service of a CAP app, as far as it moves. Credentials are not looked at. */
export interface MessagingService {
  /** Below `cds.requires`, usually `messaging`. */
  readonly name: string
  readonly kind: string
  /** As configured, with `$namespace` and `$appId`; undefined where CAP makes it. */
  readonly queue?: string
  readonly subscribePrefix?: string
}

export interface Messaging {
  readonly services: readonly MessagingService[]
  /** Of the message client: what `$namespace` stands for. */
  readonly namespace: string | undefined
  /** Whether callers of the app prove themselves by XSUAA. */
  readonly xsuaa: boolean
  /** Files that were not read. */
  readonly unread: readonly string[]
}

type Settings = Readonly<Record<string, unknown>>
type Parse = (text: string) => unknown

const KINDS = /^(enterprise-messaging|event-mesh|event-broker)(-|$)/
const XSUAA = /^(xsuaa|jwt)(-auth)?$/
const MAX_BYTES = 1024 * 1024

/**
 * The messaging services that an app configures in package.json and .cdsrc.json or .yaml, in any profile; the namespace
 * of its message client from the binding in default-env.json, or from the descriptor event-mesh.json.
 * @throws SluiceError `usage` where a file cannot be read
 */
export function readMessaging(folder: string): Messaging {
  const yaml = yamlParser()
  const all: readonly [string, Parse | undefined][] = [
    ['package.json', JSON.parse],
    ['.cdsrc.json', JSON.parse],
    ['.cdsrc.yaml', yaml],
    ['.cdsrc.yml', yaml],
    // A program, and none of ours is to run it.
    ['.cdsrc.js', undefined],
  ]
  const files = all.filter(([file]) => existsSync(join(folder, file)))
  const requires: Record<string, Settings> = {}
  for (const [file, parse] of files) {
    const content = parse ? asObject(readFile(folder, file, parse)) : {}
    const settings = file === 'package.json' ? content.cds : (content.cds ?? content)
    for (const [name, options] of Object.entries(requiresIn(asObject(settings)))) {
      requires[name] = { ...requires[name], ...options }
    }
  }
  const services = Object.entries(requires).filter(([, { kind }]) => KINDS.test(text(kind) ?? ''))
  return {
    services: services.map(([name, options]) => toService(name, options)),
    namespace: boundNamespace(folder) ?? text(readOptional(folder, 'event-mesh.json').namespace),
    xsuaa: XSUAA.test(text(requires.auth?.kind) ?? ''),
    unread: files.flatMap(([file, parse]) => (parse ? [] : [file])),
  }
}

/** The one that CAP reads these files with, where CAP is installed. */
function yamlParser(): Parse | undefined {
  try {
    const cds = createRequire(import.meta.url).resolve('@sap/cds/package.json')
    return (createRequire(cds)('yaml') as { parse: Parse }).parse
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw thrown
  }
}

function readFile(folder: string, file: string, parse: Parse): unknown {
  const path = join(folder, file)
  if (statSync(path).size > MAX_BYTES) throw usage(`${path} is larger than a configuration can be.`)
  const content = readFileSync(path, 'utf8')
  try {
    return parse(content)
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown
    // Parsers quote what they could not read, and it may be a secret.
    throw usage(`${path} is no ${/json$/.test(file) ? 'JSON' : 'YAML'}.`, 'Mend it first.')
  }
}

const readOptional = (folder: string, file: string): Settings =>
  existsSync(join(folder, file)) ? asObject(readFile(folder, file, JSON.parse)) : {}

/** Of the first binding of an Event Mesh, as Cloud Foundry would give it. */
function boundNamespace(folder: string): string | undefined {
  const bindings = Object.values(asObject(readOptional(folder, 'default-env.json').VCAP_SERVICES)).flat()
  for (const binding of bindings) {
    const { label, credentials } = asObject(binding)
    const namespace = text(asObject(credentials).namespace)
    if (/enterprise-messaging|event-mesh/.test(text(label) ?? '') && namespace) return namespace
  }
  return undefined
}

/** Profiles stand above `requires`, in it, and in a service; production is what counts, so it comes last. */
function requiresIn(settings: Settings): Readonly<Record<string, Settings>> {
  const result: Record<string, Settings> = {}
  for (const level of flatten(settings)) {
    for (const requires of flatten(asObject(level.requires))) {
      for (const [name, options] of Object.entries(requires)) {
        if (!isProfile(name)) result[name] = Object.assign({}, result[name], ...flatten(shorthand(options)))
      }
    }
  }
  return result
}

function flatten(settings: Settings): readonly Settings[] {
  const profiles = Object.keys(settings)
    .filter(isProfile)
    .sort((a, b) => Number(a === '[production]') - Number(b === '[production]'))
  return [settings, ...profiles.map((profile) => shorthand(settings[profile]))]
}

const isProfile = (name: string): boolean => /^\[.*\]$/.test(name)
/** `"messaging": "enterprise-messaging"` is short for its kind. */
const shorthand = (value: unknown): Settings => (typeof value === 'string' ? { kind: value } : asObject(value))
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

const asObject = (value: unknown): Settings =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Settings) : {}

function toService(name: string, options: Settings): MessagingService {
  const queue = text(asObject(options.queue).name)
  const subscribePrefix = text(options.subscribePrefix)
  return {
    name,
    kind: text(options.kind) ?? '',
    ...(queue ? { queue } : {}),
    ...(subscribePrefix ? { subscribePrefix } : {}),
  }
}
