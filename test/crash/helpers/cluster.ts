import type { ChildOptions } from '../child.ts'
import type { Armed, Failpoint } from './failpoints.ts'
import { type Fact, type GatewayProcess, startGateway } from './gateway-process.ts'
import type { Mutation } from './mutations.ts'
import { until } from './until.ts'

export interface ClusterOptions extends Omit<ChildOptions, 'name'> {
  /** Tells this cluster's writes from those of others in the same ERP. */
  readonly label: string
  readonly processes: number
  readonly mutation?: Mutation
  /** Another copy of this repository that they run. */
  readonly root?: string
  /** Where the first process dies in its first starts, one after the other, before anybody else starts. */
  readonly diesAtStart?: readonly Failpoint[]
  /** What is different in single processes, in their order. */
  readonly each?: readonly Partial<Pick<ChildOptions, 'subscriptions' | 'roles'>>[]
}

interface Slot {
  readonly options: ChildOptions
  root: string | undefined
  isRetired: boolean
  running: GatewayProcess | undefined
  deaths: number
  /** Where it dies in its next lives. */
  dooms: readonly Doom[]
}

type Doom = Pick<Armed, 'failpoint'> & Partial<Armed>

/** Killed, asked to end, or asked before it listened for that. Anything else is a fault of the product. */
const EXPECTED_ENDS = ['SIGKILL', '0', 'SIGTERM']

const open = new Set<Cluster>()

// A root hook: whatever fails, no process is left behind.
after(() => {
  for (const cluster of open) cluster.kill()
})

/** Gateways that share a store, watched over as by Kubernetes or systemd: whoever dies is started again. */
export class Cluster {
  readonly #slots: readonly Slot[]
  readonly #mutation: Mutation | undefined
  readonly #past: Fact[] = []
  #inTurn: readonly number[]
  #turn = 0
  #isClosing = false
  #fault: Error | undefined

  /** Resolves when all of them listen. */
  static async start(given: ClusterOptions): Promise<Cluster> {
    const { label, processes, mutation, root, diesAtStart = [], each = [], ...options } = given
    const slots = Array.from({ length: processes }, (_, n) => ({
      options: { ...options, name: `${label}:${n}`, ...each[n] },
      root,
      isRetired: false,
      running: undefined,
      deaths: 0,
      dooms: n === 0 ? diesAtStart.map((failpoint) => ({ failpoint })) : [],
    }))
    const cluster = new Cluster(slots, mutation)
    open.add(cluster)
    const [doomed, others] = [
      slots.filter(({ dooms }) => dooms.length > 0),
      slots.filter(({ dooms }) => dooms.length === 0),
    ]
    for (const some of [doomed, others]) await Promise.all(some.map((slot) => cluster.#run(slot)))
    cluster.check()
    return cluster
  }

  private constructor(slots: readonly Slot[], mutation: Mutation | undefined) {
    this.#slots = slots
    this.#inTurn = slots.map((_, n) => n)
    this.#mutation = mutation
  }

  /** Resolves when it listens, however often it dies before. */
  async #run(slot: Slot): Promise<void> {
    const [doom, ...later] = slot.dooms
    slot.dooms = later
    slot.running = startGateway(slot.options, {
      ...(this.#mutation && { mutation: this.#mutation }),
      ...(slot.root !== undefined && { root: slot.root }),
      ...(doom && { armed: armedAt(doom) }),
    })
    const { running } = slot
    await running.started
    const next = running.exit.then(() => this.#ended(slot, running))
    if (running.url === undefined) await next
  }

  async #ended(slot: Slot, running: GatewayProcess): Promise<void> {
    slot.running = undefined
    slot.deaths += 1
    this.#past.push(...running.facts)
    if (this.#isClosing || slot.isRetired) return
    if (!EXPECTED_ENDS.includes(running.ended ?? '')) {
      this.#fault = new Error(`${slot.options.name} ended with ${running.ended}; its reason is on standard error`)
      return this.kill()
    }
    await this.#run(slot)
  }

  /** @throws where a gateway ended by itself, or the cluster is closed */
  check(): void {
    if (this.#fault) throw this.#fault
    if (this.#isClosing) throw new Error('the cluster is closed')
  }

  /** Where a sender sends next, as a load balancer decides; undefined while nobody is there. */
  url(): string | undefined {
    this.check()
    for (let tries = 0; tries < this.#inTurn.length; tries += 1) {
      const n = this.#inTurn[this.#turn++ % this.#inTurn.length]
      const url = this.#slots[n ?? 0]?.running?.url
      if (url) return url
    }
    return undefined
  }

  /** Whom the load balancer sends to from now on. */
  only(...processes: readonly number[]): void {
    this.#inTurn = processes
  }

  get size(): number {
    return this.#slots.length
  }

  deaths(n: number): number {
    this.check()
    return this.#slots[n]?.deaths ?? 0
  }

  get allDeaths(): number {
    this.check()
    return this.#slots.reduce((sum, { deaths }) => sum + deaths, 0)
  }

  /** How often any process has told this, the dead ones included. */
  told(isIt: (fact: Fact) => boolean): number {
    this.check()
    return [...this.#past, ...this.#slots.flatMap(({ running }) => running?.facts ?? [])].filter(isIt).length
  }

  /** How often any process has come to this failpoint, armed for it. */
  reached(failpoint: Failpoint): number {
    return this.told(({ reached }) => reached === failpoint)
  }

  async listens(n: number): Promise<void> {
    await until(`process ${n} listens`, () => {
      this.check()
      return this.#slots[n]?.running?.url !== undefined
    })
  }

  /** @param later where it dies in its next lives */
  async arm(n: number, failpoint: Failpoint, more: Partial<Armed> = {}, later: readonly Doom[] = []): Promise<void> {
    await this.listens(n)
    const slot = this.#slots[n]
    if (slot) slot.dooms = later
    await slot?.running?.arm(armedAt({ ...more, failpoint }))
  }

  /** The first process that comes there dies. */
  async armAll(failpoint: Failpoint, more: Partial<Armed> = {}): Promise<void> {
    for (const n of this.#slots.keys()) await this.arm(n, failpoint, more)
  }

  async disarm(): Promise<void> {
    for (const slot of this.#slots) {
      slot.dooms = []
      await slot.running?.arm(undefined)
    }
  }

  signal(n: number, signal: NodeJS.Signals): void {
    this.#slots[n]?.running?.signal(signal)
  }

  /** Ends it as a platform does, for good. */
  async retire(n: number): Promise<void> {
    const slot = this.#slots[n]
    const running = slot?.running
    if (!slot || !running) return
    slot.isRetired = true
    running.signal('SIGTERM')
    await running.exit
  }

  /** Whoever is started in its place runs another version. @param later as in `arm` */
  replace(n: number, root: string, signal: NodeJS.Signals, later: readonly Doom[] = []): void {
    const slot = this.#slots[n]
    if (slot) Object.assign(slot, { root, dooms: later })
    this.signal(n, signal)
  }

  kill(): void {
    this.#isClosing = true
    for (const { running } of this.#slots) running?.signal('SIGKILL')
    open.delete(this)
  }

  async close(): Promise<void> {
    this.kill()
    await Promise.all(this.#slots.map(({ running }) => running?.exit))
  }
}

const armedAt = (doom: Doom): Armed => ({ pass: 1, signal: 'SIGKILL', ...doom })
