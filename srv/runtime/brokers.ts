import { riskOf, type SourceRisk } from '#domain/plan-mesh'
import type { Clock, Journal, Log } from '#domain/ports'
import type { PulledMessage } from '#domain/pull'
import type { Headers, Reply, Source } from '#domain/source'
import { type Consumer, type ConsumerPolicy, createConsumer, pulled } from './consumer.ts'
import { createMeshWatch, type MeshWatch, type WatchedMesh } from './mesh-watch.ts'
import { type Page, readRisks, riskBoard } from './risk-board.ts'

export interface BrokerParts {
  readonly consumers: readonly ConsumerPolicy[]
  readonly meshes: readonly WatchedMesh[]
  readonly journal: Pick<Journal, 'lease' | 'releaseLease' | 'sourceState' | 'setSourceState'>
  readonly clock: Clock
  readonly log: Log
  readonly roles: readonly string[]
  /** The door of `pulledSources`. */
  readonly receive: (request: {
    method: string
    url: string
    headers: Headers
    body: Uint8Array
    source: string
  }) => Promise<Reply>
}

/** Everything that goes to a broker by itself: pulls its messages, keeps its subscriptions as they are configured. */
export function createBrokers({ roles, journal, clock, log, ...parts }: BrokerParts) {
  const board = riskBoard(journal, log)
  const meshes = parts.meshes.filter(({ role }) => roles.includes(role))
  const policies = roles.includes('poller') ? parts.consumers : []

  async function store(source: string, { headers, body }: PulledMessage): Promise<boolean> {
    const { status } = await parts.receive({ method: 'POST', url: `/pull/${source}`, headers, body, source })
    return status >= 200 && status < 300
  }

  const consumers: [string, Consumer][] = policies.map((policy) => [
    policy.name,
    createConsumer(policy, {
      clock,
      log,
      random: Math.random,
      store,
      report: (source, fault) => void board.report(source, 'pull', fault ? [riskOf(fault)] : []),
    }),
  ])
  /** Whoever looks: roles differ among instances, the configuration does not. */
  const pages: readonly (readonly [string, Page])[] = [
    ...parts.meshes.map(({ source }) => [source, 'mesh'] as const),
    ...parts.consumers.map(({ name }) => [name, 'pull'] as const),
  ]
  let watch: MeshWatch | undefined

  return {
    /** What is known to endanger events at their brokers, whichever instance found it. */
    risks: (): Promise<readonly SourceRisk[]> => readRisks(journal, pages),
    start(instance: string): void {
      const looking = createMeshWatch({ meshes, journal, clock, log, board, instance })
      watch = looking
      looking.start()
      // A queue that is being made is not missed.
      for (const [source, consumer] of consumers) void looking.looked(source).then(() => consumer.start())
    },
    async stop(timeoutMs: number): Promise<void> {
      await Promise.allSettled([watch?.stop(timeoutMs), ...consumers.map(([, consumer]) => consumer.stop(timeoutMs))])
      await board.written()
    },
  }
}

/** What a door of their own takes pulled messages with. */
export const pulledSources = (policies: readonly ConsumerPolicy[]): Record<string, Source> =>
  Object.fromEntries(policies.map(({ name, source }) => [name, pulled(source)]))
