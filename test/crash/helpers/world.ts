import { randomBytes } from 'node:crypto'
import type { ErpSandbox } from 'cap-sluice/testing'
import { Cluster, type ClusterOptions } from './cluster.ts'
import { sharedErp } from './erps.ts'
import { Shop } from './shop.ts'
import { type CrashStore, openWork, type STORES } from './stores.ts'
import { until } from './until.ts'
import { judge, type Verdict } from './verdict.ts'

type WorldOptions = Partial<Omit<ClusterOptions, 'store' | 'secret' | 'erp'>> & Pick<ClusterOptions, 'label'>

/** Gateways on one store, the ERP they write to, and shops that send to them. */
export class World {
  readonly store: CrashStore
  readonly erp: ErpSandbox
  readonly cluster: Cluster
  readonly #secret: string

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
    const secret = randomBytes(16).toString('hex')
    const cluster = await Cluster.start({
      processes: kind.processes,
      subscriptions: ['orders', 'stock'],
      leaseMs: 1_000,
      settleMs: 500,
      ...options,
      store: store.inbox,
      secret,
      erp: { url: erp.url, user: erp.user, password: erp.password },
    })
    return new World(store, erp, cluster, secret)
  }

  private constructor(store: CrashStore, erp: ErpSandbox, cluster: Cluster, secret: string) {
    this.store = store
    this.erp = erp
    this.cluster = cluster
    this.#secret = secret
  }

  shop(name: string, keys?: ConstructorParameters<typeof Shop>[3]): Shop {
    return new Shop(this.#secret, name, () => this.cluster.url(), keys)
  }

  /** Until no dispatch waits and no lane is leased: whoever was killed, somebody has ended its work. */
  async settled(): Promise<void> {
    await until('everything ends', async () => {
      this.cluster.check()
      const { waiting, leased } = await openWork(this.store)
      return waiting + leased === 0
    })
  }

  verdict(shop: Shop): Promise<Verdict> {
    return judge(this.erp, shop)
  }

  async close(): Promise<void> {
    await this.cluster.close()
    await this.store.remove()
  }
}
