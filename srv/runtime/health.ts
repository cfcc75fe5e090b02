import { toFault } from '#domain/errors'
import type { SourceRisk } from '#domain/plan-mesh'
import type { Clock, Inbox, Log, StoreHealth } from '#domain/ports'
import { faultFields } from './fault-fields.ts'
import { orTimeout } from './within-time.ts'

/** How the inbox is, and where the gateway is in its life. `ok: false` always says a `reason`. */
export interface GatewayHealth extends StoreHealth {
  readonly state: 'new' | 'started' | 'draining' | 'stopped'
  /**
   * What endangers the sources' events at their brokers, alarms first; absent where nothing does. Never a reason for
   * `ok: false`: no restart of ours mends it.
   */
  readonly risks?: readonly SourceRisk[]
}

export interface HealthParts {
  readonly inbox: Pick<Inbox, 'health'>
  readonly risks: () => Promise<readonly SourceRisk[]>
  readonly state: () => GatewayHealth['state']
  readonly clock: Clock
  readonly log: Log
}

/** A store that does not answer for as long is no store: platforms give a readiness check some seconds. */
const HEALTH_MS = 3_000

/** Never rejects. */
export function healthOf({ inbox, risks, state, clock, log }: HealthParts): () => Promise<GatewayHealth> {
  async function read(): Promise<Omit<GatewayHealth, 'state'>> {
    const [store, found] = await Promise.all([inbox.health(), risks()])
    return found.length > 0 ? { ...store, risks: found } : store
  }

  return async () => {
    const now = state()
    if (now === 'new' || now === 'stopped') return { ok: false, reason: now, state: now }
    try {
      return { ...(await orTimeout(clock, HEALTH_MS, 'A look at the store', read())), state: state() }
    } catch (thrown) {
      log.warn('the store does not say how it is', faultFields(thrown))
      return { ok: false, reason: toFault(thrown).code, state: state() }
    }
  }
}
