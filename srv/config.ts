import { Ajv, type ErrorObject } from 'ajv'
import type { RetryPolicy } from '#domain/backoff'
import { SluiceError } from '#domain/errors'
import type { PollWhen } from '#domain/plan-fallback'
import type { AuthSpec } from '#domain/source'
import type { OrderPolicy } from '#domain/subscription'
import type { EntitySpec } from '#domain/target'
import schema from './config.schema.json' with { type: 'json' }
import type { DoorLimits } from './door.ts'
import type { Role } from './gateway.ts'
import type { MetricsAccess } from './metrics-route.ts'
import type { RetentionOptions } from './runtime/retention.ts'
import type { WorkerOptions } from './runtime/worker.ts'

export type AuthConfig = AuthSpec | { readonly kind: 'xsuaa'; readonly scope: string; readonly issuer?: string }

export interface SourceConfig {
  readonly kind: string
  /** Closed for good: answers 410. */
  readonly retired?: boolean
  /** Several where a kind takes them. */
  readonly auth?: AuthConfig | readonly AuthConfig[]
  readonly [option: string]: unknown
}

export interface TargetConfig {
  readonly kind: 'odata-v2' | 'odata-v4' | 'event-mesh'
  readonly url?: string
  /** Name of a BTP destination, instead of `url`, `auth` and `sapClient`. */
  readonly destination?: string
  /** Of an event-mesh target: a bound service's name, or an address with credentials. */
  readonly broker?: string | object
  /** `source` of what is published. */
  readonly source?: string
  readonly publishPrefix?: string
  readonly path?: string
  readonly auth?:
    | { kind: 'none' }
    | { kind: 'basic'; user: string; password: string }
    | { kind: 'oauth2'; tokenUrl: string; clientId: string; clientSecret: string }
  readonly entities?: Readonly<Record<string, EntitySpec>>
  readonly csrf?: boolean
  readonly repeatability?: boolean
  readonly settleMs?: number
  readonly timeoutMs?: number
  readonly maxResponseBytes?: number
  readonly sapClient?: string
  readonly headers?: Readonly<Record<string, string>>
}

interface SubscriptionConfig {
  readonly on: string | readonly string[]
  /** Path of the handler's module; or `service`. */
  readonly handler?: string
  /** Name of the CAP service that the events are emitted to. */
  readonly service?: string
  /** Passes the events on to a broker. */
  readonly publish?: { readonly target: string; readonly topic?: string }
  readonly sources?: readonly string[]
  readonly subject?: string
  readonly order?: OrderPolicy
  readonly retry?: Partial<RetryPolicy>
  readonly timeoutMs?: number
  readonly concurrency?: number
  readonly fetch?: string | { readonly target: string; readonly entity?: string }
  /** The handler reads JSON where the event is XML; `arrays` as for `xmlToJson` of the SDK. */
  readonly xmlToJson?: boolean | { readonly arrays: readonly string[] }
}

export interface PollConfig {
  readonly target: string
  readonly entity: string
  readonly type: string
  readonly object?: string
  readonly key?: readonly string[]
  readonly version?: string
  readonly cron: string
  readonly timezone?: string
  readonly when?: PollWhen
  readonly backs?: string
  readonly staleAfterMs?: number
  readonly overlapMs?: number
  readonly pageSize?: number
  readonly startFrom?: string
}

/** A row of the S/4 catalog (adapters/sources/s4-catalog.ts); what is left out stays as it is. */
interface S4RowConfig {
  readonly type?: string
  readonly key?: readonly string[]
  readonly nature?: 'state' | 'fact'
  readonly apis?: readonly {
    readonly version: 'v2' | 'v4'
    readonly service: string
    readonly entity: string
    readonly key?: readonly string[]
    readonly changed?: string
  }[]
}

/** `cds.requires.sluice`, checked and with every `env:NAME` replaced. Durations in ms. */
export interface SluiceConfig {
  readonly roles?: readonly Role[]
  readonly publicUrl?: string
  readonly sources?: Readonly<Record<string, SourceConfig>>
  readonly targets?: Readonly<Record<string, TargetConfig>>
  readonly subscriptions?: Readonly<Record<string, SubscriptionConfig>>
  readonly polls?: Readonly<Record<string, PollConfig>>
  readonly limits?: Partial<DoorLimits>
  readonly worker?: Partial<WorkerOptions>
  readonly retention?: Partial<RetentionOptions>
  readonly stopTimeoutMs?: number
  /** Rows of the S/4 catalog, changed or added: by object, those of items as `SalesOrder/items`. */
  readonly catalog?: Readonly<Record<string, S4RowConfig>>
  readonly metrics?: { readonly access?: MetricsAccess; readonly process?: boolean }
}

const validate = new Ajv({
  allErrors: true,
  strict: true,
  allowUnionTypes: true,
  discriminator: true,
}).compile<SluiceConfig>(schema)

/** @throws SluiceError `configuration` naming every wrong setting's path and what to do. */
export function readConfig(raw: unknown, env: Readonly<Record<string, string | undefined>>): SluiceConfig {
  // CAP's own object has getters and links; what is read once is plain.
  const config = resolveEnv(structuredCloneOf(raw), env, 'sluice')
  // Of a conditional schema the branch has said already what is wrong.
  if (!validate(config)) throw refused((validate.errors ?? []).filter(({ keyword }) => keyword !== 'if').map(explain))
  const problems = crossCheck(config)
  if (problems.length > 0) throw refused(problems)
  return config
}

const structuredCloneOf = (raw: unknown): unknown => JSON.parse(JSON.stringify(raw ?? {}))

const refused = (problems: readonly string[]): SluiceError =>
  new SluiceError(
    'configuration',
    `Sluice cannot start with this configuration:\n- ${[...new Set(problems)].join('\n- ')}`,
    {
      retry: 'never',
    },
  )

function resolveEnv(value: unknown, env: Readonly<Record<string, string | undefined>>, path: string): unknown {
  if (typeof value === 'string' && value.startsWith('env:')) {
    const name = value.slice(4)
    const found = env[name]
    if (found) return found
    throw refused([
      `${path}: the environment variable ${name} is ${found === '' ? 'empty' : 'not set'}. Set it, or change the setting.`,
    ])
  }
  if (Array.isArray(value)) return value.map((each, index) => resolveEnv(each, env, `${path}[${index}]`))
  if (value && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, resolveEnv(each, env, `${path}.${name}`)]),
    )
  }
  return value
}

/** Never shows the value: it may be a secret. */
function explain({ instancePath, keyword, message, params }: ErrorObject): string {
  const path = `sluice${instancePath.replaceAll('/', '.')}`
  if (keyword === 'additionalProperties')
    return `${path}: "${params.additionalProperty}" is not a setting. Remove it or mend its spelling.`
  if (keyword === 'enum') return `${path}: must be one of ${params.allowedValues.join(', ')}.`
  if (keyword === 'discriminator') return `${path}.${params.tag}: there is no such kind.`
  if (keyword === 'propertyNames')
    return `${path}: "${params.propertyName}" is not a name. Use letters, digits, ".", "_" and "-".`
  return `${path}: ${message ?? 'is wrong'}.`
}

/** Where the system is, said once. */
function addressProblems([name, target]: [string, TargetConfig]): string[] {
  const { url, destination, auth, sapClient, broker, kind } = target
  const path = `sluice.targets.${name}`
  if (kind === 'event-mesh') return broker ? [] : [`${path}.broker: which Event Mesh? Name a bound service.`]
  if (!url && !destination) return [`${path}: where is it? Set "url", or "destination" to a BTP destination's name.`]
  if (!destination) return []
  return Object.entries({ url, auth, sapClient })
    .filter(([, value]) => value !== undefined)
    .map(([key]) => `${path}.${key}: the destination says it. Remove one of both.`)
}

function xsuaaProblems([name, { auth }]: [string, SourceConfig]): string[] {
  const all = auth === undefined ? [] : 'kind' in auth ? [auth] : auth
  if (all.every((one) => one.kind !== 'xsuaa' || one.scope)) return []
  return [`sluice.sources.${name}.auth.scope: name the scope that xs-security.json grants, e.g. "emcallback".`]
}

/** What a schema cannot say: settings that refer to one another. */
function crossCheck({ sources = {}, targets = {}, subscriptions = {}, polls = {}, worker }: SluiceConfig): string[] {
  const problems = [
    ...Object.entries(targets).flatMap(addressProblems),
    ...Object.entries(sources).flatMap(xsuaaProblems),
  ]
  const origins = new Set([...Object.keys(sources), ...Object.keys(polls)])
  for (const [name, subscription] of Object.entries(subscriptions)) {
    const { handler, service, publish } = subscription
    if ([handler, service, publish].filter((each) => each !== undefined).length !== 1)
      problems.push(`sluice.subscriptions.${name}: write one of handler (a module), service (of CAP) and publish.`)
    if (publish && targets[publish.target]?.kind !== 'event-mesh')
      problems.push(`sluice.subscriptions.${name}.publish: no target ${publish.target} of kind event-mesh. Add it.`)
    const target = typeof subscription.fetch === 'string' ? subscription.fetch : subscription.fetch?.target
    if (target && !targets[target])
      problems.push(`sluice.subscriptions.${name}.fetch: no target ${target}. Add it to sluice.targets.`)
    for (const source of subscription.sources ?? []) {
      if (!origins.has(source))
        problems.push(`sluice.subscriptions.${name}.sources: no source or poll ${source}. Mend its name.`)
    }
    const leaseMs = worker?.leaseMs
    if (leaseMs && subscription.timeoutMs && subscription.timeoutMs >= leaseMs) {
      problems.push(`sluice.subscriptions.${name}.timeoutMs: must be below worker.leaseMs (${leaseMs}).`)
    }
  }
  for (const [name, poll] of Object.entries(polls)) {
    const path = `sluice.polls.${name}`
    const entity = targets[poll.target]?.entities?.[poll.entity]
    if (sources[name])
      problems.push(`${path}: a source has the same name. Events are identified by it: choose another.`)
    if (!targets[poll.target]) problems.push(`${path}.target: no target ${poll.target}. Add it to sluice.targets.`)
    if (!(poll.key ?? entity?.key))
      problems.push(`${path}.key: how is a row recognized? List the key elements, e.g. ["SalesOrder"].`)
    if (!(poll.version ?? entity?.version)) {
      problems.push(
        `${path}.version: which element grows with every change? Without one, changes would be missed silently.`,
      )
    }
    if (!(poll.object ?? entity?.object))
      problems.push(`${path}.object: name the business object, as the pushed events do, e.g. "SalesOrder".`)
    if (poll.backs && !sources[poll.backs]) problems.push(`${path}.backs: no source ${poll.backs}. Mend its name.`)
    if (poll.when === 'stale' && !(poll.backs && poll.staleAfterMs)) {
      problems.push(`${path}.when: "stale" needs "backs" (whose silence?) and "staleAfterMs" (how long?).`)
    }
    const from = poll.startFrom
    if (from && from !== 'now' && from !== 'beginning' && !Number.isFinite(Date.parse(from))) {
      problems.push(`${path}.startFrom: write now, beginning or an RFC 3339 moment.`)
    }
  }
  return problems
}
