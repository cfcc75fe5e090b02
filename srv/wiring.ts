import type cds from '@sap/cds'
import { SluiceError, toFault } from '#domain/errors'
import type { Inbox, Log } from '#domain/ports'
import type { Source } from '#domain/source'
import type { EntitySpec, Target } from '#domain/target'
import type { Meter } from '#domain/telemetry'
import { type AuthenticatorOptions, authenticator } from '../adapters/auth/authenticate.ts'
import { type Bindings, btpDestinations, capBindings, xsuaaSpec } from '../adapters/btp/index.ts'
import { cdsInbox } from '../adapters/inbox/index.ts'
import { cdsLog } from '../adapters/log/cds-log.ts'
import { prometheus } from '../adapters/metrics/prometheus.ts'
import { guardedFetch } from '../adapters/net/guarded-fetch.ts'
import { odataTarget } from '../adapters/odata/index.ts'
import { cronSchedule } from '../adapters/schedule/cron-schedule.ts'
import { sources as kinds, xmlToJson } from '../adapters/sources/index.ts'
import { catalogOf, type S4Catalog } from '../adapters/sources/s4-catalog.ts'
import { catalogEntities } from '../adapters/sources/s4-entities.ts'
import { openTelemetry } from '../adapters/telemetry/opentelemetry.ts'
import { checkLoops } from './check-loops.ts'
import type { AuthConfig, PollConfig, SluiceConfig, SourceConfig, TargetConfig } from './config.ts'
import { createGateway, type Gateway, type Handler, type Subscription } from './gateway.ts'
import { type Load, loadHandler } from './handlers.ts'
import type { PollPolicy } from './runtime/poller.ts'
import {
  isDelivered,
  publisher,
  type Services,
  toConsumer,
  toMeshTarget,
  toWatchedMesh,
  withoutBroker,
} from './wire-mesh.ts'

const DEFAULT_OVERLAP_MS = 300_000
const DEFAULT_PAGE_SIZE = 500
const DEFAULT_STALE_AFTER_MS = 900_000

/** What every CAP app has: its log, the inbox on its service `sluice-db`, and the services it is bound to. */
export const capParts = (facade: typeof cds) => ({
  log: cdsLog(facade),
  openInbox: () => cdsInbox(),
  metrics: prometheus({ process: facade.env.requires.sluice?.metrics?.process === true }),
  bindings: capBindings(() => facade.env.requires),
  services: ((name) => facade.env.requires[name]) satisfies Services,
  load: (facade.utils as unknown as { import: Load }).import,
})

export interface WiringParts {
  readonly config: SluiceConfig
  readonly inbox: Inbox
  readonly log: Log
  readonly meter: Meter
  /** Where handler modules are looked up. */
  readonly root: string
  /** How handler modules are loaded. */
  readonly load?: Load
  readonly auth?: AuthenticatorOptions
  /** The platform services that destinations and tokens come from. */
  readonly bindings: Bindings
  /** Services that brokers are configured by. */
  readonly services?: Services
  readonly app?: AppParts
}

/** What a CAP app adds to handlers. */
export interface AppParts {
  /** Subscriptions that the app's code made. */
  readonly subscriptions: readonly Subscription[]
  /** Gives a handler the app's transaction and user. */
  within(handler: Handler): Handler
  /** The handler that emits to a CAP service. */
  emitter(subscription: string, service: string): Promise<Handler>
}

/** From configuration to a gateway: the only file that sees every floor. */
export async function wire(parts: WiringParts): Promise<Gateway> {
  const { config, inbox, log, meter, root, load, auth, bindings, app, services = () => undefined } = parts
  const { sources: configs = {} } = config
  const catalog = catalogOf(config.catalog)
  const sources = mapValues(configs, 'sources', (source) => toSource(withoutBroker(source), bindings, catalog))
  const destinations = btpDestinations({ bindings, environment: process.env.destinations })
  const targets = mapValues(withPolledEntities(config), 'targets', (target) =>
    toTarget(withCatalog(target, catalog), log, destinations, services),
  )
  const configured = await Promise.all(
    Object.entries(config.subscriptions ?? {}).map(
      async ([name, { on, handler, service, publish, fetch, xmlToJson: xml, ...rest }]): Promise<Subscription> => ({
        ...rest,
        name,
        on: typeof on === 'string' ? [on] : on,
        handler: publish
          ? publisher(publish)
          : await (service && app ? app.emitter(name, service) : loadHandler(name, handler ?? '', root, load)),
        ...(fetch === undefined ? {} : { fetch: typeof fetch === 'string' ? { target: fetch } : fetch }),
        ...(xml ? { convert: xmlToJson(xml === true ? {} : xml) } : {}),
      }),
    ),
  )
  const subscriptions = app
    ? [...configured, ...app.subscriptions].map((each) => ({ ...each, handler: app.within(each.handler) }))
    : configured
  const meshes = present(
    mapValues(configs, 'sources', (source, name) => toWatchedMesh(name, source, services, config.publicUrl)),
  )
  checkLoops(config, services)
  return createGateway({
    inbox,
    log,
    targets,
    subscriptions,
    sources: Object.fromEntries(Object.entries(sources).filter(([name]) => isDelivered(configs[name] as SourceConfig))),
    consumers: present(
      mapValues(configs, 'sources', (source, name) => toConsumer(name, source, sources[name] as Source, services)),
    ),
    meshes,
    polls: Object.entries(config.polls ?? {}).map(([name, poll]) => toPoll(name, poll, config)),
    authenticate: authenticator({ log, ...auth }),
    fetch: guardedFetch({ hosts: Object.values(sources).flatMap(({ hosts = [] }) => hosts) }),
    meter,
    tracer: openTelemetry(),
    ...(config.roles ? { roles: config.roles } : {}),
    ...(config.publicUrl ? { publicUrl: config.publicUrl } : {}),
    ...(config.limits ? { limits: config.limits } : {}),
    ...(config.worker ? { worker: config.worker } : {}),
    ...(config.retention ? { retention: config.retention } : {}),
  })
}

function toSource({ kind, retired = false, ...options }: SourceConfig, bindings: Bindings, catalog: S4Catalog): Source {
  const factories = kinds as Readonly<Record<string, (options: never, shared: { catalog: S4Catalog }) => Source>>
  const factory = Object.hasOwn(factories, kind) ? factories[kind] : undefined
  if (factory) {
    const source = factory({ ...options, ...withXsuaa(options.auth, bindings) } as never, { catalog })
    return retired ? { ...source, retired } : source
  }
  throw new SluiceError('configuration', `there is no kind "${kind}".`, {
    remedy: `Choose one of ${Object.keys(kinds).join(', ')}.`,
  })
}

/** A binding's own words where `auth`, or one of several, says `xsuaa`. */
function withXsuaa(auth: SourceConfig['auth'], bindings: Bindings) {
  const resolve = (one: AuthConfig) => (one.kind === 'xsuaa' ? xsuaaSpec(one, bindings) : one)
  return auth === undefined ? {} : { auth: 'kind' in auth ? resolve(auth) : auth.map(resolve) }
}

/** Entities of the S/4 catalog that are at this address need no configuration; what is configured goes before them. */
function withCatalog(target: TargetConfig, catalog: S4Catalog): TargetConfig {
  if (target.kind === 'event-mesh') return target
  const { kind, url = '', path = '', entities = {} } = target
  const known = catalogEntities(catalog, kind === 'odata-v4' ? 'v4' : 'v2', `${url}${path}`)
  const taken = new Set(Object.values(entities).map(({ object }) => object))
  const added = Object.entries(known).filter(([name, { object }]) => !entities[name] && !taken.has(object))
  return { ...target, entities: { ...entities, ...Object.fromEntries(added) } }
}

function toTarget(
  config: TargetConfig,
  log: Log,
  destinations: ReturnType<typeof btpDestinations>,
  services: Services,
): Target {
  if (config.kind === 'event-mesh') return toMeshTarget(config, services)
  const { kind, url = '', path = '', auth = { kind: 'none' }, sapClient, destination, entities = {}, ...rest } = config
  const options = { ...rest, entities, log, version: kind === 'odata-v4' ? 'v4' : 'v2' } as const
  if (destination) return odataTarget({ ...options, address: destinations(destination, path) })
  return odataTarget({ ...options, auth, url: url.replace(/\/$/, '') + path, ...(sapClient ? { sapClient } : {}) })
}

/** A poll may describe its entity itself; as a target of writes the entity then stays closed. */
function withPolledEntities({ targets = {}, polls = {} }: SluiceConfig): Record<string, TargetConfig> {
  const all: Record<string, TargetConfig> = { ...targets }
  for (const poll of Object.values(polls)) {
    const target = all[poll.target]
    if (!target) continue
    const known = target.entities?.[poll.entity]
    const entity: EntitySpec = {
      ...(known ?? { readonly: true }),
      key: known?.key ?? poll.key ?? [],
      ...(poll.object ? { object: poll.object } : {}),
      ...(poll.version ? { version: poll.version } : {}),
    }
    all[poll.target] = { ...target, entities: { ...target.entities, [poll.entity]: entity } }
  }
  return all
}

function toPoll(name: string, poll: PollConfig, { targets = {} }: SluiceConfig): PollPolicy {
  const { cron, timezone, backs } = poll
  return {
    name,
    target: poll.target,
    entity: poll.entity,
    type: poll.type,
    object: poll.object ?? targets[poll.target]?.entities?.[poll.entity]?.object ?? poll.entity,
    schedule: located(`sluice.polls.${name}.cron`, () => cronSchedule({ cron, ...(timezone ? { timezone } : {}) })),
    overlapMs: poll.overlapMs ?? DEFAULT_OVERLAP_MS,
    pageSize: poll.pageSize ?? DEFAULT_PAGE_SIZE,
    when: poll.when ?? 'always',
    staleAfterMs: poll.staleAfterMs ?? DEFAULT_STALE_AFTER_MS,
    startFrom: poll.startFrom ?? 'now',
    ...(backs ? { backs } : {}),
  }
}

function mapValues<From, To>(
  from: Readonly<Record<string, From>>,
  section: string,
  map: (value: From, name: string) => To,
): Record<string, To> {
  return Object.fromEntries(
    Object.entries(from).map(([name, value]) => [name, located(`sluice.${section}.${name}`, () => map(value, name))]),
  )
}

const present = <T>(record: Readonly<Record<string, T | undefined>>): readonly T[] =>
  Object.values(record).flatMap((each) => each ?? [])

/** Says at which setting a factory refused. */
function located<T>(path: string, make: () => T): T {
  try {
    return make()
  } catch (thrown) {
    throw new SluiceError('configuration', `${path}: ${toFault(thrown).message}`, { retry: 'never', cause: thrown })
  }
}
