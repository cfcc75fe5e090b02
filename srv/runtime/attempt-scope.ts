import { SluiceError } from '#domain/errors'
import type { ClaimedDispatch, Clock, Effect } from '#domain/ports'
import { objectName } from '#domain/ports'
import type { Target, TargetSession, WriteScope } from '#domain/target'
import { requestId } from './ids.ts'

/** Everything one attempt may do to the outside, and what it did. Closed when the attempt ends: a late write is refused. */
export interface AttemptScope {
  readonly signal: AbortSignal
  readonly sent: boolean
  readonly effects: readonly Effect[]
  readonly sessions: Readonly<Record<string, TargetSession>>
  close(reason: string): void
}

export function openScope(
  dispatch: ClaimedDispatch,
  subscription: string,
  targets: Readonly<Record<string, Target>>,
  clock: Clock,
  holdsLease: () => boolean,
): AttemptScope {
  const abort = new AbortController()
  const effects: Effect[] = []
  let closed: string | undefined
  let sent = false
  const identity = `${dispatch.event.key}:${subscription}`

  const writeScope = (target: string): WriteScope => ({
    dispatch: identity,
    run: dispatch.run,
    firstTry: !dispatch.triedBefore,
    signal: abort.signal,
    now: () => clock.now(),
    requestId: (step) => requestId(identity, dispatch.run, step),
    guard: () => {
      if (closed === undefined && !holdsLease()) closed = 'lease-lost'
      if (closed === undefined) return
      throw new SluiceError(closed, 'This attempt is over; its late write was refused.', {
        effect: sent ? 'unknown' : 'none',
      })
    },
    sent: () => {
      sent = true
    },
    wrote: ({ type, key, version }) => {
      effects.push({ scope: `target:${target}`, object: objectName({ type, key }), version: { version } })
    },
    ...(dispatch.lastSentAt ? { lastSentAt: dispatch.lastSentAt } : {}),
  })

  const sessions: Record<string, TargetSession> = {}
  for (const [name, target] of Object.entries(targets)) sessions[name] = target.session(writeScope(name))

  return {
    signal: abort.signal,
    sessions,
    effects,
    get sent() {
      return sent
    },
    close(reason) {
      closed ??= reason
      abort.abort(new SluiceError(reason, 'The attempt is over.'))
    },
  }
}
