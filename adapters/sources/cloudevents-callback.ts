import { SluiceError, toFault } from '#domain/errors'
import type { SourceContext } from '#domain/source'
import { type Rate, remember } from './cloudevents-grants.ts'
import { misconfigured } from './options.ts'

export interface CallbackOptions {
  /** Exact hosts, with a port unless it is 443, that may be called: a sender names the address. */
  readonly hosts: readonly string[]
  /** `POST` by default. */
  readonly method?: 'GET' | 'POST'
}

/** An address of the sender's choice is no longer than this. */
const MAX_URL_LENGTH = 2_048
/** One call for an origin a minute, however often it asks: nobody may use us to call somebody else. */
const PAUSE_MS = 60_000

export function compileCallback(kind: string, options: CallbackOptions): CallbackOptions {
  const { hosts, method = 'POST' } = options
  if (!Array.isArray(hosts) || hosts.length === 0 || !hosts.every(isHost)) {
    throw misconfigured(kind, 'callback.hosts', 'names no host', 'Give exact hosts such as broker.example.com.')
  }
  if (method !== 'GET' && method !== 'POST') {
    throw misconfigured(kind, 'callback.method', 'has an unknown value', 'Use GET or POST.')
  }
  return { hosts: hosts.map((host) => host.toLowerCase()), method }
}

const isHost = (host: unknown): boolean =>
  typeof host === 'string' && URL.canParse(`https://${host}`) && new URL(`https://${host}`).host === host.toLowerCase()

/** Checked here as well as by the guarded fetch: a sender must not learn what our network looks like. */
export function isCallable(address: string, { hosts }: CallbackOptions): boolean {
  if (address.length > MAX_URL_LENGTH || !URL.canParse(address)) return false
  const { protocol, host, username, password } = new URL(address)
  return protocol === 'https:' && hosts.includes(host) && username === '' && password === ''
}

export interface CallbackGrant {
  readonly origin: string
  readonly rate: Rate
  readonly url: string
  readonly options: CallbackOptions
}

/** Grants permission at the address the sender gave, after the handshake was answered (§4.1.3). */
export function grantByCallback(context: SourceContext, { origin, rate, url, options }: CallbackGrant): void {
  const paused = `callback:${origin.toLowerCase()}`
  if (context.cache.get(paused)) return
  context.cache.set(paused, true, PAUSE_MS)
  const grant = { origin, rate, at: context.now.toISOString(), by: 'callback' } as const
  context.later(async () => {
    const headers = { 'webhook-allowed-origin': origin, 'webhook-allowed-rate': String(rate) }
    // No signal of the handshake's: that one is over.
    const call = context.fetch(url, { method: options.method ?? 'POST', headers })
    const answer = await call.then(
      ({ status }) => String(status),
      (thrown) => toFault(thrown).code,
    )
    if (/^2/.test(answer)) return remember(context, grant)
    // The host alone: the rest of the address is the sender's secret.
    throw new SluiceError('callback-failed', `The callback of ${origin} at ${new URL(url).host} ended with ${answer}.`)
  })
}
