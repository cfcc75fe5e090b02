import { randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { SluiceError } from '#domain/errors'
import type { Log } from '#domain/ports'
import type { Reply, SourceContext } from '#domain/source'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { createGateway, type Gateway, type GatewayParts } from '../../srv/gateway.ts'
import { type VirtualClock, virtualClock } from '../virtual-clock.ts'
import { busyIn, dispatchesOf, type SimulatedDispatch } from './dispatches.ts'
import { SIMULATED_CALLER, type Signer, type SimulatedDelivery } from './signed.ts'
import { type SimulatedEvent, simulatedSource } from './simulated-source.ts'

/** The parts of a gateway, with an inbox, a clock and a caller of the simulation's own. */
export interface SimulationOptions<TargetName extends string = string>
  extends Omit<GatewayParts<TargetName>, 'inbox' | 'clock' | 'roles'> {
  /** Where the virtual clock stands at first; 2026-01-01T00:00:00Z. */
  readonly startAt?: Date | string
  /** How long real work (a handler's own I/O) is waited for while virtual time stands still; 1,000 ms. */
  readonly patienceMs?: number
}

/** How the gateway answered a delivery. */
export interface SimulatedReply extends Reply {
  /** Keys of the new events. */
  readonly events: readonly string[]
  /** The body, parsed where it is JSON. */
  readonly json: unknown
}

/** A line that was logged. */
export interface LogLine {
  readonly level: keyof Log
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A gateway in a test's hands. */
export interface Simulation<TargetName extends string = string> {
  /** Register handlers on it, before the first delivery; look at `admin` for replays. */
  readonly gateway: Gateway<TargetName>
  readonly clock: VirtualClock
  /** What the gateway and the handlers logged. */
  readonly log: readonly LogLine[]
  /** Hands a delivery to a source, as its sender would. Starts the gateway the first time. */
  deliver(source: string, delivery: SimulatedDelivery | Signer): Promise<SimulatedReply>
  /** Stores an event that nobody had to sign. `source` names one made by `simulatedSource()`. */
  send(event: SimulatedEvent, source?: string): Promise<SimulatedReply>
  /**
   * Lets everything that is due now happen.
   * @returns every dispatch so far
   * @throws SluiceError `still-running` where a handler is not done after `patienceMs`: it waits for virtual time, or for ever
   */
  settle(): Promise<readonly SimulatedDispatch[]>
  /**
   * Moves virtual time on, moment by moment: retries, time-outs and schedules happen when they are due. A handler that
   * is not done after `patienceMs` is taken for one that waits for this very time.
   */
  advance(ms: number): Promise<readonly SimulatedDispatch[]>
  dispatches(): readonly SimulatedDispatch[]
  stop(): Promise<void>
}

/** So long that a worker never looks by itself within a test: everything wakes it. */
const IDLE_MS = 365 * 86_400_000
const DEFAULT_PATIENCE_MS = 1_000
const SECOND_MS = 1_000
const SIMULATED = 'simulated'

/**
 * Runs handlers against events without HTTP and without a database: the real gateway on an inbox in memory, on a clock
 * that stands still until the test moves it.
 * @throws SluiceError `configuration` as `createGateway`
 */
export function simulate<TargetName extends string = string>(
  options: SimulationOptions<TargetName> = {},
): Simulation<TargetName> {
  const { startAt, patienceMs = DEFAULT_PATIENCE_MS, sources, worker, ...parts } = options
  const clock = virtualClock(startAt)
  const inbox = memoryInbox({ now: clock.now })
  const { lines, log } = recordingLog(parts.log)
  const gateway = createGateway<TargetName>({
    authenticate: knowsItsCaller,
    ...parts,
    inbox,
    clock,
    log,
    sources: { [SIMULATED]: simulatedSource(), ...sources },
    worker: { idleMs: IDLE_MS, ...worker },
  })
  const dispatches = () => dispatchesOf(inbox.state)
  const busy = () => busyIn(inbox.state, clock.now())

  /** Real time passes, virtual time does not. @returns the subscriptions that are still busy */
  async function quiet(): Promise<readonly string[]> {
    const giveUpAt = performance.now() + patienceMs
    do {
      for (let turns = 0; turns < TURNS; turns += 1) await turn()
    } while (busy().length > 0 && performance.now() < giveUpAt)
    return busy()
  }

  async function deliver(source: string, delivery: SimulatedDelivery | Signer): Promise<SimulatedReply> {
    await gateway.start()
    const sent = typeof delivery === 'function' ? delivery(clock.now()) : delivery
    const { method = 'POST', url = `/webhooks/${encodeURIComponent(source)}`, headers, body } = sent
    const known = new Set(inbox.state.events.keys())
    const reply = await gateway.receive({ method, url, headers, body, source })
    const events = [...inbox.state.events.keys()].filter((key) => !known.has(key))
    return { ...reply, events, json: parsed(reply.body) }
  }

  return {
    gateway,
    clock,
    log: lines,
    deliver,
    send: (event, source = SIMULATED) =>
      deliver(source, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ id: randomUUID(), ...event }),
      }),
    async settle() {
      await gateway.start()
      const left = await quiet()
      if (left.length === 0) return dispatches()
      throw new SluiceError('still-running', `${left.join(', ')} did not end within ${patienceMs} ms of real time.`, {
        remedy: 'Call advance(ms) where it waits for virtual time, e.g. its time-out; raise patienceMs for slow work.',
      })
    },
    async advance(ms) {
      await gateway.start()
      const end = clock.now().getTime() + ms
      let waiting = await quiet()
      for (;;) {
        const next = clock.next?.getTime() ?? Number.POSITIVE_INFINITY
        const at = Math.min(next, end)
        await clock.advance(at - clock.now().getTime())
        // Who waits for virtual time is not waited for again and again.
        if (busy().some((name) => !waiting.includes(name))) waiting = await quiet()
        if (next > end) break
      }
      return dispatches()
    },
    dispatches,
    async stop() {
      let stopped = false
      const stopping = gateway.stop({ timeoutMs: 0 }).finally(() => {
        stopped = true
      })
      // Its limits are virtual too.
      while (!stopped) await clock.advance(SECOND_MS)
      await stopping
    },
  }
}

/** Turns of the event loop between two looks: a claim and a settlement in memory take some. */
const TURNS = 10

/** Stands in for the authenticator: token checks are the gateway's business, not a handler's. */
const knowsItsCaller: SourceContext['authenticate'] = async ({ headers }) =>
  headers.authorization?.[0] === SIMULATED_CALLER
    ? { ok: true, principal: { name: 'simulated', scopes: [] } }
    : { ok: false, reason: 'token-invalid', status: 401 }

function parsed(body: string | undefined): unknown {
  try {
    return body === undefined ? undefined : JSON.parse(body)
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

function recordingLog(also: Log | undefined): { lines: readonly LogLine[]; log: Log } {
  const lines: LogLine[] = []
  const at =
    (level: keyof Log): Log['info'] =>
    (message, fields = {}) => {
      lines.push({ level, message, fields })
      also?.[level](message, fields)
    }
  return { lines, log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } }
}
