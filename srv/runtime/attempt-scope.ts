import { SluiceError } from '#domain/errors'
import type { ClaimedDispatch, Clock, Effect } from '#domain/ports'
import { objectName } from '#domain/ports'
import type { HandlerTarget, Target, TargetSession, WriteScope } from '#domain/target'
import { requestId } from './ids.ts'

/** Everything one attempt may do to the outside, and what it did. Closed when the attempt ends: a late write is refused. */
export interface AttemptScope {
  readonly signal: AbortSignal
  readonly aborted: boolean
  readonly sent: boolean
  readonly effects: readonly Effect[]
  readonly sessions: Readonly<Record<string, HandlerTarget>>
  close(reason: string): void
  /** Called when it is closed, until somebody else is named. */
  onClose(over: ((reason: SluiceError) => void) | undefined): void
}

export function openScope(
  dispatch: ClaimedDispatch,
  subscription: string,
  targets: Readonly<Record<string, Target>>,
  clock: Clock,
  holdsLease: () => boolean,
): AttemptScope {
  let abort: AbortController | undefined
  let closing: ((reason: SluiceError) => void) | undefined
  const effects: Effect[] = []
  let closed: string | undefined
  /** What was sent and not definitely refused. */
  const sent = new Set<symbol>()
  const identity = `${dispatch.event.key}:${subscription}`

  /** Made for who asks: most handlers never look, and it is among the dearest things of an attempt. */
  function signal(): AbortSignal {
    abort ??= new AbortController()
    if (closed !== undefined) abort.abort(over(closed))
    return abort.signal
  }

  const writeScope = (target: string): WriteScope => ({
    dispatch: identity,
    run: dispatch.run,
    // Within a run, what was definitely refused left nothing to look for; another run may have written anything.
    firstTry: dispatch.run === 1 ? dispatch.lastSentAt === undefined : !dispatch.triedBefore,
    get signal() {
      return signal()
    },
    now: () => clock.now(),
    requestId: (step) => requestId(identity, dispatch.run, step),
    guard: () => {
      if (closed === undefined && !holdsLease()) closed = 'lease-lost'
      if (closed === undefined) return
      throw new SluiceError(closed, 'This attempt is over; its late write was refused.', {
        effect: sent.size > 0 ? 'unknown' : 'none',
      })
    },
    sent: () => {
      const write = Symbol('write')
      sent.add(write)
      return () => sent.delete(write)
    },
    wrote: ({ type, key, version, over }) => {
      const object = objectName({ type, key })
      const last = effects.findLast((effect) => effect.scope === `target:${target}` && effect.object === object)
      effects.push({ scope: `target:${target}`, object, version: { version } })
      // Beneath a second write lies what lay beneath the first.
      if (over === undefined || over === last?.version.version) return
      effects.push({ scope: `beneath:${target}`, object, version: { version: over } })
    },
    ...(dispatch.lastSentAt ? { lastSentAt: dispatch.lastSentAt } : {}),
  })

  // Opened on first use: most handlers write to one target, and another one's fault is none of theirs.
  const sessions: Record<string, HandlerTarget> = {}
  for (const [name, target] of Object.entries(targets)) {
    let session: HandlerTarget | undefined
    Object.defineProperty(sessions, name, {
      enumerable: true,
      get: () => {
        session ??= publishing(target.session(writeScope(name)))
        return session
      },
    })
  }

  return {
    get signal() {
      return signal()
    },
    get aborted() {
      return closed !== undefined
    },
    sessions,
    effects,
    get sent() {
      return sent.size > 0
    },
    close(reason) {
      closed ??= reason
      if (abort === undefined && closing === undefined) return
      const why = over(closed)
      abort?.abort(why)
      closing?.(why)
    },
    onClose(run) {
      closing = run
    },
  }
}

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
