import { SluiceError } from '#domain/errors'
import type { ClaimedDispatch, Clock, Effect } from '#domain/ports'
import { objectName } from '#domain/ports'
import type { HandlerTarget, Target, TargetSession, WriteScope } from '#domain/target'
import type { HeldLease } from './held-leases.ts'
import { requestId } from './ids.ts'

// Classes, because this is made for every attempt: of objects whose getters are closures each would be a shape of its own
// to V8, which costs more than the attempt itself and lives until the next full collection.

/** Everything one attempt may do to the outside, and what it did. Closed when the attempt ends: a late write is refused. */
export class AttemptScope {
  readonly effects: Effect[] = []
  readonly sessions: Readonly<Record<string, HandlerTarget>>
  readonly #lease: Pick<HeldLease, 'holds'>
  /** What was sent and not definitely refused. */
  readonly #sent = new Set<symbol>()
  #abort: AbortController | undefined
  #closing: ((reason: SluiceError) => void) | undefined
  #closed: string | undefined

  constructor(
    dispatch: ClaimedDispatch,
    subscription: string,
    targets: Readonly<Record<string, Target>>,
    clock: Clock,
    lease: Pick<HeldLease, 'holds'>,
  ) {
    this.#lease = lease
    const identity = `${dispatch.event.key}:${subscription}`
    this.sessions = openSessions(targets, (target) => new TargetScope(this, target, dispatch, identity, clock))
  }

  /** Made for who asks: most handlers never look, and it is among the dearest things of an attempt. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#closed !== undefined) this.#abort.abort(over(this.#closed))
    return this.#abort.signal
  }

  get aborted(): boolean {
    return this.#closed !== undefined
  }

  get sent(): boolean {
    return this.#sent.size > 0
  }

  /** @throws SluiceError once the attempt is over */
  guard(): void {
    if (this.#closed === undefined && !this.#lease.holds()) this.#closed = 'lease-lost'
    if (this.#closed === undefined) return
    throw new SluiceError(this.#closed, 'This attempt is over; its late write was refused.', {
      effect: this.sent ? 'unknown' : 'none',
    })
  }

  /** @returns to be called where it was definitely refused */
  sending(): () => void {
    const write = Symbol('write')
    this.#sent.add(write)
    return () => this.#sent.delete(write)
  }

  close(reason: string): void {
    this.#closed ??= reason
    if (this.#abort === undefined && this.#closing === undefined) return
    const why = over(this.#closed)
    this.#abort?.abort(why)
    this.#closing?.(why)
  }

  /** Called when it is closed, until somebody else is named. */
  onClose(run: ((reason: SluiceError) => void) | undefined): void {
    this.#closing = run
  }
}

/** What one target's session may do, and tells. All its own, so that whoever wraps a target may pass `{ ...scope }` on. */
class TargetScope implements WriteScope {
  readonly dispatch: string
  readonly run: number
  readonly firstTry: boolean
  declare readonly lastSentAt?: Date
  declare readonly signal: AbortSignal
  readonly #attempt: AttemptScope
  readonly #target: string
  readonly #clock: Clock

  constructor(
    attempt: AttemptScope,
    target: string,
    { run, lastSentAt, triedBefore }: ClaimedDispatch,
    identity: string,
    clock: Clock,
  ) {
    this.dispatch = identity
    this.run = run
    // Within a run, what was definitely refused left nothing to look for; another run may have written anything.
    this.firstTry = run === 1 ? lastSentAt === undefined : !triedBefore
    if (lastSentAt) this.lastSentAt = lastSentAt
    this.#attempt = attempt
    this.#target = target
    this.#clock = clock
    Object.defineProperty(this, 'signal', TargetScope.#SIGNAL)
  }

  static readonly #SIGNAL: PropertyDescriptor & ThisType<TargetScope> = {
    enumerable: true,
    get() {
      return this.#attempt.signal
    },
  }

  readonly now = (): Date => this.#clock.now()
  readonly requestId = (step: string): string => requestId(this.dispatch, this.run, step)
  readonly guard = (): void => this.#attempt.guard()
  readonly sent = (): (() => void) => this.#attempt.sending()

  readonly wrote: WriteScope['wrote'] = ({ type, key, version, over }) => {
    const { effects } = this.#attempt
    const [scope, object] = [`target:${this.#target}`, objectName({ type, key })]
    const last = effects.findLast((effect) => effect.scope === scope && effect.object === object)
    effects.push({ scope, object, version: { version } })
    // Beneath a second write lies what lay beneath the first.
    if (over === undefined || over === last?.version.version) return
    effects.push({ scope: `beneath:${this.#target}`, object, version: { version: over } })
  }
}

type Targets = Readonly<Record<string, Target>>
type Open = (target: string) => WriteScope

/** One session per target, opened on first use: most handlers write to one, and another one's fault is none of theirs. */
class Sessions {
  readonly #open: Open
  readonly #opened: Record<string, HandlerTarget> = {}

  constructor(open: Open, getters: PropertyDescriptorMap) {
    this.#open = open
    Object.defineProperties(this, getters)
  }

  static session(of: Sessions, name: string, target: Target): HandlerTarget {
    of.#opened[name] ??= publishing(target.session(of.#open(name)))
    return of.#opened[name]
  }
}

const properties = new WeakMap<Targets, PropertyDescriptorMap>()

function openSessions(targets: Targets, open: Open): Readonly<Record<string, HandlerTarget>> {
  const getters = properties.get(targets) ?? gettersOf(targets)
  properties.set(targets, getters)
  return new Sessions(open, getters) as unknown as Readonly<Record<string, HandlerTarget>>
}

/** The same for every attempt. */
const gettersOf = (targets: Targets): PropertyDescriptorMap =>
  Object.fromEntries(
    Object.entries(targets).map(([name, target]) => [
      name,
      {
        enumerable: true,
        get(this: Sessions) {
          return Sessions.session(this, name, target)
        },
      },
    ]),
  )

const over = (reason: string) => new SluiceError(reason, 'The attempt is over.')

/** In place: a session may be of a class with private fields, which neither a copy nor a heir would have. */
const publishing = (session: TargetSession): HandlerTarget =>
  session.publish ? (session as HandlerTarget) : Object.assign(session, { publish: noBroker })

const noBroker: HandlerTarget['publish'] = async () => {
  throw new SluiceError('configuration', 'This target is no broker.', {
    retry: 'never',
    remedy: 'Publish to a target of kind event-mesh.',
  })
}
