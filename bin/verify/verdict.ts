import { SluiceError } from '#domain/errors'
import type { Source, SourceContext } from '#domain/source'
import { sources } from '../../adapters/sources/index.ts'
import { usage } from '../exit.ts'
import type { Recorded } from './request.ts'

export interface Verdict {
  readonly ok: boolean
  /** A reason of the gateway's closed list, or `configuration`. */
  readonly reason?: string
  readonly message?: string
}

/** What the gateway would say: its own verifying code, offline. */
export async function judge(
  kind: string,
  options: Readonly<Record<string, unknown>>,
  secrets: readonly string[],
  recorded: Recorded,
  now: Date,
): Promise<Verdict> {
  const factory = sources[kind as keyof typeof sources] as (options: never) => Source
  let source: Source
  try {
    // What identifies an event has no part in verifying it.
    const identity = kind === 'hmac' && options.id === undefined ? { identity: 'none' } : {}
    source = factory({ ...identity, ...options, secrets } as never)
  } catch (thrown) {
    if (!(thrown instanceof SluiceError)) throw thrown
    if (!/option "secrets/.test(thrown.message)) throw usage(thrown.message)
    return { ok: false, reason: 'configuration', message: thrown.message }
  }
  const { method, url, headers, body } = recorded
  const { pathname, searchParams } = new URL(url)
  const delivery = {
    method,
    url,
    path: pathname,
    query: searchParams,
    headers: Object.fromEntries(headers),
    body,
    receivedAt: now,
  }
  const verification = await source.verify(delivery, offline(now))
  if (verification.ok === true) return { ok: true }
  return { ok: false, reason: verification.ok === false ? verification.reason : 'undecided' }
}

/** Signed kinds ask nobody. */
function offline(now: Date): SourceContext {
  const nobody = () => Promise.reject(new SluiceError('offline', 'This kind cannot be verified offline.'))
  return {
    now,
    signal: new AbortController().signal,
    fetch: nobody,
    cache: { get: () => undefined, set: () => undefined },
    state: { get: async () => undefined, set: async () => undefined },
    authenticate: nobody,
    later: () => undefined,
  }
}
