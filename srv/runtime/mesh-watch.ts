import { toFault } from '#domain/errors'
import {
  type DesiredMesh,
  describeStep,
  type FoundMesh,
  type MeshPlan,
  type MeshRisk,
  type MeshStep,
  planMesh,
  riskOf,
} from '#domain/plan-mesh'
import type { Clock, Journal, Log } from '#domain/ports'
import { faultFields } from './fault-fields.ts'
import { leading } from './lead.ts'
import type { RiskBoard } from './risk-board.ts'
import { withinTime } from './within-time.ts'

/** Looks at one queue with its webhook at the broker, and changes them. Steps may be repeated. */
export interface Mesh {
  readonly desired: DesiredMesh
  look(signal?: AbortSignal): Promise<FoundMesh>
  carryOut(step: MeshStep, signal?: AbortSignal): Promise<void>
  close(): void
}

/** A broker whose queues and webhooks are kept as configured. */
export interface WatchedMesh {
  /** The configured source's name. */
  readonly source: string
  readonly mesh: Mesh
  /** Which instances look: those that take the source's deliveries. */
  readonly role: 'intake' | 'poller'
  /** Between two looks, in ms. */
  readonly watchMs: number
}

export interface MeshWatchParts {
  readonly meshes: readonly WatchedMesh[]
  readonly journal: Pick<Journal, 'lease' | 'releaseLease'>
  readonly clock: Clock
  readonly log: Log
  readonly board: RiskBoard
  readonly instance: string
}

export interface MeshChange {
  readonly done: readonly MeshStep[]
  /** What is left: steps that need time, such as a handshake under way, and the risks now, refused steps among them. */
  readonly plan: MeshPlan
}

/**
 * Before the first look: the broker calls our address for its handshake, and a platform's router may not know it yet.
 * And before the next one where a webhook is new: what waits for its handshake shall not wait long.
 */
const SOON_MS = 5_000
/** One instance looks and changes; longer than any look with its steps. */
const LEASE_MS = 300_000
/** What the store's column holds. */
const MAX_LEASE_NAME = 100

interface ApplyOptions {
  /** Replaces the webhook although no difference shows, e.g. for a new secret. */
  readonly renew?: boolean
  readonly signal?: AbortSignal
  readonly log?: Log
  /** Webhooks that stayed different after they were replaced. Kept over looks, so that none is replaced every minute. */
  readonly futile?: Set<string>
}

/**
 * Changes what differs and nothing else, until nothing does or only time can help. A step that has been tried is not
 * repeated: what it did not bring about, repeating would not. One that is refused for good does not keep the others.
 * @throws SluiceError of the broker's; what was done until then stays done, and the next call goes on from there
 */
export async function applyMesh(
  mesh: Mesh,
  { renew = false, signal, log, futile = new Set() }: ApplyOptions = {},
): Promise<MeshChange> {
  const tried = new Set<string>()
  const done: MeshStep[] = []
  const refusals: MeshRisk[] = []
  for (;;) {
    const found = await mesh.look(signal)
    const plan = planMesh(mesh.desired, found, { renew: renew && tried.size === 0 })
    const next = plan.steps
      .filter((step) => !tried.has(describeStep(step)))
      .filter((step) => step.step !== 'replace-webhook' || renew || !futile.has(lookOf(found)))
    if (next.length === 0) {
      if (plan.steps.some((step) => step.step === 'replace-webhook')) futile.add(lookOf(found))
      return { done, plan: { ...plan, risks: [...refusals, ...plan.risks] } }
    }
    for (const step of next) {
      tried.add(describeStep(step))
      const refusal = await refusalOf(step, mesh.carryOut(step, signal))
      if (refusal) {
        refusals.push(refusal)
        continue
      }
      done.push(step)
      log?.info('changed at the broker', { change: describeStep(step) })
    }
  }
}

/** What only somebody with rights at the broker can change. Without its queue no other step would succeed. */
async function refusalOf(step: MeshStep, carriedOut: Promise<void>): Promise<MeshRisk | undefined> {
  try {
    await carriedOut
    return undefined
  } catch (thrown) {
    const fault = toFault(thrown)
    if (fault.retry !== 'never' || step.step === 'create-queue') throw thrown
    return riskOf(fault)
  }
}

/** The webhook as the broker shows it, without its state. */
function lookOf({ webhook }: FoundMesh): string {
  if (!webhook) return ''
  const { handshake, paused, ...look } = webhook
  return JSON.stringify(look)
}

/** Subscribes, repairs and watches, on a schedule and by one instance at a time. Nothing here ever throws. */
export function createMeshWatch({ meshes, journal, clock, log, board, instance }: MeshWatchParts) {
  const lead = { journal, clock, log, instance, leaseMs: LEASE_MS }
  const abort = new AbortController()
  const running = new Set<Promise<void>>()
  const timers = new Map<string, () => void>()
  const futile = new Set<string>()
  const waited = new Set<string>()
  const firstLooks = new Map(meshes.map(({ source }) => [source, Promise.withResolvers<void>()]))

  /** @returns when to look again, in ms */
  const run = async (watched: WatchedMesh): Promise<number> => (await lookInTurn(watched)) ?? watched.watchMs

  /** @returns undefined while another instance looks */
  async function lookInTurn(watched: WatchedMesh): Promise<number | undefined> {
    const { source, watchMs } = watched
    try {
      return await leading(lead, `mesh:${source}`.slice(0, MAX_LEASE_NAME), () => look(watched))
    } catch (thrown) {
      // The store's fault, which says nothing about the broker.
      if (!abort.signal.aborted) log.warn('a broker could not be looked at', { source, ...faultFields(thrown) })
      return watchMs
    }
  }

  async function look({ source, mesh, watchMs }: WatchedMesh): Promise<number> {
    try {
      const { done, plan } = await applyMesh(mesh, { signal: abort.signal, log, futile })
      await board.report(source, 'mesh', plan.risks)
      const isNew = done.some(({ step }) => step === 'create-webhook' || step === 'replace-webhook')
      return isNew ? Math.min(SOON_MS, watchMs) : watchMs
    } catch (thrown) {
      if (abort.signal.aborted) return watchMs
      const fault = toFault(thrown)
      log.debug('a broker could not be looked at', { source, ...faultFields(thrown) })
      await board.report(source, 'mesh', [riskOf(fault)])
      return typeof fault.retry === 'object' ? Math.max(fault.retry.afterMs, watchMs) : watchMs
    }
  }

  function schedule(watched: WatchedMesh, afterMs: number): void {
    if (abort.signal.aborted) return
    timers.set(
      watched.source,
      clock.after(afterMs, () => turn(watched)),
    )
  }

  function turn(watched: WatchedMesh): void {
    const { source, watchMs } = watched
    const looking = lookInTurn(watched)
      .then((againMs) => {
        // Who looks meanwhile may be making what is missing, or may have died: it is given some time, once.
        const isWaiting = againMs === undefined && !waited.has(source)
        waited.add(source)
        if (!isWaiting) firstLooks.get(source)?.resolve()
        schedule(watched, againMs ?? (isWaiting ? Math.min(SOON_MS, watchMs) : watchMs))
      })
      .finally(() => running.delete(looking))
    running.add(looking)
  }

  return {
    run,
    /** Once a source's broker was looked at for the first time, well or badly, here or elsewhere. */
    looked: (source: string): Promise<void> => firstLooks.get(source)?.promise ?? Promise.resolve(),
    start() {
      for (const watched of meshes) {
        // A queue that is pulled needs no router that knows us, and its consumers wait for it.
        if (watched.mesh.desired.webhook) schedule(watched, Math.min(SOON_MS, watched.watchMs))
        else turn(watched)
      }
    },
    async stop(timeoutMs: number): Promise<void> {
      abort.abort()
      for (const cancel of timers.values()) cancel()
      await withinTime(clock, timeoutMs, Promise.allSettled(running))
      for (const { mesh } of meshes) mesh.close()
    },
  }
}

export type MeshWatch = ReturnType<typeof createMeshWatch>
