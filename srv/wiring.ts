import type cds from '@sap/cds'
import { SluiceError, toFault } from '#domain/errors'
import type { Inbox, Log } from '#domain/ports'
import type { Source } from '#domain/source'
import type { EntitySpec, Target } from '#domain/target'
import { type AuthenticatorOptions, authenticator } from '../adapters/auth/authenticate.ts'
import { cdsInbox } from '../adapters/inbox/index.ts'
import { cdsLog } from '../adapters/log/cds-log.ts'
import { guardedFetch } from '../adapters/net/guarded-fetch.ts'
import { odataTarget } from '../adapters/odata/index.ts'
import { cronSchedule } from '../adapters/schedule/cron-schedule.ts'
import { sources as kinds } from '../adapters/sources/index.ts'
import type { PollConfig, SluiceConfig, SourceConfig, TargetConfig } from './config.ts'
import { createGateway, type Gateway, type Subscription } from './gateway.ts'
import { loadHandler } from './handlers.ts'
import type { PollPolicy } from './runtime/poller.ts'

const DEFAULT_OVERLAP_MS = 300_000
const DEFAULT_PAGE_SIZE = 500
const DEFAULT_STALE_AFTER_MS = 900_000

/** What every CAP app has: its log, and the inbox on its service `sluice-db`. */
export const capParts = (facade: typeof cds) => ({ log: cdsLog(facade), openInbox: () => cdsInbox() })

export interface WiringParts {
  readonly config: SluiceConfig
  readonly inbox: Inbox
  readonly log: Log
  /** Where handler modules are looked up. */
  readonly root: string
  readonly auth?: AuthenticatorOptions
}

/** From configuration to a gateway: the only file that sees every floor. */
export async function wire({ config, inbox, log, root, auth }: WiringParts): Promise<Gateway> {
  const targets = mapValues(withPolledEntities(config), 'targets', (target) => toTarget(target, log))
  const subscriptions = await Promise.all(
    Object.entries(config.subscriptions ?? {}).map(
      async ([name, { on, handler, fetch, ...rest }]): Promise<Subscription> => ({
        ...rest,
        name,
        on: typeof on === 'string' ? [on] : on,
        handler: await loadHandler(name, handler, root),
        ...(fetch === undefined ? {} : { fetch: typeof fetch === 'string' ? { target: fetch } : fetch }),
      }),
    ),
  )
  return createGateway({
    inbox,
    log,
    targets,
    subscriptions,
    sources: mapValues(config.sources ?? {}, 'sources', toSource),
    polls: Object.entries(config.polls ?? {}).map(([name, poll]) => toPoll(name, poll, config)),
    authenticate: authenticator(auth),
    fetch: guardedFetch(),
    ...(config.roles ? { roles: config.roles } : {}),
    ...(config.publicUrl ? { publicUrl: config.publicUrl } : {}),
    ...(config.limits ? { limits: config.limits } : {}),
    ...(config.worker ? { worker: config.worker } : {}),
    ...(config.retention ? { retention: config.retention } : {}),
  })
}

function toSource({ kind, ...options }: SourceConfig): Source {
  const factories = kinds as Readonly<Record<string, (options: never) => Source>>
  const factory = Object.hasOwn(factories, kind) ? factories[kind] : undefined
  if (factory) return factory(options as never)
  throw new SluiceError('configuration', `there is no kind "${kind}".`, {
    remedy: `Choose one of ${Object.keys(kinds).join(', ')}.`,
  })
}

function toTarget({ kind, url, path = '', auth = { kind: 'none' }, ...options }: TargetConfig, log: Log): Target {
  return odataTarget({
    ...options,
    auth,
    version: kind === 'odata-v4' ? 'v4' : 'v2',
    url: url.replace(/\/$/, '') + path,
    entities: options.entities ?? {},
    log,
  })
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
  map: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(
    Object.entries(from).map(([name, value]) => [name, located(`sluice.${section}.${name}`, () => map(value))]),
  )
}

/** Says at which setting a factory refused. */
function located<T>(path: string, make: () => T): T {
  try {
    return make()
  } catch (thrown) {
    throw new SluiceError('configuration', `${path}: ${toFault(thrown).message}`, { retry: 'never', cause: thrown })
  }
}
