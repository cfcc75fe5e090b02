import type { ErpSandbox } from 'cap-sluice/testing'
import type { ClusterOptions } from './cluster.ts'
import { sharedHeadquarters } from './erps.ts'
import type { Failpoint } from './failpoints.ts'
import type { STORES } from './stores.ts'
import { until } from './until.ts'
import { judgeChanges, type Verdict } from './verdict.ts'
import { World } from './world.ts'

/** Without an overlap: reading again would find what a checkpoint has left behind. */
const POLL = { overlapMs: 0, pageSize: 4 }
/** With the last row of before, which is always read again, two pages. Only the second one moves the checkpoint. */
const [CREATED, CHANGED] = [4, 1]

/** Gateways that copy the changes of a headquarters which tells nobody of them. */
export class PolledWorld {
  readonly world: World
  readonly #headquarters: ErpSandbox
  readonly #label: string

  static async open(
    suite: Mocha.Context,
    kind: (typeof STORES)[number],
    options: Pick<ClusterOptions, 'label' | 'mutation'>,
  ): Promise<PolledWorld> {
    const headquarters = await sharedHeadquarters()
    const { url, user, password } = headquarters
    const parts = { subscriptions: ['changes'] as const, headquarters: { url, user, password }, poll: POLL }
    return new PolledWorld(await World.open(suite, kind, { ...parts, ...options }), headquarters, options.label)
  }

  private constructor(world: World, headquarters: ErpSandbox, label: string) {
    this.world = world
    this.#headquarters = headquarters
    this.#label = label
  }

  verdict(): Promise<Verdict> {
    return judgeChanges(this.world.erp, this.#headquarters, this.#label)
  }

  /** Changes until a process has died there, and once more. */
  async crash(failpoint: Failpoint): Promise<void> {
    const { cluster } = this.world
    const before = cluster.reached(failpoint)
    const isDead = () => cluster.reached(failpoint) > before
    await cluster.armAll(failpoint, { pass: 2 })
    while (!isDead()) {
      await this.#change()
      await until('somebody finds the changes, or dies of it', async () => isDead() || (await this.#isFound()))
    }
    await cluster.disarm()
    await this.#change()
  }

  /** Until nothing is missing, and nothing is under way. */
  async settled(withinMs?: number): Promise<void> {
    await until('nothing is missing', () => this.#isFound(), withinMs)
    await this.world.polled()
    await this.world.settled(withinMs)
  }

  /** New orders, and then one that was there before. */
  async #change(): Promise<void> {
    await this.#headquarters.change({ entity: 'A_SalesOrder', action: 'create', count: CREATED })
    await this.#headquarters.change({ entity: 'A_SalesOrder', action: 'change', count: CHANGED })
  }

  async #isFound(): Promise<boolean> {
    return (await this.verdict()).lost.length === 0
  }
}
