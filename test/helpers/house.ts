import { builtinModules } from 'node:module'
import { cyclesOf, type Import, importsOf, resolveImport, type Tree, withoutComments } from './imports.ts'

/** The floors of the house, by path. The first that matches. */
const FLOORS = [
  ['domain', /^srv\/domain\//],
  ['runtime', /^srv\/runtime\//],
  ['door', /^srv\/(gateway|gateway-parts|sdk-types|receive-request|door|http|check-parts)\.ts$/],
  ['wiring', /^srv\/wiring\.ts$/],
  ['roof', /^(srv|bin|app)\//],
  ['adapters', /^adapters\//],
  ['signing', /^testing\/signing\//],
  ['simulation', /^testing\/simulate\//],
  ['testing', /^testing\//],
  ['outside', /^(demo|bench|scripts|test|config)\//],
] as const

type Floor = (typeof FLOORS)[number][0] | 'nowhere'

/** Which floors of our own a floor may lean on. Down only. */
const MAY_IMPORT: Readonly<Record<Floor, readonly Floor[]>> = {
  domain: ['domain'],
  runtime: ['domain', 'runtime'],
  adapters: ['domain', 'adapters'],
  door: ['domain', 'runtime', 'door'],
  wiring: ['domain', 'runtime', 'adapters', 'door', 'roof'],
  roof: ['domain', 'runtime', 'adapters', 'door', 'wiring', 'roof', 'signing'],
  // How providers sign, by code of its own: what verifies must not be what signs.
  signing: ['signing'],
  // Runs the gateway itself for a user's handlers; the simulators beside it stay strangers to the product.
  simulation: ['domain', 'door', 'adapters', 'testing', 'simulation', 'signing'],
  testing: ['domain', 'testing', 'simulation', 'signing'],
  outside: ['domain', 'runtime', 'adapters', 'door', 'wiring', 'roof', 'testing', 'simulation', 'signing', 'outside'],
  nowhere: [],
}

/** Libraries of the floors that choose none by themselves; other floors are adapters or roof and bring their own. */
const LIBRARIES: Partial<Record<Floor, readonly string[]>> = { domain: [], runtime: ['uuid'], door: [] }

const MAX_LINES = 300
const SOURCE = /\.(ts|js|mjs|cjs|cds|html|css)$/
const CODE = /\.(ts|js|mjs|cjs)$/

/** What a decision must not read: it gets `now`, random numbers and settings as arguments. */
const IMPURE = [
  /\bDate\.now\b/,
  /\bnew Date\(\s*\)/,
  /\bMath\.random\b/,
  /\bprocess\b/,
  /\bglobalThis\b/,
  /\b(setTimeout|setInterval|setImmediate|queueMicrotask|performance|require|console)\b\s*[.(]/,
] as const

/** Words that another one stands for here; see the glossary. */
const OTHER_WORDS = /(Endpoint|Integration|Notification|Queue|Route|Job|Task|Cursor)/
const DECLARED = /\b(?:export\s+(?:async\s+)?(?:function|class|interface|type|const)|entity|service)\s+([A-Za-z]\w*)/g

export const floorOf = (path: string): Floor => FLOORS.find(([, pattern]) => pattern.test(path))?.[0] ?? 'nowhere'

/** Everything that is wrong with the house, one line each. */
export function inspect(tree: Tree): string[] {
  const code = new Map([...tree].filter(([path]) => CODE.test(path)))
  return [
    ...cyclesOf(code).map((cycle) => `import cycle: ${cycle}`),
    ...[...tree].filter(([path]) => SOURCE.test(path)).flatMap(([path, text]) => tooLong(path, text)),
    ...[...code].flatMap(([path, text]) => wrongArrows(path, importsOf(text))),
    ...[...code].filter(([path]) => floorOf(path) === 'domain').flatMap(([path, text]) => impure(path, text)),
    ...[...tree].flatMap(([path, text]) => otherWords(path, text)),
  ]
}

function tooLong(path: string, text: string): string[] {
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  return lines > MAX_LINES ? [`too long: ${path} has ${lines} lines, ${MAX_LINES} are the limit`] : []
}

function wrongArrows(path: string, imports: readonly Import[]): string[] {
  const wrong = imports.flatMap((one) => wrongArrow(path, one)).map((why) => `${path} ${why}`)
  const floors = new Set(imports.map(({ specifier }) => floorOf(resolveImport(path, specifier) ?? '')))
  const opens = imports.some(({ specifier }) => resolveImport(path, specifier) === 'srv/gateway.ts')
  const inside = ['roof', 'door', 'runtime', 'domain', 'adapters'].includes(floorOf(path))
  if (inside && opens && floors.has('adapters'))
    wrong.push(`${path} wires adapters to the gateway: only wiring.ts does`)
  return wrong
}

function wrongArrow(path: string, { specifier, typeOnly }: Import): string[] {
  const floor = floorOf(path)
  const target = resolveImport(path, specifier)
  if (target === undefined) return wrongLibrary(floor, specifier)
  if (target.startsWith('..')) return [`imports ${specifier}, outside the repository`]
  const below = floorOf(target)
  if (below === 'nowhere') return /\.json$/.test(target) ? [] : [`imports ${target}, which is on no floor`]
  if (!MAY_IMPORT[floor].includes(below)) return [`(${floor}) imports ${target} (${below})`]
  if (floor === 'testing' && below === 'domain' && !typeOnly)
    return [`(testing) imports more than types from ${target}`]
  if (floor === 'simulation' && below === 'adapters' && !target.startsWith('adapters/inbox/memory/')) {
    return [`(simulation) imports ${target}`]
  }
  if (below === 'signing' && floor === 'roof' && !path.startsWith('bin/')) return [`(roof) imports ${target}`]
  // The command line sees adapters by their entries only, and its deliveries are none of theirs.
  const entry = target.endsWith('/index.ts') && !path.startsWith('bin/signing/')
  if (path.startsWith('bin/') && below === 'adapters' && !entry) return [`(bin) imports ${target}`]
  if (floor === 'adapters' && below === 'adapters' && kindOf(path) !== kindOf(target)) {
    return [`(adapters/${kindOf(path)}) imports ${target}`]
  }
  return []
}

function wrongLibrary(floor: Floor, specifier: string): string[] {
  const name = specifier.replace(/^node:/, '')
  if (specifier.startsWith('#')) return [`imports ${specifier}, which nobody resolves`]
  if (builtinModules.includes(name)) return floor === 'domain' ? [`(domain) imports ${specifier}`] : []
  const allowed = LIBRARIES[floor]
  return allowed === undefined || allowed.includes(name) ? [] : [`(${floor}) imports the library ${name}`]
}

const kindOf = (path: string): string => path.split('/')[1] ?? ''

const impure = (path: string, text: string): string[] =>
  IMPURE.filter((pattern) => pattern.test(withoutComments(text))).map((pattern) => `${path} is not pure: ${pattern}`)

function otherWords(path: string, text: string): string[] {
  if (!/^(srv\/(domain|runtime)|db)\//.test(path)) return []
  return [...withoutComments(text).matchAll(DECLARED)]
    .map(([, name]) => name ?? '')
    .filter((name) => OTHER_WORDS.test(name))
    .map((name) => `${path} calls something ${name}: the glossary has another word`)
}
