import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'

/** `messaging.on('topic', …)`, found by reading; nothing is run. */
export interface Registration {
  readonly service: string
  /** Undefined where the topic is not a literal. */
  readonly topic?: string
  /** `srv/orders.js:12` */
  readonly where: string
}

const SOURCE = /\.(js|cjs|mjs|ts|cts|mts)$/
const SKIPPED = /^(node_modules|gen|dist|app|test|tests|__tests__|coverage)$|^\./
const MAX_FILES = 2_000
const MAX_BYTES = 1024 * 1024
const MAX_DEPTH = 12

const CONNECTED = /\b([A-Za-z_$][\w$]*)\s*=\s*(?:await\s+)?cds\s*\.\s*connect\s*\.\s*to\s*\(\s*(['"`])([^'"`\n]+)\2/g
const REGISTERED = /\b((?:[A-Za-z_$][\w$]*\s*\.\s*)?[A-Za-z_$][\w$]*)\s*\.\s*on\s*\(\s*([^,)\n]{1,500})/g
const CALL = /\bcds\s*\.\s*connect\s*\.\s*to\s*\(\s*(['"`])([^'"`\n]+)\1\s*\)\s*\)?\s*\.\s*on\s*\(\s*([^,)\n]{1,500})/g

/** @param services names of messaging services below `cds.requires` */
export function readRegistrations(folder: string, services: readonly string[]): readonly Registration[] {
  return sourceFiles(folder).flatMap((file) => {
    const code = blankComments(readFileSync(file, 'utf8'))
    const where = (at: number) =>
      `${relative(folder, file).replaceAll('\\', '/')}:${code.slice(0, at).split('\n').length}`
    return registrationsIn(code, services).map(({ at, ...found }) => ({ ...found, where: where(at) }))
  })
}

type Found = Omit<Registration, 'where'> & { readonly at: number }

function registrationsIn(code: string, services: readonly string[]): readonly Found[] {
  // By a service's own name too: `const { messaging } = cds.services`, `cds.services.messaging`, `this.messaging`.
  const names = new Map(services.map((service) => [service, service]))
  for (const [, variable = '', , service = ''] of code.matchAll(CONNECTED)) names.set(variable, service)
  const byName = [...code.matchAll(REGISTERED)].map(({ index, 1: object = '', 2: topics = '' }) => ({
    at: index,
    service: names.get(object.split('.').at(-1)?.trim() ?? '') ?? '',
    topics,
  }))
  const direct = [...code.matchAll(CALL)].map(({ index, 2: service = '', 3: topics = '' }) => ({
    at: index,
    service,
    topics,
  }))
  return [...byName, ...direct]
    .filter(({ service }) => services.includes(service))
    .flatMap(({ at, service, topics }) => topicsIn(code, at, topics).map((found) => ({ at, service, ...found })))
}

/** One literal, a list of them, or something that only runs can tell. */
function topicsIn(code: string, at: number, argument: string): readonly { topic?: string }[] {
  const list = argument.startsWith('[') ? /\[([^\]]{0,5000})\]/.exec(code.slice(at, at + 6_000))?.[1] : argument
  const literals = [...(list ?? '').matchAll(/(['"`])((?:(?!\1)[^\\\n$])+)\1/g)].map(([, , topic = '']) => ({ topic }))
  return literals.length > 0 ? literals : [{}]
}

/** Comments that begin a line, with blanks in their place so that places stay; elsewhere `/*` is part of a topic. */
const blankComments = (code: string): string =>
  code.replaceAll(/^[ \t]*(\/\/.*|\/\*[\s\S]*?\*\/)/gm, (comment) => comment.replaceAll(/[^\n]/g, ' '))

function sourceFiles(folder: string): readonly string[] {
  const found: string[] = []
  const walk = (path: string, depth: number): void => {
    // Links are not followed: a `Dirent` of one is neither file nor directory.
    const entries: Dirent[] = readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const entry of entries) {
      if (found.length >= MAX_FILES) return
      if (entry.isDirectory() && depth < MAX_DEPTH && !SKIPPED.test(entry.name)) walk(join(path, entry.name), depth + 1)
      else if (entry.isFile() && SOURCE.test(entry.name) && statSync(join(path, entry.name)).size <= MAX_BYTES) {
        found.push(join(path, entry.name))
      }
    }
  }
  walk(folder, 0)
  return found
}
