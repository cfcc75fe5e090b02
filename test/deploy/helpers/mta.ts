import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'
import { parse } from 'yaml'

const ROOT = resolve(import.meta.dirname, '../../..')
const text = (path: string): string => readFileSync(resolve(ROOT, path), 'utf8')
const json = <T>(path: string): T => JSON.parse(text(path)) as T

interface Entry {
  name: string
  type?: string
  path?: string
  active?: boolean
  parameters?: Record<string, unknown>
  properties?: Record<string, unknown>
  requires?: { name: string; group?: string; properties?: Record<string, unknown> }[]
  provides?: { name: string }[]
  'deployed-after'?: string[]
  'processed-after'?: string[]
}

/** Everything that one deployment is written in. */
export interface Descriptors {
  mta: { ID: string; version: string; modules: Entry[]; resources: Entry[]; [key: string]: unknown }
  hana: { extends: string; modules: Entry[]; resources: Entry[]; [key: string]: unknown }
  security: {
    scopes: { name: string; 'grant-as-authority-to-apps'?: string[] }[]
    'role-templates': { name: string; 'scope-references': string[] }[]
    'role-collections': { name: string; 'role-template-references': string[] }[]
  }
  router: { routes: { destination: string; authenticationType: string; csrfProtection: boolean }[] }
  mesh: { emname: string; namespace: string; authorities?: string[] }
  app: {
    requires: Record<string, unknown> & {
      sluice: {
        stopTimeoutMs: number
        sources: Record<string, { queue?: string; auth?: { kind: string; scope?: string } }>
      }
    }
  }
  version: string
}

export const readDescriptors = (): Descriptors => ({
  mta: parse(text('mta.yaml')),
  hana: parse(text('mta-hana.mtaext')),
  security: json('xs-security.json'),
  router: json('deploy/router/xs-app.json'),
  mesh: json('event-mesh.json'),
  app: json('deploy/app/.cdsrc.json'),
  version: json<{ version: string }>('package.json').version,
})

/**
 * Parameters of the deploy service that its published schema does not list yet.
 * https://help.sap.com/docs/btp/sap-business-technology-platform/modules
 */
const NEWER_PARAMETERS = [
  'health-check-interval',
  'readiness-health-check-type',
  'readiness-health-check-http-endpoint',
  'readiness-health-check-invocation-timeout',
  'readiness-health-check-interval',
  'stage-timeout',
  'start-timeout',
  'task-execution-timeout',
  'app-features',
]

/** What the deploy service and `mbt` read from a resource beside what the schema lists. */
const RESOURCE_PARAMETERS = ['path', 'service-keys']

/** What `npm run build` makes, and what needs no build; module paths are these. */
const BUILT = ['gen/srv', 'gen/db', 'deploy/router']

/** The service of the marketplace that CAP looks for under `cds.requires.<name>`. */
const SERVICES: Readonly<Record<string, string>> = {
  auth: 'xsuaa',
  destinations: 'destination',
  connectivity: 'connectivity',
  'sluice-db': 'postgresql-db',
}

/** On SAP BTP an app is killed 60 s after SIGTERM. */
const KILLED_AFTER_MS = 60_000

/** Everything that is wrong with the descriptors, one line each. */
export function inspectMta(all: Descriptors): string[] {
  return [
    ...schemaProblems(all),
    ...nameProblems(all),
    ...parameterProblems(all),
    ...pathProblems(all),
    ...securityProblems(all),
    ...bindingProblems(all),
    ...routerProblems(all),
    ...timeProblems(all),
  ]
}

const validators = new Map<string, ValidateFunction>()

/** Compiled once: the published schemas are large. */
function validatorOf(name: string): ValidateFunction {
  const known = validators.get(name)
  if (known) return known
  const compiled = new Ajv({ strict: false, allErrors: true }).compile(json(`test/fixtures/mta/${name}.json`))
  validators.set(name, compiled)
  return compiled
}

function schemaProblems({ mta, hana }: Descriptors): string[] {
  const documents = [
    ['mta', mta],
    ['mtad', mta],
    ['mtaext', hana],
  ] as const
  return documents.flatMap(([name, document]) => {
    const validate = validatorOf(name)
    return validate(document)
      ? []
      : (validate.errors ?? []).map((error) => `${name}${error.instancePath} ${error.message}`)
  })
}

function nameProblems({ mta, hana, version }: Descriptors): string[] {
  const modules = mta.modules.map(({ name }) => name)
  const resources = mta.resources.map(({ name }) => name)
  const known = new Set([...resources, ...mta.modules.flatMap(({ provides = [] }) => provides.map(({ name }) => name))])
  const dangling = [...mta.modules, ...mta.resources].flatMap((entry) => [
    ...(entry.requires ?? [])
      .filter(({ name }) => !known.has(name))
      .map(({ name }) => `${entry.name} requires ${name}`),
    ...(entry['deployed-after'] ?? [])
      .filter((name) => !modules.includes(name))
      .map((name) => `${entry.name} after ${name}`),
    ...(entry['processed-after'] ?? [])
      .filter((name) => !resources.includes(name))
      .map((name) => `${entry.name} after ${name}`),
  ])
  const unknown = [
    ...hana.modules.filter(({ name }) => !modules.includes(name)),
    ...hana.resources.filter(({ name }) => !resources.includes(name)),
  ].map(({ name }) => `the extension changes ${name}, which is not there`)
  return [
    ...dangling,
    ...unknown,
    ...(hana.extends === mta.ID ? [] : [`the extension extends ${hana.extends}`]),
    ...(mta.version === version ? [] : [`mta.yaml has version ${mta.version}, the package ${version}`]),
  ]
}

function parameterProblems({ mta, hana }: Descriptors): string[] {
  const { definitions } = json<{ definitions: Record<string, { properties: object }> }>('test/fixtures/mta/mtad.json')
  const listed = (name: string) => Object.keys(definitions[name]?.properties ?? {})
  const unknown = (entries: readonly Entry[], allowed: readonly string[]) =>
    entries.flatMap(({ name, parameters = {} }) =>
      Object.keys(parameters)
        .filter((parameter) => !allowed.includes(parameter))
        .map((parameter) => `${name}: unknown parameter ${parameter}`),
    )
  return [
    ...unknown([...mta.modules, ...hana.modules], [...listed('module-parameters'), ...NEWER_PARAMETERS]),
    ...unknown([...mta.resources, ...hana.resources], [...listed('resource-parameters'), ...RESOURCE_PARAMETERS]),
  ]
}

const exists = (path: string): boolean => {
  try {
    return text(path) !== undefined
  } catch {
    return false
  }
}

function pathProblems({ mta, hana }: Descriptors): string[] {
  const commands = [...mta.modules, ...hana.modules].flatMap(({ parameters = {} }) => [
    parameters.command,
    ...((parameters.tasks as { command: string }[] | undefined) ?? []).map(({ command }) => command),
  ])
  const files = commands.flatMap((command) => /node_modules\/(\S+\.js)/.exec(String(command))?.[1] ?? [])
  // What is compiled is looked for where it is written.
  const source = (file: string) => file.replace(/^cap-sluice\/dist\/(.*)\.js$/, '$1.ts').replace(/^@/, 'node_modules/@')
  return [
    ...mta.modules
      .filter(({ path }) => !BUILT.includes(path ?? ''))
      .map(({ name, path }) => `${name}: no path ${path}`),
    ...mta.resources
      .filter(({ parameters }) => parameters?.path && !exists(String(parameters.path)))
      .map(({ name, parameters }) => `${name}: no file ${parameters?.path}`),
    ...files.filter((file) => !exists(source(file))).map((file) => `a command runs ${file}, which is not there`),
  ]
}

function securityProblems({ mta, security, app, mesh }: Descriptors): string[] {
  const plain = (name: string) => name.replace(/^\$XSAPPNAME\./, '')
  const scopes = security.scopes.map(({ name }) => plain(name))
  const templates = security['role-templates'].map(({ name }) => name)
  const xsuaa = mta.resources.find(({ parameters }) => parameters?.service === 'xsuaa')
  const granted = security.scopes.flatMap((scope) =>
    (scope['grant-as-authority-to-apps'] ?? []).map((app) => /^\$XSSERVICENAME\((.+)\)$/.exec(app)?.[1] ?? app),
  )
  const roles = [...text('srv/cockpit-service.cds').matchAll(/@requires\s*:\s*(\[[^\]]*\]|'[^']*')/g)].flatMap(
    ([, list = '']) => [...list.matchAll(/'([^']+)'/g)].map(([, role = '']) => role),
  )
  const sources = Object.entries(app.requires.sluice.sources)
  const accepts = mesh.authorities?.includes('$ACCEPT_GRANTED_AUTHORITIES')
  return [
    ...(granted.length === 0 || accepts ? [] : ['Event Mesh does not accept the scope that is granted to it']),
    ...granted
      .filter(
        (name) =>
          !mta.resources.some((each) => each.name === name && each.parameters?.service === 'enterprise-messaging'),
      )
      .map((name) => `a scope is granted to ${name}, which is no Event Mesh`),
    ...granted
      .filter((name) => !xsuaa?.['processed-after']?.includes(name))
      .map((name) => `xsuaa is not processed after ${name}, whom it grants a scope to`),
    ...security['role-templates'].flatMap(({ name, 'scope-references': references }) =>
      references.filter((scope) => !scopes.includes(plain(scope))).map((scope) => `role ${name} has no scope ${scope}`),
    ),
    ...security['role-collections'].flatMap(({ name, 'role-template-references': references }) =>
      references.filter((role) => !templates.includes(plain(role))).map((role) => `${name} has no role ${role}`),
    ),
    ...roles.filter((role) => !scopes.includes(role)).map((role) => `the cockpit asks for ${role}, which is no scope`),
    ...sources
      .filter(([, { auth }]) => auth?.kind === 'xsuaa' && !scopes.includes(auth.scope ?? ''))
      .map(([name, { auth }]) => `source ${name} asks for ${auth?.scope}, which is no scope`),
    ...sources
      .filter(([, { queue }]) => queue && !queue.startsWith(`${mesh.namespace}/`))
      .map(([name, { queue }]) => `source ${name}: queue ${queue} is outside of ${mesh.namespace}`),
  ]
}

/** What the app asks CAP for must be bound to it, and nothing of it inactive. */
function bindingProblems({ mta, hana, app }: Descriptors): string[] {
  const srv = mta.modules.find(({ name }) => name === 'sluice-srv')
  const bound = mta.resources.filter(({ name }) => srv?.requires?.some((each) => each.name === name))
  const services = bound.filter(({ active }) => active !== false).map(({ parameters }) => parameters?.service)
  const extended = hana.resources.map(({ name, active }) => ({
    ...mta.resources.find((each) => each.name === name),
    active,
  }))
  const databases = extended.filter(({ active }) => active).map(({ parameters }) => parameters?.service)
  return [
    ...Object.entries(SERVICES)
      .filter(([name, service]) => app.requires[name] && !services.includes(service))
      .map(([name, service]) => `cds.requires.${name} needs ${service}, which is not bound`),
    ...(databases.includes('hana') ? [] : ['the extension for HANA has no HANA']),
  ]
}

/** A person's way to the cockpit: log-on at the bound XSUAA, back to the router, and on with the token. */
function routerProblems({ mta, router }: Descriptors): string[] {
  const module = mta.modules.find(({ type }) => type === 'approuter.nodejs')
  const xsuaa = mta.resources.find(({ parameters }) => parameters?.service === 'xsuaa')
  const { config } = (xsuaa?.parameters ?? {}) as {
    config?: { 'oauth2-configuration'?: { 'redirect-uris'?: string[] } }
  }
  const provided = module?.provides?.map(({ name }) => name) ?? []
  const back = (config?.['oauth2-configuration']?.['redirect-uris'] ?? []).map(
    (uri) => /^~\{(.+)\/.+\}\/\*\*$/.exec(uri)?.[1],
  )
  const bindsXsuaa = module?.requires?.some(({ name }) => name === xsuaa?.name)
  return [
    ...(bindsXsuaa ? [] : ['the router has no XSUAA to log people on at']),
    ...(back.some((name) => name && provided.includes(name)) ? [] : ['XSUAA would not send people back to the router']),
    ...router.routes.flatMap(({ destination, authenticationType, csrfProtection }) => {
      const to = module?.requires?.find(
        ({ group, properties }) => group === 'destinations' && properties?.name === destination,
      )
      return [
        ...(to ? [] : [`the router knows no ${destination}`]),
        ...(to && to.properties?.forwardAuthToken !== true ? [`the router keeps the token from ${destination}`] : []),
        ...(authenticationType === 'xsuaa' && csrfProtection ? [] : ['a route of the router is open']),
      ]
    }),
  ]
}

function timeProblems({ mta, app }: Descriptors): string[] {
  return mta.modules.flatMap(({ name, properties }) => {
    if (typeof properties?.CDS_CONFIG !== 'string') return []
    const { requires, server } = JSON.parse(properties.CDS_CONFIG) as Partial<typeof app> & {
      server?: { force_exit_timeout?: number }
    }
    const total =
      (requires?.sluice?.stopTimeoutMs ?? app.requires.sluice.stopTimeoutMs) + (server?.force_exit_timeout ?? 0)
    return total < KILLED_AFTER_MS ? [] : [`${name} takes ${total} ms to stop`]
  })
}
