import { randomBytes } from 'node:crypto'
import type { ErpSandbox } from 'cap-sluice/testing'
import { Cluster, type ClusterOptions } from './cluster.ts'
import { sharedErp } from './erps.ts'
import { type Failpoint, PROCESS_FAILPOINTS } from './failpoints.ts'
import { Shop } from './shop.ts'
import { type CrashStore, openLanes, openWork, type STORES } from './stores.ts'
import { until } from './until.ts'
import { judge, type Verdict } from './verdict.ts'

type WorldOptions = Partial<Omit<ClusterOptions, 'store' | 'secret' | 'erp'>> & Pick<ClusterOptions, 'label'>

/** Long enough that others come in between and that a lease is renewed; shorter than what the ERP may take to settle. */
const SLOW_MS = 150

/** What comes while handlers wait for the ERP, and of that what comes with an end. */
const NEEDS_SLOW_ERP: readonly Failpoint[] = ['renew', 'renewed', 'draining', 'closing']
const NEEDS_END: readonly Failpoint[] = ['draining', 'closing']

type Common = Omit<ClusterOptions, 'label'>

/** Gateways on one store, the ERP they write to, and shops that send to them. */
export class World {
  readonly store: CrashStore
  readonly erp: ErpSandbox
  readonly cluster: Cluster
  readonly #common: Common
  readonly #joined: Cluster[] = []

  static async open(
    suite: Mocha.Context,
    kind: (typeof STORES)[number],
    options: WorldOptions,
    prepare: (store: CrashStore) => Promise<unknown> = async () => undefined,
  ): Promise<World> {
    suite.timeout(60_000)
    const store = await kind.open(suite)
    await prepare(store)
    const erp = await sharedErp()
    const common = {
      processes: kind.processes,
      subscriptions: ['orders', 'stock'] as const,
      leaseMs: 1_000,
      settleMs: 500,
      drainMs: 5_000,
      store: store.inbox,
      secret: randomBytes(16).toString('hex'),
      erp: { url: erp.url, user: erp.user, password: erp.password },
    }
    return new World(store, erp, await Cluster.start({ ...common, ...options }), common)
  }

  /** More gateways on the same store, as an upgrade or another application brings them. */
  async join(options: WorldOptions & Partial<Pick<ClusterOptions, 'store'>>): Promise<Cluster> {
    const cluster = await Cluster.start({ ...this.#common, ...options })
    this.#joined.push(cluster)
    return cluster
  }

  private constructor(store: CrashStore, erp: ErpSandbox, cluster: Cluster, common: Common) {
    this.store = store
    this.erp = erp
    this.cluster = cluster
    this.#common = common
  }

  shop(name: string, keys?: ConstructorParameters<typeof Shop>[3], url = () => this.cluster.url()): Shop {
    return new Shop(this.#common.secret, name, url, keys)
  }

  /**
   * Sends until the first process has died there.
   * @param pass of an event's step; a process's own step is come to once
   */
  async crash(shop: Shop, failpoint: Failpoint, pass: number): Promise<void> {
    const { cluster, erp } = this
    const before = cluster.reached(failpoint)
    const isSlow = NEEDS_SLOW_ERP.includes(failpoint)
    if (isSlow) await erp.switch({ slow: SLOW_MS })
    if (failpoint === 'recovered') await this.#loseLane(pass)
    else await cluster.arm(0, failpoint, { pass: failpoint in PROCESS_FAILPOINTS ? 1 : pass })
    while (cluster.reached(failpoint) === before) {
      await shop.round()
      if (NEEDS_END.includes(failpoint)) cluster.signal(0, 'SIGTERM')
    }
    if (failpoint === 'recovered') await cluster.disarm()
    if (isSlow) await erp.switch({ slow: 0 })
  }

  /** The first process dies with a lane in work, and whoever takes that over, its own next life included, dies of it. */
  async #loseLane(pass: number): Promise<void> {
    for (let n = 1; n < this.cluster.size; n += 1) await this.cluster.arm(n, 'recovered')
    await this.cluster.arm(0, 'handler', { pass }, [{ failpoint: 'recovered' }])
  }

  /** A newer version takes the first process's place, and dies once while it brings the store to itself. */
  async crashDeploying(root: string): Promise<void> {
    const failpoint = 'deploy-written'
    this.cluster.replace(0, root, 'SIGTERM', [{ failpoint }])
    await until('it dies while it deploys', () => this.cluster.reached(failpoint) > 0)
    await this.cluster.listens(0)
  }

  /** A newer version joins, which has a subscription more and dies once while it registers that. */
  crashRegistering(options: Pick<WorldOptions, 'mutation'> = {}): Promise<Cluster> {
    const diesAtStart = ['register-written'] as const
    return this.join({ ...options, label: 'new', processes: 1, subscriptions: ['orders', 'audit'], diesAtStart })
  }

  /** Until no dispatch waits and no lane is leased: whoever was killed, somebody has ended its work. */
  async settled(withinMs?: number): Promise<void> {
    const isSettled = async () => {
      this.cluster.check()
      const { waiting, leased } = await openWork(this.store)
      return waiting + leased === 0
    }
    try {
      await until('everything ends', isSettled, withinMs)
    } catch (thrown) {
      throw new Error(`open: ${JSON.stringify(await openLanes(this.store))}`, { cause: thrown })
    }
  }

  /** Until two more polls have read to the end: the second began after this was called, and read the overlap again. */
  async polled(): Promise<void> {
    const completions = new Set<string>()
    await until('two more polls', async () => {
      this.cluster.check()
      const [row] = await this.store.sql<{ at: unknown }>('SELECT completedAt AS at FROM sluice_checkpoints')
      completions.add(String(row?.at))
      return completions.size > 2
    })
  }

  /** Of three processes, the first takes a shop's message, as soon as no other is faster, and is frozen with it. */
  async fallAsleep(shop: Shop, failpoint: 'handler' | 'settle'): Promise<void> {
    const { cluster } = this
    const isAsleep = () => cluster.reached(failpoint) > 0
    await cluster.arm(0, failpoint, { signal: 'SIGSTOP' })
    cluster.only(0)
    for (let sent = Promise.resolve(); !isAsleep(); ) {
      sent = shop.round()
      await until('it falls asleep', async () => isAsleep() || (await this.verdict(shop)).lost.length === 0)
      if (isAsleep()) cluster.only(1, 2)
      await sent
    }
  }

  /** Until another process has taken the lane over, and is in the middle of work that takes a while. */
  async workOn(shop: Shop): Promise<void> {
    await this.erp.switch({ slow: SLOW_MS })
    for (let n = 0; n < 8; n += 1) await shop.round()
    const documents = async () => (await this.erp.rows('IncomingDocuments')).length
    const before = await documents()
    await until('another process works on the lane', async () => (await documents()) > before + 2)
  }

  verdict(shop: Shop, chains?: Parameters<typeof judge>[2]): Promise<Verdict> {
    return judge(this.erp, shop, chains)
  }

  async close(): Promise<void> {
    for (const cluster of [this.cluster, ...this.#joined]) await cluster.close()
    await this.store.remove()
  }
}
