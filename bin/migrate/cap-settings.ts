import { existsSync, readFileSync, statSync } from 'node:fs'
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

type Settings = Readonly<Record<string, unknown>>

const KINDS = /^(enterprise-messaging|event-mesh|event-broker)(-|$)/
const FILES = ['package.json', '.cdsrc.json'] as const
/** Not read: CAP runs or parses these in its own way. */
const OTHER_FILES = ['.cdsrc.yaml', '.cdsrc.yml', '.cdsrc.js'] as const
const MAX_BYTES = 1024 * 1024

/**
 * The messaging services that an app configures in package.json and .cdsrc.json, in any profile.
 * @throws SluiceError `usage` where a file is no JSON
 */
export function readMessaging(folder: string): { services: readonly MessagingService[]; unread: readonly string[] } {
  const services = new Map<string, MessagingService>()
  for (const settings of FILES.flatMap((file) => readSettings(folder, file))) {
    for (const [name, options] of Object.entries(requiresIn(settings))) {
      const merged = { ...optionsOf(services.get(name)), ...options }
      if (KINDS.test(text(merged.kind) ?? '')) services.set(name, toService(name, merged))
    }
  }
  return { services: [...services.values()], unread: OTHER_FILES.filter((file) => existsSync(join(folder, file))) }
}

function readSettings(folder: string, file: (typeof FILES)[number]): readonly Settings[] {
  const path = join(folder, file)
  if (!existsSync(path)) return []
  if (statSync(path).size > MAX_BYTES) throw usage(`${path} is larger than a configuration can be.`)
  try {
    const parsed = asObject(JSON.parse(readFileSync(path, 'utf8')))
    return [file === 'package.json' ? asObject(parsed.cds) : asObject(parsed.cds ?? parsed)]
  } catch (thrown) {
    if (thrown instanceof SyntaxError) throw usage(`${path} is no JSON.`, 'Mend it first.')
    throw thrown
  }
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

const optionsOf = (service: MessagingService | undefined): Settings =>
  service ? { ...service, queue: { name: service.queue } } : {}

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
