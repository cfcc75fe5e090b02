import { SluiceError } from '#domain/errors'
import type { Source } from '#domain/source'
import type { Target } from '#domain/target'
import {
  connectionOf,
  connectionOfService,
  eventMeshTarget,
  type MeshAddress,
  type MeshConnection,
  type MeshService,
  manageMesh,
  meshPull,
  type SubscribeOptions,
} from '../adapters/event-mesh/index.ts'
import type { SluiceConfig, SourceConfig, TargetConfig } from './config.ts'
import type { ConsumerPolicy } from './runtime/consumer.ts'
import type { Handler } from './runtime/handler.ts'
import type { WatchedMesh } from './runtime/mesh-watch.ts'

/** Services of the app, by their name under `cds.requires`, with the credentials of their bindings. */
export type Services = (name: string) => MeshService | undefined

/** What an event-mesh source says beyond how deliveries are checked and read. */
interface BrokerSettings {
  readonly queue?: string
  readonly consume?: 'push' | 'pull'
  /** Name of a bound service under `cds.requires`, or an address with credentials. */
  readonly broker?: string | object
  readonly consumers?: number
  readonly idleMs?: number
  readonly subscribe?: SubscribeOptions
}

const OWN = ['consume', 'broker', 'consumers', 'idleMs', 'subscribe']
const DEFAULT_CONSUMERS = 4
const DEFAULT_IDLE_MS = 15_000
const DEFAULT_WATCH_MS = 60_000

export const settingsOf = (source: SourceConfig): BrokerSettings => source as unknown as BrokerSettings

const isMesh = ({ kind }: SourceConfig): boolean => kind === 'event-mesh'

const isPulled = (source: SourceConfig): boolean => isMesh(source) && settingsOf(source).consume === 'pull'

/** A slip of the pen must not open the webhook of a queue that was meant to be pulled. */
function checkConsume({ consume = 'push' }: BrokerSettings): void {
  if (consume === 'push' || consume === 'pull') return
  throw new SluiceError('configuration', 'consume has a value it cannot have.', {
    retry: 'never',
    remedy: 'Use "push" or "pull".',
  })
}

/** What the factory of the source's kind is given. A queue that is pulled needs no proof of who delivers. */
export function withoutBroker(source: SourceConfig): SourceConfig {
  if (!isMesh(source)) return source
  checkConsume(settingsOf(source))
  const rest = Object.fromEntries(Object.entries(source).filter(([name]) => !OWN.includes(name))) as SourceConfig
  return isPulled(source) && !rest.auth ? { ...rest, auth: { kind: 'none' } } : rest
}

/** Whether deliveries may come in by HTTP: of a queue that is pulled only where the configuration says how to check them. */
export const isDelivered = (source: SourceConfig): boolean => !isPulled(source) || source.auth !== undefined

/** @returns undefined where nothing is pulled. @throws SluiceError `configuration` */
export function toConsumer(
  name: string,
  config: SourceConfig,
  source: Source,
  services: Services,
): ConsumerPolicy | undefined {
  if (!isPulled(config)) return undefined
  const { broker, queue = '', consumers = DEFAULT_CONSUMERS, idleMs = DEFAULT_IDLE_MS } = settingsOf(config)
  return { name, source, pull: meshPull(toConnection(broker, services), queue), consumers, idleMs }
}

/** @returns undefined where the broker is somebody else's to set up. @throws SluiceError `configuration` */
export function toWatchedMesh(
  name: string,
  config: SourceConfig,
  services: Services,
  publicUrl: string | undefined,
): WatchedMesh | undefined {
  const { broker, queue = '', subscribe } = settingsOf(config)
  if (!isMesh(config) || !subscribe) return undefined
  const webhookUrl = subscribe.webhook?.url ?? (publicUrl && `${publicUrl}/webhooks/${encodeURIComponent(name)}`)
  if (!isPulled(config) && !webhookUrl) {
    throw new SluiceError('configuration', 'subscribe: at which address does the broker reach this app?', {
      retry: 'never',
      remedy: 'Set publicUrl, or subscribe.webhook.url.',
    })
  }
  return {
    source: name,
    role: isPulled(config) ? 'poller' : 'intake',
    watchMs: subscribe.watchMs ?? DEFAULT_WATCH_MS,
    mesh: manageMesh({
      queue,
      connection: toConnection(broker, services),
      subscribe,
      ...(isPulled(config) || !webhookUrl ? {} : { webhookUrl }),
    }),
  }
}

/**
 * Queues and webhooks that the configuration manages, for `sluice mesh plan` (`planMesh(mesh.desired, await
 * mesh.look())`) and `sluice mesh apply` (`applyMesh(mesh)`). Close each after use.
 * @throws SluiceError `configuration`
 */
export const managedMeshes = ({ sources = {}, publicUrl }: SluiceConfig, services: Services): readonly WatchedMesh[] =>
  Object.entries(sources).flatMap(([name, source]) => toWatchedMesh(name, source, services, publicUrl) ?? [])

/** @throws SluiceError `configuration` */
export function toMeshTarget({ broker, source, publishPrefix, timeoutMs }: TargetConfig, services: Services): Target {
  return eventMeshTarget({
    connection: toConnection(broker, services),
    ...(source ? { source } : {}),
    ...(publishPrefix === undefined ? {} : { publishPrefix }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  })
}

export function toConnection(broker: string | object | undefined, services: Services): MeshConnection {
  if (typeof broker === 'string') return connectionOfService(broker, services(broker))
  if (broker) return connectionOf(broker as MeshAddress)
  throw new SluiceError('configuration', 'broker: which Event Mesh is it?', {
    retry: 'never',
    remedy:
      'Name a bound service under cds.requires, e.g. "messaging", or write its url, tokenUrl, clientId and secret.',
  })
}

/** The handler of a subscription that only passes events on. */
export const publisher =
  ({ target, topic }: { readonly target: string; readonly topic?: string }): Handler =>
  (event, { targets }) =>
    targets[target]?.publish(event, topic ? { topic } : {})
